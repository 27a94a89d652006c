/** Puts the parts of a device on the XS host together. */
import { SealwireError } from "../../src/errors.js";
import type {
  Crypto,
  HeapFigures,
  MemoryFigures,
  Platform,
  PlatformEvent,
  PlatformTimer,
  ProvisioningPartition,
  TLSEngine,
  TLSEngineOptions,
  WakeCause,
  WallTime,
} from "../../src/platform.js";
import type { StorageOptions } from "../files/folder-storage.js";
import { createCrypto, EntropyOnly } from "./crypto.js";
import {
  FileProvisioning,
  FileRetainedMemory,
  notePowerDown,
  prepareRetained,
  readMAC,
  takeWakeCause,
} from "./device-folder.js";
import { FileCounter, FileRootOfTrust } from "./hardware.js";
import * as board from "./native/board.js";
import * as file from "./native/file.js";
import * as network from "./native/network.js";
import * as system from "./native/system.js";
import { SimulatedNetwork } from "./network.js";
import { XSResolver } from "./resolver.js";
import { XSStorage } from "./storage.js";
import { TCP } from "./tcp.js";
import { createTLSEngine, tlsEngineBuild } from "./tls.js";

/** Options of {@link createPlatform}. */
export interface XSPlatformOptions {
  /** Where the device keeps what outlives its process; made when it is not there. One process at a time. */
  readonly folder: string;
  /** Why the program starts; when left out, what the device noted before its last process ended, or `power`. */
  readonly wakeCause?: WakeCause | undefined;
  /** Names and their IP addresses, consulted before the desktop's resolver. */
  readonly hosts?: Readonly<Record<string, string>> | undefined;
  /** Size of the retained memory: 4096 when left out, 0 for none. */
  readonly retainedBytes?: number | undefined;
  readonly storage?: StorageOptions | undefined;
  /** Whether there is a hardware secret: true when left out, if the host is built with cryptography. */
  readonly rootOfTrust?: boolean | undefined;
  /** Whether there is a hardware counter: false when left out. */
  readonly counter?: boolean | undefined;
  /** Whether the network interface is up at the start: true when left out. */
  readonly networkUp?: boolean | undefined;
  /** Milliseconds since 1970: the beginning of 2025 when left out. */
  readonly buildTime?: number | undefined;
}

/** How the process ends; the same as on the Node host. */
const exitCodes = { sleep: 80, restart: 81 } as const;

const timer: PlatformTimer = { set: system.setTimer, clear: system.clearTimer };
const defaultRetained = 4096;
const clockSurvives = { sleep: true, power: true } as const;

/**
 * Methods, not closures: a preloaded class lies in flash, a closure costs ten slots of the heap. Each part is made when it is first
 * asked for: a firmware pays for what it uses, as on a chip.
 */
class XSPlatform implements Platform {
  readonly wakeCause: WakeCause;
  /** Not private: the parts are reached through the proxy of `sealwire/host`, which has no private fields. */
  readonly options: XSPlatformOptions;
  // The parts that were made. Not there before.
  declare storagePart?: XSStorage;
  declare retainedPart?: FileRetainedMemory;
  declare provisioningPart?: FileProvisioning;
  declare cryptoPart?: Crypto;
  declare trustPart?: FileRootOfTrust;
  declare counterPart?: FileCounter;
  declare networkPart?: SimulatedNetwork;

  constructor(options: XSPlatformOptions) {
    const { folder, retainedBytes = defaultRetained } = options;
    try {
      file.folder(folder);
    } catch (cause) {
      throw new SealwireError("STORAGE_FAILED", `Cannot use the device folder ${folder}.`, { cause });
    }
    const noted = takeWakeCause(folder);
    this.wakeCause = options.wakeCause ?? noted;
    this.options = options;
    prepareRetained(folder, retainedBytes, this.wakeCause);
    for (const name in options.hosts) system.host(name, options.hosts[name]!);
    if (options.networkUp === false) network.set(false);
  }
  get name(): "xs" {
    return "xs";
  }

  get buildTime(): number {
    return this.options.buildTime ?? Date.UTC(2025, 0);
  }

  get tcp(): typeof TCP {
    return TCP;
  }

  get resolver(): typeof XSResolver {
    return XSResolver;
  }

  get tlsEngineBuild(): string {
    return tlsEngineBuild();
  }

  get timer(): PlatformTimer {
    return timer;
  }

  get clockSurvives(): typeof clockSurvives {
    return clockSurvives;
  }

  get watchdog(): undefined {
    return undefined;
  }

  get observe(): Platform["observe"] {
    return board.attached() ? tellBoard : undefined;
  }

  get storage(): XSStorage {
    return (this.storagePart ??= new XSStorage(`${this.options.folder}/storage`, this.options.storage));
  }

  get retainedMemory(): FileRetainedMemory | undefined {
    const { folder, retainedBytes = defaultRetained } = this.options;
    if (retainedBytes === 0) return undefined;
    return (this.retainedPart ??= new FileRetainedMemory(folder, retainedBytes));
  }

  get provisioning(): ProvisioningPartition {
    return (this.provisioningPart ??= new FileProvisioning(this.options.folder));
  }

  get crypto(): Crypto {
    return (this.cryptoPart ??= createCrypto());
  }

  get rootOfTrust(): FileRootOfTrust | undefined {
    const { folder, rootOfTrust } = this.options;
    if (rootOfTrust === false || this.crypto instanceof EntropyOnly) return undefined;
    return (this.trustPart ??= new FileRootOfTrust(folder, this.crypto));
  }

  get counter(): FileCounter | undefined {
    if (this.options.counter !== true) return undefined;
    return (this.counterPart ??= new FileCounter(this.options.folder));
  }

  get network(): SimulatedNetwork {
    return (this.networkPart ??= new SimulatedNetwork());
  }

  mac(): Uint8Array {
    return readMAC(this.options.folder);
  }

  createTLSEngine(options: TLSEngineOptions): TLSEngine {
    return createTLSEngine(options);
  }

  ticks(): number {
    return system.ticks();
  }

  time(): WallTime {
    return { now: system.time(), source: "host", uncertainty: 1000 };
  }

  sleep(milliseconds: number): void {
    notePowerDown(this.options.folder, "sleep", Math.max(0, milliseconds) || 0);
    system.exit(exitCodes.sleep);
  }

  restart(): void {
    notePowerDown(this.options.folder, "restart", 0);
    system.exit(exitCodes.restart);
  }

  heap(): HeapFigures {
    return readHeap();
  }

  log(line: string): void {
    system.print(line);
  }
}

/**
 * Makes a device.
 * @throws SealwireError `STORAGE_FAILED` when the folder cannot be used
 */
export function createPlatform(options: XSPlatformOptions): Platform {
  return new XSPlatform(options);
}

function tellBoard(event: PlatformEvent): void {
  board.tell(event.event, JSON.stringify(event));
}

function readHeap(): HeapFigures {
  const figures = new Float64Array(13);
  system.heap(figures.buffer);
  const area = (index: number): MemoryFigures => ({
    used: figures[index]!,
    peak: figures[index + 1]!,
    total: figures[index + 2]!,
  });
  return { chunks: area(0), slots: area(3), stack: area(6) };
}
