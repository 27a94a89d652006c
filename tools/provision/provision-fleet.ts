/** Provisions the devices of a table, or one: in batches, so that memory stays flat and the disk is waited for seldom. */
import * as path from "node:path";
import { SealwireError, type ErrorCode } from "../../src/errors.js";
import { buildDevice, type BuiltDevice, type FleetOptions } from "./build.js";
import { type Row, readCSV } from "./csv.js";
import { type Column, columns, type DeviceOrder, deviceOrder } from "./device-order.js";
import type { OutputFolder } from "./output-folder.js";

/** Devices that are written at once. */
const batchSize = 64;

/** Devices that are made at the same time: signing runs on threads. */
const parallel = 4;

/** Failures that are remembered; all are counted. */
const rememberedFailures = 1000;

export interface RowFailure {
  readonly row: number;
  readonly line: number;
  readonly code: ErrorCode;
  readonly message: string;
}

export interface FleetResult {
  provisioned: number;
  /** Devices that were there already. */
  skipped: number;
  failed: number;
  readonly failures: RowFailure[];
  /** Devices of whom another certificate is valid: the first, and how many. */
  twins: { readonly first: string; readonly count: number } | undefined;
  interrupted: boolean;
}

export interface FleetRun {
  readonly csv: string;
  readonly prefix: string | undefined;
  readonly options: FleetOptions;
  readonly output: OutputFolder;
  /** Asked between rows. */
  readonly interrupted: () => boolean;
  readonly onRow: (done: number, bytes: number) => void;
  readonly onFailure: (failure: RowFailure) => void;
}

/** What is wrong with one device, and says nothing of the next one. */
const rowCodes: readonly ErrorCode[] = [
  "INVALID_ARGUMENT",
  "CREDENTIALS_WEAK",
  "CRYPTO_INVALID",
  "IDENTITY_MAC_INVALID",
  "PROVISIONING_INVALID",
];

/**
 * @throws CommandFailure for what concerns all devices: a full disk, a key that is missing. What is whole stays; the same call goes on from there
 */
export async function provisionFleet(run: FleetRun): Promise<FleetResult> {
  const { output, options, onRow } = run;
  const result: FleetResult = {
    provisioned: 0,
    skipped: 0,
    failed: 0,
    failures: [],
    twins: undefined,
    interrupted: false,
  };
  /** Where each identifier was first seen: a table that names a device twice means another one. */
  const seen = new Map<string, number>();
  let batch: (readonly [Row, Promise<BuiltDevice | RowFailure>])[] = [];
  let finished: BuiltDevice[] = [];

  const fail = (failure: RowFailure): void => {
    result.failed++;
    if (result.failures.length < rememberedFailures) result.failures.push(failure);
    run.onFailure(failure);
  };
  const settle = async (): Promise<void> => {
    const [first] = batch;
    if (first === undefined) return;
    batch = batch.slice(1);
    const built = await first[1];
    if ("files" in built) finished.push(built);
    else fail(built);
  };
  const flush = async (): Promise<void> => {
    while (batch.length > 0) await settle();
    await output.write(finished);
    result.provisioned += finished.length;
    for (const { clientIdentifier, isTwin } of finished)
      if (isTwin)
        result.twins = { first: result.twins?.first ?? clientIdentifier, count: (result.twins?.count ?? 0) + 1 };
    finished = [];
  };

  for await (const row of readCSV(run.csv, columns)) {
    if (run.interrupted()) {
      result.interrupted = true;
      break;
    }
    onRow(row.number, row.bytes);
    const order = await orderOf(row, run, seen);
    if ("message" in order) {
      fail(order);
      continue;
    }
    if (output.has(order.clientIdentifier)) {
      result.skipped++;
      continue;
    }
    batch.push([row, building(row, order, options)]);
    if (batch.length >= parallel) await settle();
    if (finished.length + batch.length >= batchSize) await flush();
  }
  await flush();
  result.failures.sort((a, b) => a.row - b.row);
  return result;
}

async function orderOf(row: Row, run: FleetRun, seen: Map<string, number>): Promise<DeviceOrder | RowFailure> {
  const { fields, error } = row;
  if (fields === undefined)
    return failureOf(row, new SealwireError("INVALID_ARGUMENT", `${capital(error ?? "it is malformed")}.`));
  try {
    const field = (column: Column): string | undefined => fields.get(column);
    const order = await deviceOrder(field, { folder: path.dirname(run.csv), prefix: run.prefix });
    const before = seen.get(order.clientIdentifier);
    if (before !== undefined)
      throw new SealwireError("INVALID_ARGUMENT", `The device ${order.clientIdentifier} is in row ${before}, too.`);
    seen.set(order.clientIdentifier, row.number);
    return order;
  } catch (failure) {
    return failureOf(row, failure);
  }
}

async function building(row: Row, order: DeviceOrder, options: FleetOptions): Promise<BuiltDevice | RowFailure> {
  try {
    return await buildDevice(order, options);
  } catch (error) {
    return failureOf(row, error);
  }
}

/** @throws what concerns more than this row */
function failureOf({ number, line }: Row, error: unknown): RowFailure {
  if (!(error instanceof SealwireError) || !rowCodes.includes(error.code)) throw error;
  return { row: number, line, code: error.code, message: error.message };
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
