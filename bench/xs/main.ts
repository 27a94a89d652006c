/**
 * `npm run bench:xs`: publishing over plain TCP on XS and on Node: throughput, and processor time per message. `-- --json`;
 * `--messages N`, `--runs N`, `--m32`.
 */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import * as os from "node:os";
import { fileURLToPath } from "node:url";
import { join } from "node:path";
import { parseArgs, promisify } from "node:util";
import { buildHost } from "../../tools/xs/build.js";
import { runOnXS } from "../../tools/xs/run.js";
import { preloadOptions } from "../../tools/xs/manifest.js";
import type { Variant } from "../../tools/xs/paths.js";
import { round, type Spread, spreadOf } from "../statistics.js";
import { type Measurement, payloadLength, window } from "./publisher.js";
import { Sink } from "./sink.js";

interface Figures {
  /** Messages per second of wall-clock time. */
  readonly throughput: Spread;
  /** Microseconds of processor time per message. */
  readonly cpu: Spread;
}

interface Case {
  readonly qos: 0 | 1;
  readonly xs: Figures;
  readonly node: Figures;
  /** Processor time per message on XS, as a multiple of that on Node. */
  readonly cpuRatio: number;
  /** Throughput on XS, as a part of that on Node. */
  readonly throughputRatio: number;
}

const { values } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    messages: { type: "string", default: "20000" },
    runs: { type: "string", default: "5" },
    m32: { type: "boolean", default: false },
  },
});
const [messages, runs] = [Number(values.messages), Number(values.runs)];
const variant: Variant = { bits: values.m32 ? 32 : 64, sanitize: false };
const folder = mkdtempSync(join(os.tmpdir(), "sealwire-bench-"));
const fileOf = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const sink = new Sink();

async function measure(engine: "xs" | "node", port: number, qos: 0 | 1): Promise<Measurement> {
  const parameters = [join(folder, engine), ...[port, qos, messages, Math.ceil(messages / 4)].map(String)];
  const before = sink.received;
  let text: string;
  if (engine === "node")
    text = (await promisify(execFile)(process.execPath, [fileOf("on-node.js"), ...parameters])).stdout;
  else {
    const { exitCode, output, errors } = await runOnXS(fileOf("on-xs.js"), parameters, {
      variant,
      host: preloadOptions(),
      timeout: 300_000,
    });
    if (exitCode !== 0) throw new Error(`The publisher on XS ended with ${exitCode}: ${errors}`);
    text = output;
  }
  const arrived = sink.received - before;
  if (arrived !== messages + Math.ceil(messages / 4) + 2) throw new Error(`${arrived} messages arrived.`);
  return JSON.parse(text) as Measurement;
}

function figures(measurements: readonly Measurement[]): Figures {
  const spread = (each: (measurement: Measurement) => number, digits: number): Spread => {
    const { median, lowest, highest } = spreadOf(measurements.map(each));
    return { median: round(median, digits), lowest: round(lowest, digits), highest: round(highest, digits) };
  };
  return {
    throughput: spread(({ wall }) => (messages * 1000) / wall, 0),
    cpu: spread(({ cpu }) => (cpu * 1000) / messages, 2),
  };
}

async function main(): Promise<void> {
  await buildHost(variant);
  const port = await sink.listen();
  const load = os.loadavg()[0]!;
  const cases: Case[] = [];
  for (const qos of [0, 1] as const) {
    const all: Record<"xs" | "node", Measurement[]> = { xs: [], node: [] };
    // In turn, so that what else the machine does hits both.
    for (let run = 0; run < runs; run++)
      for (const engine of ["xs", "node"] as const) all[engine].push(await measure(engine, port, qos));
    const [xs, node] = [figures(all.xs), figures(all.node)];
    cases.push({
      qos,
      xs,
      node,
      cpuRatio: round(xs.cpu.median / node.cpu.median, 2),
      throughputRatio: round(xs.throughput.median / node.throughput.median, 2),
    });
  }
  const result = { node: process.version, bits: variant.bits, processors: os.cpus().length, load, messages, runs };
  if (values.json) {
    console.log(JSON.stringify({ ...result, payloadLength, window, cases }));
    return;
  }
  console.log(
    `XS 13.3, ${variant.bits} bits, against Node ${process.version}; ${messages} messages of ${payloadLength} bytes, ${window} at a time, plain ` +
      `TCP; medians of ${runs} runs\n\nQoS  engine  messages/s  CPU µs/message`,
  );
  for (const { qos, xs, node, cpuRatio, throughputRatio } of cases) {
    for (const [name, { throughput, cpu }] of [["XS", xs] as const, ["Node", node] as const])
      console.log(
        [
          String(qos).padEnd(3),
          name.padEnd(6),
          throughput.median.toLocaleString("en").padStart(10),
          cpu.median.toFixed(1).padStart(14),
        ].join("  "),
      );
    console.log(`     ratio   ${throughputRatio.toFixed(2).padStart(10)}  ${cpuRatio.toFixed(2).padStart(14)}`);
  }
}

try {
  await main();
} finally {
  sink.close();
  rmSync(folder, { recursive: true, force: true });
}
