/** `sealwire provision`: what it does with its options. */
import * as fs from "node:fs";
import * as path from "node:path";
import type { CommandResult } from "../command-result.js";
import { exitCodes, usageFailure } from "../failure.js";
import { readFleet, simulatedFolder } from "../fleet/fleet-file.js";
import { Output } from "../output.js";
import { askPassphrase } from "../passphrase.js";
import { shownPath } from "../paths.js";
import { passphraseOf } from "../pki/commands/common.js";
import { FleetPKI, lifetimes } from "../pki/index.js";
import { leastPrivilege, readPolicy, writeAWS } from "./aws.js";
import { buildDevice, type FleetOptions, fileOf, partitionSizes, place } from "./build.js";
import { type Column, type DeviceOrder, deviceOrder } from "./device-order.js";
import { checkArguments, fleetOptions, type ProvisionArguments } from "./options.js";
import { OutputFolder } from "./output-folder.js";
import { Progress } from "./progress.js";
import { provisionFleet, type RowFailure } from "./provision-fleet.js";
import { provisionSimulator } from "./simulator.js";

/** Failures that are shown one by one. */
const shownFailures = 20;

export async function provision(id: string | undefined, given: ProvisionArguments): Promise<CommandResult> {
  checkArguments(id, given);
  const policy = given.awsPolicy === undefined ? leastPrivilege : readPolicy(given.awsPolicy);
  const pki = given.certificate ? new FleetPKI({ folder: given.pki, passphrase: passphraseOf(given) }) : undefined;
  try {
    const options = fleetOptions(given, pki);
    // Asked for once, and before anything is written.
    await pki?.authority("issuing");
    const notices = noticesOf(given, options);
    const told = (result: CommandResult): CommandResult => ({
      ...result,
      warnings: [...notices, ...(result.warnings ?? [])],
    });
    if (given.simulator !== undefined) {
      const order = await orderOf(id, given);
      const folder = given.simulator === true ? simulatedFolder(order.clientIdentifier) : given.simulator;
      return told(await simulator(folder, order, options));
    }
    const output = new OutputFolder(given.out, pki);
    try {
      const result = told(
        given.csv === undefined
          ? await one(await orderOf(id, given), options, output)
          : await table(given.csv, given, options, output),
      );
      if (!given.aws || !pki) return result;
      const aws = writeAWS(output.folder, output.devices, pki.issuing, policy);
      return {
        ...result,
        json: { ...result.json, aws },
        lines: [
          ...result.lines,
          `AWS      ${shownPath(aws)}: template, policy and things, for aws iot start-thing-registration-task`,
        ],
      };
    } finally {
      output.close();
    }
  } finally {
    pki?.close();
  }
}

/** What is allowed, but will hardly be meant. */
function noticesOf({ simulator }: ProvisionArguments, { pki, days, broker }: FleetOptions): string[] {
  const shortened = pki?.cutShort(days ?? lifetimes.device);
  const isOwn = /^(localhost|127\..*|::1)$/i.test(broker.host);
  return [
    ...(shortened === undefined ? [] : [shortened]),
    ...(isOwn && simulator === undefined
      ? [`The broker is ${broker.host}, which to a device is itself: name another one with --broker, or in fleet.json.`]
      : []),
  ];
}

function twinNotice(first: string, count: number): string {
  const who = count === 1 ? `${first} has` : `${first} and ${count - 1} ${count === 2 ? "other" : "others"} have`;
  return `${who} another certificate that is valid: a second device of that name would push the first out. Revoke the old one (sealwire pki list, sealwire pki revoke).`;
}

async function orderOf(id: string | undefined, given: ProvisionArguments): Promise<DeviceOrder> {
  const password =
    given.passwordFile === undefined
      ? undefined
      : await askPassphrase({
          what: "password of the device",
          option: "--password-file",
          file: given.passwordFile,
          variable: "",
        });
  const fields: Partial<Record<Column, string | undefined>> = {
    id,
    mac: given.mac,
    username: given.username,
    password,
    csr: given.csr,
  };
  return deviceOrder((column) => fields[column], { folder: ".", prefix: given.prefix });
}

async function simulator(folder: string, order: DeviceOrder, options: FleetOptions): Promise<CommandResult> {
  const { clientIdentifier } = order;
  const isTwin = options.pki?.hasValidDevice(clientIdentifier) === true;
  const entry = await provisionSimulator(folder, order, options);
  return {
    warnings: isTwin && entry ? [twinNotice(clientIdentifier, 1)] : [],
    json: { id: clientIdentifier, simulator: folder, serialNumber: entry?.serialNumber ?? null },
    lines: [
      `Device   ${clientIdentifier}, simulated in ${shownPath(folder)}: its vault holds the credentials, its key was born there`,
      readFleet() && folder === simulatedFolder(clientIdentifier)
        ? `Run      sealwire run ${clientIdentifier}`
        : `Run      SEALWIRE_DEVICE=${shownPath(folder)} node firmware.js`,
    ],
  };
}

async function one(order: DeviceOrder, options: FleetOptions, output: OutputFolder): Promise<CommandResult> {
  const { clientIdentifier } = order;
  const folder = output.pathOf(clientIdentifier);
  if (output.has(clientIdentifier))
    return {
      json: { id: clientIdentifier, folder, provisioned: 0, skipped: 1 },
      lines: [`${clientIdentifier} is in ${shownPath(folder)} already; it is left as it is.`],
    };
  const device = await buildDevice(order, options);
  const files = [...device.files.keys()];
  await output.write([device]);
  return {
    warnings: device.isTwin ? [twinNotice(clientIdentifier, 1)] : [],
    json: {
      id: clientIdentifier,
      folder,
      files,
      serialNumber: device.entry?.serialNumber ?? null,
      provisioned: 1,
      skipped: 0,
      ...(device.code !== undefined && { codes: output.codes }),
    },
    lines: [
      `Device   ${clientIdentifier}, in ${shownPath(folder)}: ${files.join(", ")}`,
      ...whatToFlash(options, folder),
      // Once, and to a person only: a script finds it in the file.
      ...(device.code === undefined
        ? ["The files hold secrets in the clear: delete them once they are flashed, or use --encrypt."]
        : [`Code     ${device.code}  (also in ${shownPath(output.codes)}; the device asks for it once)`]),
    ],
  };
}

async function table(
  csv: string,
  given: ProvisionArguments,
  options: FleetOptions,
  output: OutputFolder,
): Promise<CommandResult> {
  const size = fs.statSync(csv, { throwIfNoEntry: false })?.size;
  if (size === undefined) throw usageFailure(`There is no file ${csv} (--csv).`);
  const progress = new Progress(process.stderr);
  const errors = new Output(process.stderr);
  let shown = 0;
  let interrupted = false;
  const onSignal = (): void => {
    if (interrupted) process.exit(exitCodes.interrupted);
    interrupted = true;
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, onSignal);
  const onFailure = ({ row, line, message }: RowFailure): void => {
    progress.clear();
    if (++shown <= shownFailures)
      errors.line(`${errors.styled("red", "sealwire:")} Row ${row} (line ${line}): ${message}`);
  };
  try {
    const result = await provisionFleet({
      csv: path.resolve(csv),
      prefix: given.prefix,
      options,
      output,
      interrupted: () => interrupted,
      onRow: (done, bytes) => progress.show(done, bytes / size),
      onFailure,
    });
    progress.clear();
    const { provisioned, failed, failures } = result;
    const skipped = result.skipped - Math.min(output.recovered, result.skipped);
    const whole = provisioned + output.recovered;
    const number = (count: number, what: string): string =>
      `${count.toLocaleString("en")} ${what}${count === 1 ? "" : "s"}`;
    return {
      json: { folder: output.folder, provisioned: whole, skipped, failed, failures, interrupted: result.interrupted },
      lines: [
        `${number(whole, "device")} provisioned, ${skipped.toLocaleString("en")} there already, ${failed.toLocaleString("en")} refused; in ${shownPath(output.devices)}`,
        ...(result.interrupted ? [] : whatToFlash(options, path.join(output.devices, "ID"))),
        ...(options.encrypt ? [`Codes    ${shownPath(output.codes)}: keep it apart from the images`] : []),
      ],
      warnings: [
        ...(result.twins ? [twinNotice(result.twins.first, result.twins.count)] : []),
        ...(failed > shownFailures ? [`And ${number(failed - shownFailures, "more row")}.`] : []),
        ...(failed > 0 ? [`${number(failed, "row")} refused: correct the table and run the same command again.`] : []),
        ...(result.interrupted ? ["Interrupted: run the same command again, it goes on from here."] : []),
      ],
      exitCode: result.interrupted ? exitCodes.interrupted : failed > 0 ? exitCodes.failed : exitCodes.success,
    };
  } finally {
    progress.clear();
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.off(signal, onSignal);
  }
}

/** With the partition found by its name, so that no address can be mistyped. */
function whatToFlash({ formats, partitionSize }: FleetOptions, folder: string): string[] {
  return formats.flatMap((format) => {
    if (format === "record") return [];
    const size = `0x${(partitionSize ?? partitionSizes[format]).toString(16)}`;
    const image = shownPath(path.join(folder, fileOf(format)));
    const type = format === "nvs" ? "data, nvs" : "data, 0x40";
    return [
      `Flash    ${image}  to the partition "${place.partition}" (in partitions.csv: ${place.partition}, ${type}, , ${size})`,
      `         parttool.py write_partition --partition-name ${place.partition} --input ${image}`,
    ];
  });
}
