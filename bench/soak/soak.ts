/** The soak, from the broker's side: starts everything, receives what the devices publish, and judges. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createPlatform } from "../../hosts/node/index.js";
import { fromHex, toHex } from "../../src/bytes.js";
import { Device } from "../../src/index.js";
import { Sealing } from "../../src/sealing/index.js";
import { MosquittoBroker } from "../../tools/brokers/index.js";
import { type Credentials, DevelopmentPKI } from "../../tools/pki/index.js";
import type { HeapSample } from "./flatness.js";
import type { DeviceCounts, FromDevices, IssuedHex, SoakSettings, ToDevices } from "./protocol.js";

/**
 * Beside machine code, which is not counted, V8's compilers keep inline caches and notes on when to throw code away, for hours; and code that was not run for a while
 * is forgotten and made anew. Without them, samples differ by little more than what was allocated.
 */
const ENGINE = [
  "--expose-gc",
  "--no-opt",
  "--no-sparkplug",
  "--no-use-ic",
  "--no-flush-bytecode",
  "--no-lazy-feedback-allocation",
];

/** Milliseconds that a wake may take before the soak is given up. */
const PATIENCE = 120_000;

export interface SoakOptions {
  readonly wakes: number;
  readonly sampleEvery: number;
  /** Bytes of each wake that are kept for ever. */
  readonly leak: number;
  readonly folder: string;
  readonly onProgress?: ((wake: number, bytes: number) => void) | undefined;
}

/** What the devices counted, and what a subscriber saw of it. */
export interface SoakRun extends DeviceCounts {
  readonly samples: readonly HeapSample[];
  /** Readings that a subscriber never saw, and those with QoS 2 that it saw twice. */
  readonly lost: number;
  readonly repeated: number;
  readonly brokerKilled: number;
}

export async function runSoak({ wakes, sampleEvery, leak, folder, onProgress }: SoakOptions): Promise<SoakRun> {
  const pki = await DevelopmentPKI.open({ folder: join(folder, "pki"), names: ["localhost"] });
  const versions = { minimum: "TLSv1.2", maximum: "TLSv1.3" } as const;
  // Without it Nagle's algorithm makes each exchange of QoS 2 wait for a delayed acknowledgement of TCP.
  const options = { server: pki.server, root: pki.root, versions, settings: ["set_tcp_nodelay true"] };
  let broker = new MosquittoBroker(options);
  await broker.start();
  const { port } = broker;
  let killed = 0;
  const secret = toHex(crypto.getRandomValues(new Uint8Array(16)));
  const watcher = await watch(pki, port, secret, join(folder, "watcher"));
  const settings: SoakSettings = {
    folder,
    port,
    wakes,
    sampleEvery,
    leak,
    root: toHex(pki.root),
    sleeper: hexOf(await pki.device("sleeper")),
    steady: hexOf(await pki.device("steady")),
    secret,
  };
  const program = fileURLToPath(new URL("./device-process.js", import.meta.url));
  const child = fork(program, [JSON.stringify(settings)], { execArgv: ENGINE });
  try {
    // Kept here: there they would be a part of what they measure.
    const samples: HeapSample[] = [];
    const counts = await follow(child, {
      onSample: (sample) => {
        samples.push(sample);
        onProgress?.(sample.wake, sample.bytes);
      },
      restartBroker: async () => {
        await watcher.quiet();
        process.kill(broker.pid!, "SIGKILL");
        await broker.stop();
        broker = new MosquittoBroker({ ...options, port });
        await broker.start();
        killed++;
        await watcher.back();
      },
    });
    await watcher.quiet();
    const sleeper = watcher.seen("sleeper/telemetry");
    const steady = watcher.seen("steady/telemetry");
    const twice = (seen: ReadonlyMap<number, number>): number =>
      [...seen].filter(([reading, times]) => reading % 2 === 0 && times > 1).length;
    return {
      ...counts,
      samples,
      lost: 2 * wakes - sleeper.size - steady.size,
      repeated: twice(sleeper) + twice(steady),
      brokerKilled: killed,
    };
  } finally {
    child.kill("SIGKILL");
    await watcher.stop();
    await broker.stop();
  }
}

interface Following {
  readonly onSample: (sample: HeapSample) => void;
  readonly restartBroker: () => Promise<void>;
}

function follow(child: ChildProcess, { onSample, restartBroker }: Following): Promise<DeviceCounts> {
  return new Promise((resolve, reject) => {
    let timer: NodeJS.Timeout;
    const patient = (): void => {
      clearTimeout(timer);
      timer = setTimeout(() => fail(`nothing was heard of the devices for ${PATIENCE / 1000} s`), PATIENCE);
    };
    const fail = (reason: string): void => {
      clearTimeout(timer);
      reject(new Error(`The soak did not come to its end: ${reason}.`));
    };
    child.once("exit", (code, signal) => fail(`the devices' process ended with ${code ?? signal}`));
    child.on("message", (message: FromDevices) => {
      patient();
      if (message.kind === "sample") onSample({ wake: message.wake, bytes: message.bytes });
      else if (message.kind === "restart broker")
        restartBroker().then(() => child.send("broker restarted" satisfies ToDevices), reject);
      else {
        child.removeAllListeners("exit");
        clearTimeout(timer);
        child.send("end" satisfies ToDevices);
        void once(child, "exit").then(() => resolve(message.counts));
      }
    });
    patient();
  });
}

function hexOf({ certificateChain, privateKey }: Credentials): IssuedHex {
  return { certificateChain: certificateChain.map(toHex), privateKey: toHex(privateKey) };
}

interface Watcher {
  seen(topic: string): ReadonlyMap<number, number>;
  /** What the broker still had for it has come. */
  quiet(): Promise<void>;
  /** It is connected and subscribed again. */
  back(): Promise<void>;
  stop(): Promise<void>;
}

/** A subscriber of its own that stays connected. */
async function watch(pki: DevelopmentPKI, port: number, secret: string, folder: string): Promise<Watcher> {
  const platform = createPlatform({ folder, hosts: { localhost: "127.0.0.1" }, log: () => undefined });
  const issued = await pki.device("watcher");
  const seen = new Map<string, Map<number, number>>();
  let connected: (() => void) | undefined;
  const device = new Device({
    platform,
    clientIdentifier: "watcher",
    reconnectSpread: [50],
    stablePeriod: 1,
    sealing: new Sealing(),
    onConnected: () => connected?.(),
    credentials: {
      broker: { host: "localhost", port },
      trustAnchors: [pki.root],
      certificateChain: issued.certificateChain,
      privateKey: platform.crypto.importKey("private", issued.privateKey),
      payloadSecrets: new Map([[1, platform.crypto.importKey("secret", fromHex(secret))]]),
    },
  });
  await device.start();
  for (const [topic, sealed] of [
    ["sleeper/telemetry", true],
    ["steady/telemetry", false],
  ] as const) {
    const readings = new Map<number, number>();
    seen.set(topic, readings);
    await device.subscribe(
      topic,
      ({ payload }) => {
        const reading = Number(Buffer.from(payload).toString());
        readings.set(reading, (readings.get(reading) ?? 0) + 1);
      },
      { qos: 2, sealed },
    );
  }
  // What it gets of its own comes after everything that the broker had before.
  let echo: (() => void) | undefined;
  await device.subscribe("watcher/echo", () => echo?.(), { qos: 2 });
  const quiet = async (): Promise<void> => {
    const heard = new Promise<void>((resolve) => (echo = resolve));
    await device.publish("watcher/echo", "", { qos: 2 });
    await heard;
  };
  return {
    seen: (topic) => seen.get(topic)!,
    quiet,
    back: async () => {
      if (!device.connected) await new Promise<void>((resolve) => (connected = resolve));
      // Its subscriptions are asked for before what it publishes.
      await quiet();
    },
    stop: () => device.stop(),
  };
}
