/** Puts the parts of a simulated device together. */
import { statSync } from "node:fs";
import { getHeapStatistics } from "node:v8";
import type { HeapFigures, Platform, PlatformEvent, WakeCause } from "../../src/platform.js";
import { type DeviceClock, SystemClock } from "./clock.js";
import { ConnectReport } from "./board/connect-report.js";
import { createCrypto } from "./crypto/crypto.js";
import { DeviceFolder, type PowerDown } from "./device-folder.js";
import { exitCodes } from "./board/exit-codes.js";
import { createCounter, createProvisioning, createRootOfTrust } from "./hardware.js";
import { type ConnectionStatistics, type NetworkConnection, SimulatedNetwork } from "./network.js";
import { createResolver } from "./resolver.js";
import { FileRetainedMemory } from "./retained-memory.js";
import { FolderStorage, type StorageOptions } from "./storage.js";
import { createTCP } from "./tcp.js";
import { NodeTLSEngine } from "./tls/tls-engine.js";

/** Options of {@link createPlatform}. */
export interface NodePlatformOptions {
  /** Where the device keeps what outlives its process; made when it is not there. One process at a time. */
  readonly folder: string;
  /** Why the program starts; when left out, what the device noted before its last process ended, or `power`. */
  readonly wakeCause?: WakeCause | undefined;
  /** Names and their IP addresses, consulted before the host's resolver. */
  readonly hosts?: Readonly<Record<string, string>> | undefined;
  /** Size of the retained memory: 4096 when left out, 0 for none. */
  readonly retainedBytes?: number | undefined;
  /** The host's clock when left out; a `ManualClock` lets a test drive the time. */
  readonly clock?: DeviceClock | undefined;
  readonly storage?: StorageOptions | undefined;
  /** Whether there is a hardware secret: true when left out. */
  readonly rootOfTrust?: boolean | undefined;
  /** Whether there is a hardware counter: false when left out. */
  readonly counter?: boolean | undefined;
  /** Whether the network interface is up at the start: true when left out. */
  readonly networkUp?: boolean | undefined;
  /** When the host module was written when left out. */
  readonly buildTime?: number | undefined;
  readonly observe?: ((event: PlatformEvent) => void) | undefined;
  /** Standard output when left out. */
  readonly log?: ((line: string) => void) | undefined;
  /** What ends the device for a deep sleep or restart: the end of the process when left out. */
  readonly powerDown?: ((powerDown: PowerDown) => void) | undefined;
}

/** A simulated device, with what a test or simulator may look at and change. */
export interface NodePlatform extends Platform {
  readonly name: "node";
  readonly network: SimulatedNetwork;
  /** Exact bytes of the newest TCP connection, or `undefined` when there was none. */
  readonly newestConnection: ConnectionStatistics | undefined;
}

/**
 * Makes a simulated device.
 * @throws SealwireError `STORAGE_FAILED` when the folder cannot be used, `INVALID_ARGUMENT` for an option that is wrong
 */
export function createPlatform(options: NodePlatformOptions): NodePlatform {
  const { clock = new SystemClock(), retainedBytes = 4096 } = options;
  const folder = new DeviceFolder(options.folder);
  const noted = folder.takeWakeCause();
  const wakeCause = options.wakeCause ?? noted;
  const network = new SimulatedNetwork(options.networkUp);
  let newest: NetworkConnection | undefined;
  network.watchers.add({ onBegin: (connection) => (newest = connection) });
  const report = options.observe && new ConnectReport(network, options.observe);
  const end = (powerDown: PowerDown): void => {
    report?.flush();
    folder.setPowerDown(powerDown);
    if (options.powerDown) options.powerDown(powerDown);
    else process.exit(exitCodes[powerDown.cause]);
  };
  return {
    name: "node",
    buildTime: options.buildTime ?? Math.floor(statSync(new URL(import.meta.url)).mtimeMs),
    mac: () => folder.mac(),
    tcp: createTCP(network),
    resolver: createResolver(options.hosts ?? {}, network),
    tlsEngineBuild: `node/openssl ${process.versions.openssl}`,
    createTLSEngine: (engineOptions) => new NodeTLSEngine(engineOptions),
    storage: new FolderStorage(folder.join("storage"), options.storage),
    retainedMemory: retainedBytes === 0 ? undefined : new FileRetainedMemory(folder, retainedBytes, wakeCause),
    provisioning: createProvisioning(folder),
    crypto: createCrypto(),
    rootOfTrust: options.rootOfTrust === false ? undefined : createRootOfTrust(folder),
    counter: options.counter === true ? createCounter(folder) : undefined,
    timer: clock.timer,
    ticks: () => clock.ticks(),
    time: () => clock.time(),
    clockSurvives: { sleep: true, power: true },
    network,
    wakeCause,
    sleep: (milliseconds) => end({ cause: "sleep", milliseconds: Math.max(0, milliseconds) || 0 }),
    restart: () => end({ cause: "restart", milliseconds: 0 }),
    // A program that hangs cannot feed itself a simulated watchdog, and nothing outside of it can tell a hang from a pause.
    watchdog: undefined,
    heap: createHeapFigures(),
    log: options.log ?? ((line) => void process.stdout.write(`${line}\n`)),
    observe: report && ((event) => report.observe(event)),
    get newestConnection() {
      return newest?.statistics;
    },
  };
}

/** V8 does not remember its peak: the highest figure that was asked for is given. */
function createHeapFigures(): () => HeapFigures {
  let peak = 0;
  return () => {
    const { used_heap_size: used, heap_size_limit: total } = getHeapStatistics();
    peak = Math.max(peak, used);
    return { heap: { used, peak, total } };
  };
}
