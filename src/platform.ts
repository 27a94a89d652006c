/**
 * The contract between the firmware module and the place it runs on: interfaces only, no code.
 *
 * Everything in `src/` reaches the world through a {@link Platform}; each folder of `hosts/` implements it. A host that
 * cannot offer a part says `undefined`, and what needs that part refuses with `UNSUPPORTED` instead of degrading silently.
 *
 * I/O classes follow ECMA-419 (https://419.ecma-international.org): an options object goes in, callbacks come out,
 * `write()` returns what is still writable, durations are milliseconds. Two rules hold for every callback of every host:
 * it is never called from within the constructor of its object, and never again once `close()` was called.
 */
import type {
  HeapFigures,
  PlatformEvent,
  PlatformNetwork,
  PlatformTimer,
  WakeCause,
  WallTime,
  Watchdog,
} from "./platform/board.js";
import type { Crypto, MonotonicCounter, RootOfTrust } from "./platform/crypto.js";
import type { KeyValueStorage, ProvisioningPartition, RetainedMemory } from "./platform/storage.js";
import type { TLSEngine, TLSEngineOptions } from "./platform/tls.js";
import type { ResolverConstructor, TransportConstructor } from "./platform/transport.js";

export type * from "./platform/transport.js";
export type * from "./platform/tls.js";
export type * from "./platform/storage.js";
export type * from "./platform/crypto.js";
export type * from "./platform/board.js";

/** The whole contract. A part of the module takes the slice it needs, not the whole. */
export interface Platform {
  /** Of the host: `node`, `xs`, `esp32`, `esp8266`, `simulator`. */
  readonly name: string;
  /** When this firmware was built, milliseconds since 1970: no true clock can be earlier. */
  readonly buildTime: number;
  /** The MAC address of the network interface that is burnt into the chip, 6 bytes. */
  mac(): Uint8Array;
  readonly tcp: TransportConstructor;
  readonly resolver: ResolverConstructor;
  /** Name and version of the TLS library and its build: a session of another one must not be resumed. */
  readonly tlsEngineBuild: string;
  /** @throws SealwireError `INVALID_ARGUMENT` or `CRYPTO_INVALID` when certificates or keys cannot be parsed */
  createTLSEngine(options: TLSEngineOptions): TLSEngine;
  readonly storage: KeyValueStorage | undefined;
  readonly retainedMemory: RetainedMemory | undefined;
  readonly provisioning: ProvisioningPartition | undefined;
  readonly crypto: Crypto;
  readonly rootOfTrust: RootOfTrust | undefined;
  readonly counter: MonotonicCounter | undefined;
  readonly timer: PlatformTimer;
  /** Milliseconds since boot; never goes back. Does not count through deep sleep. */
  ticks(): number;
  /** The wall clock, or `undefined` while it is not set. */
  time(): WallTime | undefined;
  /** Whether the wall clock keeps running through deep sleep, and through a power cut. */
  readonly clockSurvives: { readonly sleep: boolean; readonly power: boolean };
  readonly network: PlatformNetwork | undefined;
  readonly wakeCause: WakeCause;
  /** Deep sleep. On a chip it never returns: the program starts again from the top. Simulators do the same with a new process. */
  sleep(milliseconds: number): void;
  restart(): void;
  readonly watchdog: Watchdog | undefined;
  heap(): HeapFigures | undefined;
  /** Writes one line to the console. */
  log(line: string): void;
  /** Shows an event to whoever runs the simulator; `undefined` on a chip. */
  readonly observe: ((event: PlatformEvent) => void) | undefined;
}
