/** The Platform over the Moddable SDK, completed by what a board brings. */
import type {
  Crypto,
  HeapFigures,
  KeyValueStorage,
  MemoryFigures,
  MonotonicCounter,
  Platform,
  PlatformNetwork,
  ProvisioningPartition,
  ResolverConstructor,
  RetainedMemory,
  RootOfTrust,
  TLSEngine,
  TLSEngineOptions,
  WakeCause,
  WallTime,
  Watchdog,
} from "../../src/platform.js";
import { version } from "../mbedtls/library.js";
import { MbedTLSCrypto } from "../mbedtls/mbedtls-crypto.js";
import { MbedTLSEngine } from "../mbedtls/tls-engine.js";
import { configuration } from "../mbedtls/tls-native.js";
import type { Board } from "./board.js";
import * as machine from "./native/machine.js";
import { createResolver } from "./resolver.js";
import { TCP } from "./tcp.js";
import { Ticks, timer } from "./timer.js";

/** Methods, not closures: a preloaded class lies in flash. Not private: methods are called through the proxy of `sealwire/host`. */
export class ModdablePlatform implements Platform {
  readonly board: Board;
  readonly clock = new Ticks();
  readonly name: string;
  readonly buildTime = machine.buildTime() * 1000;
  readonly tcp = TCP;
  readonly resolver: ResolverConstructor;
  /** Library, version, and a hash of its configuration and of the engine's: sessions of another build are not resumed. */
  readonly tlsEngineBuild = `mbedtls ${version() ?? ""} ${configuration()}`;
  readonly storage: KeyValueStorage | undefined;
  readonly retainedMemory: RetainedMemory | undefined;
  readonly provisioning: ProvisioningPartition | undefined;
  readonly crypto: Crypto = new MbedTLSCrypto();
  readonly rootOfTrust: RootOfTrust | undefined;
  readonly counter: MonotonicCounter | undefined;
  readonly timer = timer;
  readonly clockSurvives: { readonly sleep: boolean; readonly power: boolean };
  readonly network: PlatformNetwork | undefined;
  readonly wakeCause: WakeCause;
  readonly watchdog: Watchdog | undefined;
  readonly observe = undefined;

  constructor(board: Board) {
    this.board = board;
    this.name = board.name;
    this.resolver = createResolver(board.hosts);
    this.storage = board.storage;
    this.retainedMemory = board.retainedMemory;
    this.provisioning = board.provisioning;
    this.rootOfTrust = board.rootOfTrust;
    this.counter = board.counter;
    this.clockSurvives = board.clockSurvives;
    this.network = board.network;
    this.wakeCause = board.wakeCause;
    this.watchdog = board.watchdog;
  }

  mac(): Uint8Array {
    return this.board.mac();
  }

  createTLSEngine(options: TLSEngineOptions): TLSEngine {
    return new MbedTLSEngine(options, timer);
  }

  ticks(): number {
    return this.clock.now();
  }

  time(): WallTime | undefined {
    return this.board.time();
  }

  sleep(milliseconds: number): void {
    this.board.sleep(Math.max(0, milliseconds) || 0);
  }

  restart(): void {
    this.board.restart();
  }

  heap(): HeapFigures {
    const figures = new Int32Array(9);
    machine.heap(figures.buffer);
    return { chunks: area(figures, 0), slots: area(figures, 3), stack: area(figures, 6) };
  }

  log(line: string): void {
    trace(`${line}\n`);
  }
}

function area(figures: Int32Array, index: number): MemoryFigures {
  return { used: figures[index]!, peak: figures[index + 1]!, total: figures[index + 2]! };
}

/**
 * The device of this program, made when it is first used: preloaded modules are frozen in flash, and importing one does nothing.
 * @param make makes it
 */
export function lazyPlatform(make: () => Platform): Platform {
  const target = {} as { device?: Platform } & Platform;
  return new Proxy(target, {
    get: (own, property) => Reflect.get((own.device ??= make()), property) as unknown,
    has: (own, property) => Reflect.has((own.device ??= make()), property),
  });
}
