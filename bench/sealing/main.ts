/** `npm run bench:sealing`: what sealing costs beside the bare cipher of the same provider, in time, bytes and memory, on Node and on XS. */
import { mkdtempSync, rmSync } from "node:fs";
import * as os from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Command, Option } from "commander";
import { createCrypto } from "../../hosts/node/crypto/crypto.js";
import { CONTENT_ALGORITHM, type ContentAlgorithmName } from "../../src/cose/index.js";
import { positive } from "../../tools/positive.js";
import { buildHost } from "../../tools/xs/build.js";
import { preloadOptions } from "../../tools/xs/manifest.js";
import type { Variant } from "../../tools/xs/paths.js";
import { runOnXS } from "../../tools/xs/run.js";
import { measureSealing, type Engine, type MeasureOptions, type Memory, type Row } from "./measure.js";

const target = { engine: "node", bytes: 1024, ratio: 0.6 } as const;
const names = ["node", "xs", "xs32"] as const;
type EngineName = (typeof names)[number];

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

const node: Engine = {
  crypto: createCrypto(),
  cpu: () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1000;
  },
  // Array buffers alone: of the engine's objects nothing exact is known.
  peak: (body) => {
    collect();
    const before = process.memoryUsage().arrayBuffers;
    body();
    return { buffers: Math.max(0, process.memoryUsage().arrayBuffers - before), objects: undefined };
  },
};

async function measureOnXS(variant: Variant, options: MeasureOptions): Promise<Row[]> {
  await buildHost(variant);
  const folder = mkdtempSync(join(os.tmpdir(), "sealwire-bench-"));
  try {
    const program = fileURLToPath(new URL("on-xs.js", import.meta.url));
    const { exitCode, output, errors } = await runOnXS(program, [folder, JSON.stringify(options)], {
      variant,
      host: preloadOptions(),
      timeout: 900_000,
    });
    if (exitCode !== 0) throw new Error(`The bench on XS ended with ${exitCode}: ${errors}`);
    return JSON.parse(output) as Row[];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function memoryOf({ buffers, objects }: Memory): string {
  return (objects === undefined ? String(buffers) : `${buffers} + ${objects}`).padStart(13);
}

function table(rows: readonly Row[]): string {
  const lines = rows.map((row) =>
    [
      row.algorithm.padEnd(18),
      row.encoding.padEnd(8),
      String(row.bytes).padStart(6),
      String(row.seal).padStart(9),
      String(row.open).padStart(9),
      row.sealRatio.toFixed(2).padStart(10),
      row.openRatio.toFixed(2).padStart(10),
      `${row.overheadWithoutContext}/${row.overhead}`.padStart(9),
      `${memoryOf(row.sealMemory)} ${memoryOf(row.openMemory)}`,
    ].join(" "),
  );
  const head =
    "algorithm          encoding  bytes    seal/s    open/s  seal/bare  open/bare  overhead  seal, memory  open, memory";
  return [head, ...lines].join("\n");
}

interface Options {
  readonly engine: readonly EngineName[];
  readonly runs: number;
  readonly messages: number;
  readonly messagesOnXs: number;
  readonly json: boolean;
}

async function bench({ engine, runs, messages, messagesOnXs, json }: Options): Promise<void> {
  const load = os.loadavg()[0]!;
  const algorithms = Object.keys(CONTENT_ALGORITHM) as ContentAlgorithmName[];
  const options = { algorithms, lengths: [32, 256, 1024, 4096], runs, messages };
  const engines: Partial<Record<EngineName, Row[]>> = {};
  for (const name of engine)
    engines[name] =
      name === "node"
        ? measureSealing(node, options)
        : await measureOnXS(
            { bits: name === "xs" ? 64 : 32, sanitize: false },
            { ...options, runs: Math.min(3, runs), messages: messagesOnXs },
          );
  const judged = (engines[target.engine] ?? []).filter(
    ({ algorithm, bytes }) => algorithm.endsWith("GCM") && bytes === target.bytes,
  );
  const lowest = Math.min(...judged.flatMap(({ sealRatio, openRatio }) => [sealRatio, openRatio]));
  const result = {
    node: process.version,
    load: [load, os.loadavg()[0]!],
    runs,
    messages,
    messagesOnXs,
    target,
    ...(judged.length > 0 && { lowest, reached: lowest >= target.ratio }),
    engines,
  };
  if (json) {
    process.stdout.write(`${JSON.stringify(result)}\n`);
    return;
  }
  for (const name of engine) process.stdout.write(`${name}\n${table(engines[name]!)}\n\n`);
  process.stdout.write(
    "Operations per second of processor time, without the slowest tenth. Overhead in bytes: without and with a random ID Context, sender of 2 bytes. Memory: bytes at the\n" +
      "peak of sealing or opening one message, beyond the message, garbage included: array buffers on Node, chunks + slots on XS.\n",
  );
  if (judged.length > 0)
    process.stdout.write(
      `Node, ${target.bytes} bytes, AES-GCM: at least ${lowest} of the bare cipher; target ${target.ratio}: ${result.reached === true ? "reached" : "missed"}.\n`,
    );
}

const command = new Command("bench:sealing")
  .description(
    "What sealing costs beside the bare cipher of the same provider, in time, bytes and memory, on Node and on XS.",
  )
  .addOption(new Option("--engine <name...>", "where").choices(names).default(["node", "xs"]))
  .option("--runs <n>", "alternating runs of each row; medians are told; at most 3 on XS", positive, 7)
  .option("--messages <n>", "messages of a run on Node", positive, 2_000)
  .option("--messages-on-xs <n>", "messages of a run on XS", positive, 200)
  .option("--json", "one JSON object instead of tables", false)
  .action(bench);

try {
  await command.parseAsync();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
