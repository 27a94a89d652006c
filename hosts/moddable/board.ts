/** What each of the hosts over the Moddable SDK brings of its own. */
import type { Platform } from "../../src/platform.js";

/** The rest of the platform is the same everywhere: sockets, names, timers, TLS and cryptography, heap, console. */
export type Board = Pick<
  Platform,
  | "name"
  | "mac"
  | "storage"
  | "retainedMemory"
  | "provisioning"
  | "rootOfTrust"
  | "counter"
  | "time"
  | "clockSurvives"
  | "network"
  | "wakeCause"
  | "sleep"
  | "restart"
  | "watchdog"
> & {
  /** Names and their IP addresses, consulted before DNS. */
  readonly hosts?: Readonly<Record<string, string>> | undefined;
};
