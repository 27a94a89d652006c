/** Each connect of the device, as the device reports it and as the network and the broker saw it. */
import { SealwireError } from "../../src/errors.js";
import type { PlatformEvent } from "../../src/platform.js";
import type { Broker } from "../brokers/index.js";
import type { Tap, TapConnection } from "./tap.js";

/** Why the device had to connect. */
export type ConnectReason = "power-on" | "network-cut" | "deep-sleep" | "power-cut" | "rotation" | "after-rotation";

/** What the device's host reports 100 ms after a CONNACK. */
export interface DeviceView {
  readonly protocol: string;
  readonly resumed: boolean;
  /** Bytes of TCP payload since it was connected. */
  readonly bytesOut: number;
  readonly bytesIn: number;
  /** From the start of the TCP connection to the CONNACK. */
  readonly milliseconds: number;
  readonly heap?: HeapView;
}

/** Memory of a device on XS 100 ms after it was connected, in bytes: now, without garbage, and at most since it started. */
export interface HeapView {
  readonly chunks: number;
  readonly chunksPeak: number;
  readonly slots: number;
  readonly slotsPeak: number;
  readonly stackPeak: number;
  readonly cStackPeak: number;
  /** Native memory of TLS and cryptography. */
  readonly native: number;
  readonly nativePeak: number;
}

export interface Connect extends DeviceView {
  readonly reason: ConnectReason;
  /** What the broker's side says of the same handshake; `undefined` where nobody could watch. */
  readonly brokerResumed: boolean | undefined;
  /** What the tap counted; the device's own numbers when it saw those. `undefined` where there is no tap. */
  readonly tapped: { readonly protocol: string; readonly bytesOut: number; readonly bytesIn: number } | undefined;
}

/** Milliseconds in which bytes that the device has sent must have come to the tap. */
const settleTime = 500;

/** @throws SealwireError `INVALID_STATE` when the host does not report what it should */
export function deviceViewOf(event: PlatformEvent): DeviceView {
  const { protocol, resumed, bytesOut, bytesIn, milliseconds } = event;
  if (
    typeof protocol !== "string" ||
    typeof resumed !== "boolean" ||
    typeof bytesOut !== "number" ||
    typeof bytesIn !== "number" ||
    typeof milliseconds !== "number"
  )
    throw new SealwireError("INVALID_STATE", "The device's host reported a connect without all of its figures.");
  const view = { protocol, resumed, bytesOut, bytesIn, milliseconds };
  const heap = heapViewOf(event);
  return heap === undefined ? view : { ...view, heap };
}

const heapFigures = [
  "chunks",
  "chunksPeak",
  "slots",
  "slotsPeak",
  "stackPeak",
  "cStackPeak",
  "native",
  "nativePeak",
] as const satisfies readonly (keyof HeapView)[];

function heapViewOf(event: PlatformEvent): HeapView | undefined {
  const figures = heapFigures.map((name) => [name, event[name]] as const);
  if (figures.some(([, value]) => typeof value !== "number")) return undefined;
  return Object.fromEntries(figures) as unknown as HeapView;
}

/**
 * Puts the device's view of its newest connect beside those of the tap and the broker.
 * @param connection the tap's newest connection when the device reported
 */
export async function observeConnect(
  reason: ConnectReason,
  event: PlatformEvent,
  connection: TapConnection | undefined,
  broker: Broker,
): Promise<Connect> {
  const device = deviceViewOf(event);
  if (!connection) return { reason, ...device, brokerResumed: undefined, tapped: undefined };
  const end = performance.now() + settleTime;
  while (!connection.passed(device.bytesOut, device.bytesIn) && performance.now() < end)
    await new Promise((resolve) => setTimeout(resolve, 10));
  const { bytesOut, bytesIn } = connection.passed(device.bytesOut, device.bytesIn) ? device : connection;
  const own = broker.resumed(connection.brokerPort);
  const witnessed = connection.decision?.resumed;
  return {
    reason,
    ...device,
    // Where the broker and its handshake contradict each other, neither can confirm the device.
    brokerResumed: own !== undefined && own !== witnessed ? undefined : witnessed,
    tapped: { protocol: connection.decision?.protocol ?? "unknown", bytesOut, bytesIn },
  };
}

/** The tap's newest connection that reached the broker. */
export function newestConnection(tap: Tap | undefined): TapConnection | undefined {
  return tap?.connections.filter((connection) => connection.brokerPort > 0).at(-1);
}
