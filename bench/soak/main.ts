/** `npm run soak`: a device that wakes every ten minutes for thirty days, on a clock that is moved, with real TLS, a real broker, and faults. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Command, InvalidArgumentError } from "commander";
import { createPlatform } from "../../hosts/node/index.js";
import { Device } from "../../src/index.js";
import { Monitor } from "../../src/monitor/index.js";
import type { Platform } from "../../src/platform.js";
import { EmbeddedBroker } from "../../tools/brokers/index.js";
import { DevelopmentPKI } from "../../tools/pki/index.js";

const PERIOD = 600_000;
const DAY = 86_400_000;

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

/** What happens at a wake, by its number. */
function faultOf(wake: number): "power cut" | "no network" | "name not found" | "none" {
  if (wake % 144 === 77) return "power cut";
  if (wake % 50 === 21) return "no network";
  return wake % 50 === 43 ? "name not found" : "none";
}

interface SoakResult {
  readonly days: number;
  readonly wakes: number;
  readonly published: number;
  /** In the wake that published them; the others went out with a later one. */
  readonly acknowledged: number;
  /** Readings that a subscriber never saw, and those with QoS 2 that it saw twice. */
  readonly lost: number;
  readonly repeated: number;
  readonly resumed: number;
  readonly full: number;
  readonly faults: number;
  /** Writes and deletions in flash in all, and per day. */
  readonly storageWrites: number;
  readonly storageWritesPerDay: number;
  /** Kilobytes of heap after each tenth of the time. */
  readonly heap: readonly number[];
}

async function soak(days: number, folder: string): Promise<SoakResult> {
  const pki = await DevelopmentPKI.open({ folder: join(folder, "pki"), names: ["localhost"] });
  const issued = await pki.device("device");
  const versions = { minimum: "TLSv1.2", maximum: "TLSv1.3" } as const;
  const broker = new EmbeddedBroker({ server: pki.server, root: pki.root, versions });
  await broker.start();
  const wakes = Math.round((days * DAY) / PERIOD);
  const count = { published: 0, acknowledged: 0, resumed: 0, full: 0, faults: 0, writes: 0 };
  const heap: number[] = [];
  let previous = faultOf(-1);
  const seen = new Map<number, number>();
  const watcher = await watch(pki, broker.port, join(folder, "watcher"), (reading) => {
    seen.set(reading, (seen.get(reading) ?? 0) + 1);
  });
  try {
    for (let wake = 0; wake < wakes; wake++) {
      // What was carried over has two wakes to go out at the end.
      const fault = wake < wakes - 2 ? faultOf(wake) : "none";
      if (fault !== "none") count.faults++;
      const real = createPlatform({
        folder: join(folder, "device"),
        wakeCause: wake === 0 || previous === "power cut" ? "power" : "sleep",
        hosts: { localhost: "127.0.0.1" },
        networkUp: fault !== "no network",
        log: () => undefined,
        powerDown: () => undefined,
      });
      const platform: Platform = {
        ...real,
        time: () => ({ now: Date.now() + wake * PERIOD, source: "rtc", uncertainty: 1000 }),
        ...(fault === "name not found" && {
          resolver: class extends real.resolver {
            override resolve(options: Parameters<InstanceType<typeof real.resolver>["resolve"]>[0]): void {
              setImmediate(() => options.onError?.());
            }
          },
        }),
      };
      const monitor = new Monitor();
      const privateKey = platform.crypto.importKey("private", issued.privateKey);
      const device = new Device({
        platform,
        monitor,
        clientIdentifier: "device",
        // So that a resolver that finds nothing is met.
        addressLifetime: fault === "name not found" ? 0 : undefined,
        credentials: {
          broker: { host: "localhost", port: broker.port },
          trustAnchors: [pki.root],
          certificateChain: issued.certificateChain,
          privateKey,
        },
      });
      count.published++;
      const published = device.publish("%c/telemetry", String(wake), { qos: wake % 2 ? 1 : 2 });
      const settled = published.then(
        () => count.acknowledged++,
        () => undefined,
      );
      const connected = await device.start({ timeout: fault === "none" || fault === "power cut" ? 10_000 : 30 }).then(
        () => true,
        () => false,
      );
      if (connected) await settled;
      if (fault === "power cut") {
        real.network.set(false);
        await device.stop();
      } else await device.sleep(PERIOD);
      privateKey.close();
      count.resumed += monitor.counters.connectsResumed;
      count.full += monitor.counters.connectsFull;
      count.writes += monitor.counters.storageWrites;
      previous = fault;
      if ((wake + 1) % Math.ceil(wakes / 10) === 0 || wake === wakes - 1) {
        collectGarbage();
        heap.push(Math.round(process.memoryUsage().heapUsed / 1024));
        if (process.stderr.isTTY) process.stderr.write(`\r${wake + 1} of ${wakes} wakes`);
      }
    }
  } finally {
    await watcher.stop();
    await broker.stop();
  }
  return {
    days,
    wakes,
    published: count.published,
    acknowledged: count.acknowledged,
    lost: count.published - seen.size,
    repeated: [...seen].filter(([reading, times]) => reading % 2 === 0 && times > 1).length,
    resumed: count.resumed,
    full: count.full,
    faults: count.faults,
    storageWrites: count.writes,
    storageWritesPerDay: Math.round((count.writes / days) * 10) / 10,
    heap,
  };
}

/** A subscriber of its own that stays connected. */
async function watch(
  pki: DevelopmentPKI,
  port: number,
  folder: string,
  onReading: (reading: number) => void,
): Promise<Device> {
  const platform = createPlatform({ folder, hosts: { localhost: "127.0.0.1" }, log: () => undefined });
  const issued = await pki.device("watcher");
  const device = new Device({
    platform,
    clientIdentifier: "watcher",
    credentials: {
      broker: { host: "localhost", port },
      trustAnchors: [pki.root],
      certificateChain: issued.certificateChain,
      privateKey: platform.crypto.importKey("private", issued.privateKey),
    },
  });
  await device.start();
  await device.subscribe("device/telemetry", ({ payload }) => onReading(Number(Buffer.from(payload).toString())), {
    qos: 2,
  });
  return device;
}

function positive(text: string): number {
  const value = Number(text);
  if (!(value > 0 && value <= 365)) throw new InvalidArgumentError("It must be a number of days, 365 at most.");
  return value;
}

await new Command("soak")
  .description("Thirty days of a device that wakes every ten minutes, on a clock that is moved.")
  .option("--days <n>", "simulated days", positive, 30)
  .action(async ({ days }: { days: number }) => {
    const folder = mkdtempSync(join(tmpdir(), "sealwire-soak-"));
    try {
      const result = await soak(days, folder);
      process.stdout.write(`${JSON.stringify(result, undefined, 2)}\n`);
      if (result.lost + result.repeated > 0) process.exitCode = 1;
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  })
  .parseAsync();
