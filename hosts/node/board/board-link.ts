/**
 * The firmware's end of the wire to its board.
 *
 * What the firmware says goes through a pipe of its own and is written at once: nothing is lost when the process ends the next
 * moment, as it does in a deep sleep. What the board says comes by node's IPC channel; when that is gone, so is the board, and
 * the process ends.
 */
import { writeSync } from "node:fs";
import { Worker } from "node:worker_threads";
import type { PlatformEvent } from "../../../src/platform.js";

/** What a firmware process tells its board. */
export type FirmwareMessage =
  | { readonly kind: "running" }
  | { readonly kind: "network"; readonly up: boolean }
  | { readonly kind: "event"; readonly event: PlatformEvent }
  /** What the connect of the newest event `connected` cost, from a host that does not put it into an event itself. */
  | ({ readonly kind: "connect" } & Readonly<Record<string, string | number>>)
  | { readonly kind: "crash"; readonly code: string | undefined; readonly message: string };

/** What a board tells the firmware's process. */
export interface BoardMessage {
  readonly network: boolean;
}

/** The pipe's file descriptor, after standard input, output, errors, and node's channel. */
export const messageDescriptor = 4;
/** Set in the firmware's process: the board's process identifier. */
export const boardVariable = "SEALWIRE_BOARD";

/** Kills the process when its parent is another than at the start: run by a thread of its own, it works while firmware hangs. */
const orphanGuard = `
  const parent = Number(process.env.SEALWIRE_BOARD);
  setInterval(() => process.ppid === parent || process.kill(process.pid, "SIGKILL"), 250);
`;
/** Most wakes are shorter, and do not pay for the thread. */
const orphanGuardDelay = 1000;

export class BoardLink {
  #network: boolean | undefined;
  #onNetwork: ((up: boolean) => void) | undefined;

  constructor() {
    process.on("disconnect", () => process.exit());
    setTimeout(() => new Worker(orphanGuard, { eval: true }).unref(), orphanGuardDelay).unref();
    process.on("message", ({ network }: BoardMessage) => {
      this.#network = network;
      this.#onNetwork?.(network);
      this.send({ kind: "network", up: network });
    });
  }

  /** Hears of the network, of what was said before as well. */
  set onNetwork(listener: (up: boolean) => void) {
    this.#onNetwork = listener;
    if (this.#network !== undefined) listener(this.#network);
  }

  send(message: FirmwareMessage): void {
    const bytes = Buffer.from(`${JSON.stringify(message)}\n`);
    try {
      for (let offset = 0; offset < bytes.byteLength;) offset += writeSync(messageDescriptor, bytes, offset);
    } catch {
      process.exit(); // The board is gone.
    }
  }
}

let link: BoardLink | undefined;

/** The link of this process, or `undefined` when no board started it. */
export function boardLink(): BoardLink | undefined {
  if (process.env[boardVariable] === undefined || process.send === undefined) return undefined;
  return (link ??= new BoardLink());
}
