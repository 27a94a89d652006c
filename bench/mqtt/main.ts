/** `npm run bench:mqtt`: speed and memory against MQTT.js and a plain socket, on one Mosquitto over loopback. */
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import * as os from "node:os";
import { Command } from "commander";
import { PlainMosquitto } from "../../tools/brokers/index.js";
import { positive } from "../../tools/positive.js";
import { cases, heapTarget } from "./cases.js";
import { compare, type CaseResult, type CompareOptions } from "./compare.js";
import { measureDurability } from "./durability.js";
import { measureHeap } from "./heap.js";
import { payloadLength } from "./messages.js";
import { type BenchResult, report } from "./report.js";
import { brokerSettings } from "./run.js";

interface Options {
  readonly messages: number;
  readonly warmup?: number;
  readonly runs: number;
  readonly connections: number;
  readonly only?: string;
  readonly json: boolean;
  readonly cpuProf?: string;
}

function theirVersion(): string {
  const file = createRequire(import.meta.url).resolve("mqtt/package.json");
  const { version } = JSON.parse(readFileSync(file, "utf8")) as { version: string };
  return `MQTT.js ${version}`;
}

async function bench(options: Options): Promise<void> {
  const { messages, warmup = messages, runs, connections, only = "", json, cpuProf } = options;
  const wanted = (name: string): boolean => name.toLowerCase().includes(only.toLowerCase());
  const interactive = process.stderr.isTTY;
  const onProgress = (text: string): void => {
    if (interactive) process.stderr.write(`\r\u001b[K${text}`);
  };
  const loadBefore = os.loadavg()[0]!;
  const broker = new PlainMosquitto({ settings: brokerSettings });
  await broker.start();
  try {
    if (cpuProf !== undefined) mkdirSync(cpuProf, { recursive: true });
    const common: CompareOptions = {
      port: broker.port,
      messages,
      warmup,
      runs,
      nodeOptions: cpuProf === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${cpuProf}`],
      onProgress,
    };
    const results: CaseResult[] = [];
    for (const each of cases) if (wanted(each.name)) results.push(await compare(each, common));
    const durability = wanted("durability") ? await measureDurability(common) : [];
    const heap = wanted("heap") ? await measureHeap(broker.port, connections, onProgress) : undefined;
    if (interactive) process.stderr.write("\r\u001b[K");
    const result: BenchResult = {
      node: process.version,
      broker: broker.name,
      theirs: theirVersion(),
      processors: os.availableParallelism(),
      load: [loadBefore, os.loadavg()[0]!],
      messages,
      payloadLength,
      runs,
      cases: results,
      durability,
      heap,
      heapRatio: heap?.ratio,
    };
    process.stdout.write(`${json ? JSON.stringify(result) : report(result, heapTarget)}\n`);
  } finally {
    await broker.stop();
  }
}

const command = new Command("bench:mqtt")
  .description("Speed and memory against MQTT.js and a plain socket, on one Mosquitto over loopback.")
  .option("--messages <n>", "messages of a run", positive, 20_000)
  .option(
    "--warmup <n>",
    "messages before the clock runs, in each column; as many as are measured when left out",
    positive,
  )
  .option("--runs <n>", "alternating runs of each case", positive, 5)
  .option("--connections <n>", "idle connections whose heap is measured", positive, 1_000)
  .option("--only <text>", 'only the cases whose name contains this; also "durability" and "heap"')
  .option("--cpu-prof <folder>", "leave profiles of our processes there, for the developer tools of Chrome")
  .option("--json", "one JSON object instead of tables", false)
  .action(bench);

try {
  await command.parseAsync();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
