/**
 * The command line of `npm run bench:xs`: publishing over plain TCP on XS and on Node: throughput, and processor time per message; on XS TLS
 * handshakes, full against resumed, and AES-GCM against the library alone.
 */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import * as os from "node:os";
import { fileURLToPath } from "node:url";
import { join } from "node:path";
import { promisify } from "node:util";
import { Command, Option } from "commander";
import { positive } from "../../tools/positive.js";
import { buildHost } from "../../tools/xs/build.js";
import { runOnXS } from "../../tools/xs/run.js";
import { preloadOptions } from "../../tools/xs/manifest.js";
import type { Variant } from "../../tools/xs/paths.js";
import { round, type Spread, spreadOf } from "../statistics.js";
import { type AESCase, buildLibraryLoop, measureAES } from "./aes.js";
import { type HandshakeCase, measureHandshakes } from "./handshakes.js";
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

interface Arguments {
  readonly json?: true;
  readonly messages: number;
  readonly runs: number;
  readonly handshakes: number;
  readonly only?: "publish" | "tls" | "aes";
  readonly m32?: true;
}

const values = new Command("bench:xs")
  .description("The XS engine against Node, TLS handshakes on it, and its AES-GCM against the library alone.")
  .option("--json", "one JSON object")
  .option("--messages <n>", "messages of a run", positive, 20_000)
  .option("--runs <n>", "alternating runs of each case", positive, 5)
  .option("--handshakes <n>", "handshakes of each kind", positive, 30)
  .addOption(new Option("--only <part>", "only this part").choices(["publish", "tls", "aes"]))
  .option("--m32", "32 bits (needs gcc-multilib)")
  .parse()
  .opts<Arguments>();
const { messages, runs } = values;
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

const wants = (part: Arguments["only"]): boolean => values.only === undefined || values.only === part;

/** TLS 1.3 where the library has it: 32 bits, or a source tree. */
async function measureTLS(): Promise<HandshakeCase[]> {
  const versions =
    variant.bits === 32 || process.env["SEALWIRE_MBEDTLS"] ? (["TLSv1.2", "TLSv1.3"] as const) : (["TLSv1.2"] as const);
  const cases: HandshakeCase[] = [];
  for (const version of versions)
    for (const key of ["P-256", "RSA-2048"] as const)
      cases.push(
        await measureHandshakes(folder, fileOf("handshake-on-xs.js"), variant, version, key, values.handshakes),
      );
  return cases;
}

async function measureCiphers(): Promise<AESCase[]> {
  const program = await buildLibraryLoop(variant, folder);
  const cases: AESCase[] = [];
  for (const size of [64, 1024, 16_384])
    cases.push(await measureAES(folder, fileOf("aes-on-xs.js"), variant, program, size, runs));
  return cases;
}

function printTLS(cases: readonly HandshakeCase[]): void {
  console.log("\nTLS, mutual; medians, of the longest step the lowest\n");
  console.log("version  client key  handshake  CPU µs   bytes  longest step ms");
  for (const { protocol, clientKey, full, resumed, cpuRatio, bytesRatio } of cases) {
    for (const [name, cost] of [["full", full] as const, ["resumed", resumed] as const])
      console.log(
        [
          protocol.slice(4).padEnd(7),
          clientKey.padEnd(10),
          name.padEnd(9),
          cost.cpu.median.toLocaleString("en").padStart(6),
          cost.bytes.toLocaleString("en").padStart(6),
          cost.longestStep.lowest.toFixed(2).padStart(15),
        ].join("  "),
      );
    console.log(
      `                     ratio      ${cpuRatio.toFixed(2).padStart(6)}  ${bytesRatio.toFixed(2).padStart(6)}`,
    );
  }
}

function printAES(cases: readonly AESCase[]): void {
  console.log("\nAES-128-GCM, MB for each second of processor time\n\nbytes   on XS  library alone  ratio");
  for (const { size, xs, library, ratio } of cases)
    console.log(
      [
        String(size).padEnd(5),
        xs.median.toFixed(1).padStart(6),
        library.median.toFixed(1).padStart(13),
        ratio.toFixed(2).padStart(5),
      ].join("  "),
    );
}

async function main(): Promise<void> {
  await buildHost(variant);
  const port = await sink.listen();
  const load = os.loadavg()[0]!;
  const cases: Case[] = [];
  for (const qos of wants("publish") ? ([0, 1] as const) : []) {
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
  const handshakes = wants("tls") ? await measureTLS() : [];
  const ciphers = wants("aes") ? await measureCiphers() : [];
  const result = { node: process.version, bits: variant.bits, processors: os.cpus().length, load, messages, runs };
  if (values.json) {
    console.log(JSON.stringify({ ...result, payloadLength, window, cases, handshakes, ciphers }));
    return;
  }
  if (cases.length > 0)
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
  if (handshakes.length > 0) printTLS(handshakes);
  if (ciphers.length > 0) printAES(ciphers);
}

try {
  await main();
} finally {
  sink.close();
  rmSync(folder, { recursive: true, force: true });
}
