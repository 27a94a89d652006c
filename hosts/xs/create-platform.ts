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
  ResolverConstructor,
  TLSEngine,
  TLSEngineOptions,
  WakeCause,
  WallTime,
} from "../../src/platform.js";
import { FolderStorage, type StorageOptions } from "../files/folder-storage.js";
import { createCrypto, EntropyOnly } from "./crypto.js";
import { FileProvisioning, FileRetainedMemory, notePowerDown, readMAC, takeWakeCause } from "./device-folder.js";
import { FileCounter, FileRootOfTrust } from "./hardware.js";
import * as board from "./native/board.js";
import * as file from "./native/file.js";
import * as system from "./native/system.js";
import { SimulatedNetwork } from "./network.js";
import { createResolver } from "./resolver.js";
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
const clockSurvives = { sleep: true, power: true } as const;

/** Methods, not closures: a preloaded class lies in flash, a closure costs ten slots of the heap. */
class XSPlatform implements Platform {
  readonly name = "xs";
  readonly buildTime: number;
  readonly tcp = TCP;
  readonly resolver: ResolverConstructor;
  readonly tlsEngineBuild = tlsEngineBuild();
  readonly storage: FolderStorage;
  readonly retainedMemory: FileRetainedMemory | undefined;
  readonly provisioning: ProvisioningPartition;
  readonly crypto: Crypto = createCrypto();
  readonly rootOfTrust: FileRootOfTrust | undefined;
  readonly counter: FileCounter | undefined;
  readonly timer = timer;
  readonly clockSurvives = clockSurvives;
  readonly network = new SimulatedNetwork();
  readonly wakeCause: WakeCause;
  readonly watchdog = undefined;
  readonly observe: Platform["observe"] = board.attached() ? tellBoard : undefined;
  /** Not private: methods are called through the proxy of `sealwire/host`, which has no private fields. */
  readonly folder: string;

  constructor(options: XSPlatformOptions) {
    const { folder, wakeCause, hosts = {}, retainedBytes = 4096, storage, buildTime } = options;
    try {
      file.folder(folder);
    } catch (cause) {
      throw new SealwireError("STORAGE_FAILED", `Cannot use the device folder ${folder}.`, { cause });
    }
    this.folder = folder;
    const noted = takeWakeCause(folder);
    this.wakeCause = wakeCause ?? noted;
    this.buildTime = buildTime ?? Date.UTC(2025, 0);
    this.resolver = createResolver(hosts);
    this.storage = new FolderStorage(file, `${folder}/storage`, storage);
    this.retainedMemory =
      retainedBytes === 0 ? undefined : new FileRetainedMemory(folder, retainedBytes, this.wakeCause);
    if (options.rootOfTrust !== false && !(this.crypto instanceof EntropyOnly))
      this.rootOfTrust = new FileRootOfTrust(folder, this.crypto);
    if (options.counter === true) this.counter = new FileCounter(folder);
    if (options.networkUp === false) this.network.set(false);
    this.provisioning = new FileProvisioning(folder);
  }

  mac(): Uint8Array {
    return readMAC(this.folder);
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
    notePowerDown(this.folder, "sleep", Math.max(0, milliseconds) || 0);
    system.exit(exitCodes.sleep);
  }

  restart(): void {
    notePowerDown(this.folder, "restart", 0);
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
