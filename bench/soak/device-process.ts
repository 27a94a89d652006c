/** The process whose heap is watched: a device that sleeps and one that stays up, and nothing else. */
import { createPlatform, type NodePlatform } from "../../hosts/node/index.js";
import { fromHex } from "../../src/bytes.js";
import { Device, type SealwireError } from "../../src/index.js";
import { Monitor } from "../../src/monitor/index.js";
import { type Fault, faultOf } from "./faults.js";
import type { FromDevices, SoakSettings, ToDevices } from "./protocol.js";
import { reachableBytes } from "./reachable-heap.js";
import { WearCounter } from "./storage-wear.js";
import { wakeOnce } from "./wake.js";

const settings = JSON.parse(process.argv[2]!) as SoakSettings;

function tell(message: FromDevices): void {
  process.send!(message);
}

function brokerRestarted(): Promise<void> {
  return new Promise((resolve) => {
    process.once("message", (message: ToDevices) => message === "broker restarted" && resolve());
    tell({ kind: "restart broker" });
  });
}

/** A device that stays up for as long as the whole soak takes, with reports, and a log that runs over. */
class Steady {
  readonly platform: NodePlatform;
  readonly monitor = new Monitor({ logBytes: 512, health: { topic: "%c/health", interval: 2000 } });
  readonly device: Device;
  published = 0;
  #pending: Promise<void>[] = [];

  constructor({ folder, port, root, steady }: SoakSettings, onError: (error: SealwireError) => void) {
    this.platform = createPlatform({
      folder: `${folder}/steady`,
      wakeCause: "power",
      hosts: { localhost: "127.0.0.1" },
      log: () => undefined,
    });
    this.device = new Device({
      platform: this.platform,
      monitor: this.monitor,
      clientIdentifier: "steady",
      reconnectSpread: [50],
      // So that connections which the soak drops one after the other do not look like another client's doing.
      stablePeriod: 1,
      onError,
      credentials: {
        broker: { host: "localhost", port },
        trustAnchors: [fromHex(root)],
        certificateChain: steady.certificateChain.map(fromHex),
        privateKey: this.platform.crypto.importKey("private", fromHex(steady.privateKey)),
      },
    });
  }

  publish(wake: number): void {
    this.published++;
    this.#pending.push(this.device.publish("%c/telemetry", String(wake), { qos: wake % 2 ? 1 : 2 }));
  }

  async settled(): Promise<void> {
    await Promise.all(this.#pending);
    this.#pending = [];
  }
}

async function soak(): Promise<void> {
  const { wakes, sampleEvery, leak } = settings;
  const wear = new WearCounter();
  const errors: string[] = [];
  const faults: Partial<Record<Fault, number>> = {};
  const leaked: number[][] = [];
  const count = { published: 0, acknowledged: 0, putOff: 0, resumed: 0, full: 0 };
  let present: Fault = "none";
  const failed = ({ code, message }: SealwireError): void => {
    if (present !== "storage full" || code !== "STORAGE_FAILED") errors.push(`${present}: ${code}: ${message}`);
  };
  const steady = new Steady(settings, failed);
  await steady.device.start();
  let left: readonly number[] = [];
  for (let wake = 0, before: Fault = "power cut"; wake < wakes; wake++) {
    // What was carried over has two wakes to go out at the end.
    const fault = (present = wake < wakes - 2 ? faultOf(wake) : "none");
    if (fault !== "none") faults[fault] = (faults[fault] ?? 0) + 1;
    if (fault === "broker killed") {
      await steady.settled();
      await brokerRestarted();
    }
    steady.publish(wake);
    if (fault === "connection reset") {
      steady.platform.network.set(false);
      steady.platform.network.set(true);
    }
    const powerOn = before === "power cut";
    const outcome = await wakeOnce(settings, wear, { wake, fault, powerOn, readings: [...left, wake] }, failed);
    await steady.settled();
    count.published += 1 + left.length - outcome.putOff.length;
    left = outcome.putOff;
    count.acknowledged += outcome.acknowledged;
    count.putOff += left.length;
    count.resumed += outcome.resumed;
    count.full += outcome.full;
    wear.endWake(outcome.kind);
    before = fault;
    if (leak > 0) leaked.push(new Array<number>(Math.ceil(leak / 8)).fill(wake));
    if ((wake + 1) % sampleEvery > 0) continue;
    tell({ kind: "sample", wake: wake + 1, bytes: await reachableBytes() });
  }
  const { connectsResumed: resumed, connectsFull: full } = steady.monitor.counters;
  await steady.device.stop();
  const counts = { ...count, faults, wear: wear.wear, errors };
  tell({ kind: "done", counts: { ...counts, steady: { published: steady.published, resumed, full } } });
}

process.on("message", (message: ToDevices) => message === "end" && process.exit(0));
await soak();
