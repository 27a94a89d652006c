/** Puts the parts of a device on the XS host together. */
import { SealwireError } from "../../src/errors.js";
import type { HeapFigures, MemoryFigures, Platform, WakeCause } from "../../src/platform.js";
import { createCrypto, unsupported } from "./crypto.js";
import { createProvisioning, FileRetainedMemory, notePowerDown, readMAC, takeWakeCause } from "./device-folder.js";
import * as file from "./native/file.js";
import * as system from "./native/system.js";
import { createResolver } from "./resolver.js";
import { FolderStorage, type StorageOptions } from "./storage.js";
import { TCP } from "./tcp.js";

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
  /** Milliseconds since 1970: the beginning of 2025 when left out. */
  readonly buildTime?: number | undefined;
}

/** How the process ends; the same as on the Node host. */
const exitCodes = { sleep: 80, restart: 81 } as const;

/**
 * Makes a device.
 * @throws SealwireError `STORAGE_FAILED` when the folder cannot be used
 */
export function createPlatform(options: XSPlatformOptions): Platform {
  const { folder, retainedBytes = 4096 } = options;
  try {
    file.folder(folder);
  } catch (cause) {
    throw new SealwireError("STORAGE_FAILED", `Cannot use the device folder ${folder}.`, { cause });
  }
  const noted = takeWakeCause(folder);
  const wakeCause = options.wakeCause ?? noted;
  const end = (cause: "sleep" | "restart", milliseconds: number): void => {
    notePowerDown(folder, cause, milliseconds);
    system.exit(exitCodes[cause]);
  };
  return {
    name: "xs",
    buildTime: options.buildTime ?? Date.UTC(2025, 0),
    mac: () => readMAC(folder),
    tcp: TCP,
    resolver: createResolver(options.hosts ?? {}),
    tlsEngineBuild: "none",
    createTLSEngine() {
      throw unsupported("TLS");
    },
    storage: new FolderStorage(`${folder}/storage`, options.storage),
    retainedMemory: retainedBytes === 0 ? undefined : new FileRetainedMemory(folder, retainedBytes, wakeCause),
    provisioning: createProvisioning(folder),
    crypto: createCrypto(),
    rootOfTrust: undefined,
    counter: undefined,
    timer: { set: system.setTimer, clear: system.clearTimer },
    ticks: system.ticks,
    time: () => ({ now: system.time(), source: "host", uncertainty: 1000 }),
    clockSurvives: { sleep: true, power: true },
    network: undefined,
    wakeCause,
    sleep: (milliseconds) => end("sleep", Math.max(0, milliseconds) || 0),
    restart: () => end("restart", 0),
    watchdog: undefined,
    heap: readHeap,
    log: system.print,
    observe: undefined,
  };
}

function readHeap(): HeapFigures {
  const figures = new Float64Array(13);
  system.heap(figures);
  const area = (index: number): MemoryFigures => ({
    used: figures[index]!,
    peak: figures[index + 1]!,
    total: figures[index + 2]!,
  });
  return { chunks: area(0), slots: area(3), stack: area(6) };
}
