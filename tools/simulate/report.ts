/** Judges a story and shows its figures. */
import type { TLSVersionRange } from "../brokers/index.js";
import type { Output } from "../output.js";
import type { Connect, ConnectReason } from "./connects.js";

/** All that a story brought to light. */
export interface StoryResult {
  /** Name of the broker. */
  readonly broker: string;
  /** What the firmware ran on. */
  readonly engine: string;
  readonly tls: TLSVersionRange;
  readonly firmware: string;
  readonly connects: readonly Connect[];
  /** The renewal of the device's certificate; `undefined` when it did not come to that, or the authority is not ours. */
  readonly rotation?: Rotation | undefined;
  /** Whether the story has a rotation. */
  readonly rotates: boolean;
  /** Readings that the broker acknowledged to the device, and those of them that the back end received. */
  readonly readings: { readonly sent: number; readonly received: number };
  /** Whether payloads were sealed, and why the back end refused any. */
  readonly payloads: { readonly sealed: boolean; readonly refused: readonly string[] };
}

/** A certificate and its successor. */
export interface Rotation {
  /** Of the vault's record, which holds the new certificate. */
  readonly version: number;
  readonly outcome: string;
  /** Serial numbers, hexadecimal. */
  readonly oldCertificate: string;
  readonly newCertificate: string;
}

/** Who the connect was for, as a person says it. */
export const reasons: Readonly<Record<ConnectReason, string>> = {
  "power-on": "power on",
  "network-cut": "network cut",
  "deep-sleep": "deep sleep",
  "power-cut": "power cut",
  rotation: "rotation",
  "after-rotation": "sleep, renewed",
};

/** The connects that every story has, in order. */
export const storyline: readonly ConnectReason[] = ["power-on", "network-cut", "deep-sleep", "power-cut"];

/** Those that follow where the device's certificate can be renewed. */
export const rotationline: readonly ConnectReason[] = ["rotation", "after-rotation"];

/**
 * What is wrong with a story, worst first: sentences. Empty when nothing is.
 * @param options `mayResumeFirst`: the device and its broker may know each other from an earlier run
 */
export function problemsOf(result: StoryResult, options: { readonly mayResumeFirst: boolean }): string[] {
  const { connects, payloads, readings, tls } = result;
  const problems: string[] = [];
  const expected = result.rotates ? [...storyline, ...rotationline] : storyline;
  const missing = expected.filter((reason) => !connects.some((connect) => connect.reason === reason));
  if (missing.length > 0)
    problems.push(`The device did not connect after: ${missing.map((reason) => reasons[reason]).join(", ")}.`);
  for (const [i, connect] of connects.entries()) {
    const { protocol, resumed, tapped, brokerResumed } = connect;
    const which = `The connect after "${reasons[connect.reason]}"`;
    if (i === 0 && resumed && !options.mayResumeFirst)
      problems.push(`${which} resumed a session although the device is new to this broker.`);
    if (connect.reason === "rotation") {
      if (resumed) problems.push(`${which} resumed a session: that proves nothing of the new certificate.`);
    } else if (i > 0 && !resumed) problems.push(`${which} was a full handshake; the session should have been resumed.`);
    if (protocol < tls.minimum || protocol > tls.maximum)
      problems.push(`${which} used ${protocol}, which was not allowed.`);
    if (!tapped) continue;
    if (brokerResumed === undefined) problems.push(`${which} could not be confirmed by the broker's side.`);
    else if (brokerResumed !== resumed)
      problems.push(
        `${which} was ${handshake(resumed)} for the device but ${handshake(brokerResumed)} for the broker.`,
      );
    if (tapped.protocol !== protocol)
      problems.push(`${which} used ${protocol} for the device but ${tapped.protocol} on the network.`);
    if (tapped.bytesOut !== connect.bytesOut || tapped.bytesIn !== connect.bytesIn)
      problems.push(
        `${which} took ${connect.bytesOut} bytes out and ${connect.bytesIn} in for the device, but ${tapped.bytesOut} and ${tapped.bytesIn} on the network.`,
      );
  }
  if (result.rotates && result.rotation?.outcome !== "committed")
    problems.push("The device's new certificate is not in force.");
  if (result.rotation && result.rotation.newCertificate === result.rotation.oldCertificate)
    problems.push("The device's new certificate is the old one.");
  if (payloads.refused.length > 0)
    problems.push(`The back end refused payloads (${payloads.refused.length}), first: ${payloads.refused[0]}`);
  if (readings.sent === 0) problems.push("The device published no readings.");
  if (readings.received !== readings.sent)
    problems.push(
      `The broker acknowledged ${readings.sent} readings, but only ${readings.received} of them reached the back end.`,
    );
  return problems;
}

/** The one object of `--json`. @param error why the story failed, when it did */
export function toJSON(
  result: StoryResult,
  error: { readonly code: string; readonly message: string } | undefined,
): object {
  return {
    broker: result.broker,
    engine: result.engine,
    tls: result.tls,
    firmware: result.firmware,
    connects: result.connects.map(
      ({ protocol, resumed, bytesOut, bytesIn, milliseconds, brokerResumed, reason, heap }) => ({
        protocol,
        resumed,
        bytesOut,
        bytesIn,
        milliseconds,
        brokerResumed: brokerResumed ?? null,
        reason,
        ...(heap && { heap }),
      }),
    ),
    rotation: result.rotation ?? null,
    readings: result.readings,
    payloads: { sealed: result.payloads.sealed, refused: result.payloads.refused.length },
    ok: error === undefined,
    ...(error && { error }),
  };
}

/** The share of the first connect's bytes that the resumed ones saved on average, 0 to 1; `undefined` without both kinds. */
export function saving(connects: readonly Connect[]): number | undefined {
  const bytes = (connect: Connect): number => connect.bytesOut + connect.bytesIn;
  const full = connects.find((connect) => !connect.resumed);
  const resumed = connects.filter((connect) => connect.resumed);
  if (!full || resumed.length === 0) return undefined;
  const mean = resumed.reduce((sum, connect) => sum + bytes(connect), 0) / resumed.length;
  return 1 - mean / bytes(full);
}

/** Shows the connects as a table. */
export function showTable(output: Output, connects: readonly Connect[]): void {
  const onXS = connects.some(({ heap }) => heap !== undefined);
  const memory = onXS ? ["XS heap", "TLS", "TLS peak"] : [];
  const head = ["connect after", "protocol", "handshake", "bytes out", "bytes in", "ms", "broker's side", ...memory];
  const rows = connects.map((connect) => [
    reasons[connect.reason],
    connect.protocol,
    connect.resumed ? "resumed" : "full",
    connect.bytesOut.toLocaleString("en"),
    connect.bytesIn.toLocaleString("en"),
    connect.milliseconds.toFixed(0),
    connect.brokerResumed === undefined ? "unknown" : connect.brokerResumed ? "resumed" : "full",
    ...(onXS ? memoryOf(connect) : []),
  ]);
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]!.length)));
  const numeric = new Set([3, 4, 5, 7, 8, 9]);
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, i) => (numeric.has(i) ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!)))
      .join("  ")
      .trimEnd();
  output.line(output.styled("bold", line(head)));
  output.line(output.styled("dim", widths.map((width) => "-".repeat(width)).join("  ")));
  for (const row of rows) output.line(line(row));
}

/** Bytes: the engine's heap without garbage; the native memory of TLS, of which the peak is that of the handshake. */
function memoryOf({ heap }: Connect): string[] {
  if (heap === undefined) return ["", "", ""];
  return [heap.chunks + heap.slots, heap.native, heap.nativePeak].map((bytes) => bytes.toLocaleString("en"));
}

function handshake(resumed: boolean): string {
  return resumed ? "a resumed session" : "a full handshake";
}
