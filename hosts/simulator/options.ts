/** What a simulated device can be told. */
import type { WakeCause } from "../../src/platform.js";
import type { StorageOptions } from "../files/folder-storage.js";

/** Options of the simulator's `createPlatform`. */
export interface SimulatorOptions {
  /** Where the device keeps what outlives its process; made when it is not there. One process at a time. */
  readonly folder: string;
  /** Why the program starts; when left out, what the device noted before its last process ended, or `power`. */
  readonly wakeCause?: WakeCause | undefined;
  /** Names and their IP addresses, consulted before the desktop's resolver. */
  readonly hosts?: Readonly<Record<string, string>> | undefined;
  /** Size of the retained memory: 4096 when left out, 0 for none. */
  readonly retainedBytes?: number | undefined;
  readonly storage?: StorageOptions | undefined;
  /** Whether there is a hardware secret: true when left out. */
  readonly rootOfTrust?: boolean | undefined;
  /** Whether there is a hardware counter: false when left out. */
  readonly counter?: boolean | undefined;
}
