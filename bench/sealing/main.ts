/** `npm run bench:sealing`: what sealing costs beside the bare cipher of the same provider, in time, bytes and memory. */
import * as os from "node:os";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Command } from "commander";
import { positive } from "../../tools/positive.js";
import { createCrypto } from "../../hosts/node/crypto/crypto.js";
import { CONTENT_ALGORITHM, type ContentAlgorithmName } from "../../src/cose/index.js";
import type { AEADOptions } from "../../src/platform.js";
import { Sealing, type Encoding } from "../../src/sealing/index.js";
import { round, spreadOf } from "../statistics.js";

interface Row {
  readonly algorithm: ContentAlgorithmName;
  readonly encoding: Encoding;
  readonly bytes: number;
  /** Operations per second of processor time: medians. */
  readonly seal: number;
  readonly open: number;
  readonly bareEncrypt: number;
  readonly bareDecrypt: number;
  /** Sealing to the bare cipher: medians of the ratio in each run. */
  readonly sealRatio: number;
  readonly openRatio: number;
  /** Bytes that a message is longer: as it is first, and without a random ID Context. */
  readonly overhead: number;
  readonly overheadWithoutContext: number;
  /** Bytes of array buffers that sealing one message takes, beyond the message itself. */
  readonly memory: number;
}

const crypto = createCrypto();
const topic = "factory/line-4/sensor-17/telemetry";
const lengths = [32, 256, 1024, 4096];
const target = { bytes: 1024, ratio: 0.6 };
setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

function station(algorithm: ContentAlgorithmName, encoding: Encoding, name: string, more = {}): Sealing {
  const sealing = new Sealing({ algorithm, encoding, maximumSenders: 4096 });
  const secrets = new Map([[0, crypto.importKey("secret", new Uint8Array(32).fill(1))]]);
  sealing.open({ crypto, secrets, clientIdentifier: name, ...more });
  return sealing;
}

/** Processor time in milliseconds that `body` takes, all indices together: other programs of the machine do not count. */
function time(count: number, body: (index: number) => void): number {
  const start = process.cpuUsage();
  for (let i = 0; i < count; i++) body(i);
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1000;
}

/** Few enough that what is made in one step is not yet old when the next one uses it. */
const batch = 50;

function measure(algorithm: ContentAlgorithmName, encoding: Encoding, bytes: number, runs: number, count: number): Row {
  const { aead, keyLength, nonceLength, tagLength } = CONTENT_ALGORITHM[algorithm];
  const sender = station(algorithm, encoding, "d1");
  const receiver = station(algorithm, encoding, "server");
  const payload = new Uint8Array(bytes).fill(0x5a);
  // What the bare cipher gets: the same length, key size, and additional data of the same length.
  const bare: AEADOptions = {
    algorithm: aead,
    key: crypto.importKey("secret", new Uint8Array(keyLength).fill(2)),
    nonce: new Uint8Array(nonceLength),
    additionalData: new Uint8Array(72),
    data: payload.slice(),
  };
  const rates: Record<"seal" | "open" | "bareEncrypt" | "bareDecrypt" | "sealRatio" | "openRatio", number[]> = {
    seal: [],
    open: [],
    bareEncrypt: [],
    bareDecrypt: [],
    sealRatio: [],
    openRatio: [],
  };
  for (let run = -1; run < runs; run++) {
    let [sealing, encrypting, opening, decrypting] = [0, 0, 0, 0];
    for (let done = 0; done < count; done += batch) {
      const messages: Uint8Array[] = [];
      sealing += time(batch, () => void messages.push(sender.seal(topic, payload)));
      encrypting += time(batch, () => void crypto.encrypt(bare, tagLength));
      let delivered = 0;
      opening += time(batch, (i) => {
        if (receiver.unseal(topic, messages[i]!).outcome === "delivered") delivered++;
      });
      if (delivered !== batch) throw new Error(`Only ${delivered} of ${batch} messages were delivered.`);
      const sealed = messages.map(() => {
        const data = payload.slice();
        return { data, tag: crypto.encrypt({ ...bare, data }, tagLength) };
      });
      decrypting += time(batch, (i) => crypto.decrypt({ ...bare, data: sealed[i]!.data }, sealed[i]!.tag));
    }
    // The first run warms up.
    if (run < 0) continue;
    rates.seal.push((count / sealing) * 1000);
    rates.open.push((count / opening) * 1000);
    rates.bareEncrypt.push((count / encrypting) * 1000);
    rates.bareDecrypt.push((count / decrypting) * 1000);
    rates.sealRatio.push(encrypting / sealing);
    rates.openRatio.push(decrypting / opening);
  }
  const median = (values: readonly number[], digits = 0): number => round(spreadOf(values).median, digits);
  const first = station(algorithm, encoding, "d1", { secretIsNew: true, storage: memoryStorage() });
  return {
    algorithm,
    encoding,
    bytes,
    seal: median(rates.seal),
    open: median(rates.open),
    bareEncrypt: median(rates.bareEncrypt),
    bareDecrypt: median(rates.bareDecrypt),
    sealRatio: median(rates.sealRatio, 2),
    openRatio: median(rates.openRatio, 2),
    overhead: station(algorithm, encoding, "d1").seal(topic, payload).byteLength - bytes,
    overheadWithoutContext: first.seal(topic, payload).byteLength - bytes,
    memory: memoryOf(algorithm, encoding, payload),
  };
}

/** Array buffers that are made while one message is sealed, counted by a cipher that makes none of its own. */
function memoryOf(algorithm: ContentAlgorithmName, encoding: Encoding, payload: Uint8Array): number {
  const tag = new Uint8Array(CONTENT_ALGORITHM[algorithm].tagLength);
  const quiet = { ...crypto, encrypt: () => tag };
  const sealing = new Sealing({ algorithm, encoding });
  const secrets = new Map([[0, crypto.importKey("secret", new Uint8Array(32).fill(1))]]);
  sealing.open({ crypto: quiet, secrets, clientIdentifier: "d1" });
  sealing.seal(topic, payload);
  collect();
  const count = 200;
  const messages: Uint8Array[] = [];
  const before = process.memoryUsage().arrayBuffers;
  for (let i = 0; i < count; i++) messages.push(sealing.seal(topic, payload));
  const after = process.memoryUsage().arrayBuffers;
  const length = messages.reduce((sum, { byteLength }) => sum + byteLength, 0) / count;
  // A collection in between would make it negative.
  return Math.max(0, round((after - before) / count - length, 1));
}

/** Storage that keeps what it is given. */
function memoryStorage(): object {
  const values = new Map<string, ArrayBuffer>();
  return {
    maximumKeyLength: 15,
    maximumValueLength: 4000,
    capacity: 65_536,
    read: (key: string) => values.get(key),
    write: (key: string, value: Uint8Array) => void values.set(key, value.slice().buffer),
    delete: (key: string) => values.delete(key),
    [Symbol.iterator]: () => values.keys(),
  };
}

function report(rows: readonly Row[]): string {
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
      row.memory.toFixed(0).padStart(7),
    ].join(" "),
  );
  const head = "algorithm          encoding  bytes    seal/s    open/s  seal/bare  open/bare   overhead  memory";
  const foot =
    "Overhead in bytes: without and with a random ID Context, sender of 2 bytes. Memory: bytes beyond the message.";
  return [head, ...lines, "", foot].join("\n");
}

function bench({ runs, messages, json }: { runs: number; messages: number; json: boolean }): void {
  const load = os.loadavg()[0]!;
  // Once through everything first: the engine has compiled what is used often then.
  for (const encoding of ["cose", "compact"] as const) measure("A128GCM", encoding, 256, 1, 2_000);
  const rows: Row[] = [];
  for (const algorithm of Object.keys(CONTENT_ALGORITHM) as ContentAlgorithmName[])
    for (const encoding of ["cose", "compact"] as const)
      for (const bytes of lengths) rows.push(measure(algorithm, encoding, bytes, runs, messages));
  const judged = rows.filter(({ algorithm, bytes }) => algorithm.endsWith("GCM") && bytes === target.bytes);
  const lowest = Math.min(...judged.flatMap(({ sealRatio, openRatio }) => [sealRatio, openRatio]));
  const reached = lowest >= target.ratio;
  const result = {
    node: process.version,
    load: [load, os.loadavg()[0]!],
    runs,
    messages,
    target,
    lowest,
    reached,
    rows,
  };
  const verdict = `At ${target.bytes} bytes, AES-GCM: at least ${lowest} of the bare cipher; target ${target.ratio}: ${reached ? "reached" : "missed"}.`;
  process.stdout.write(`${json ? JSON.stringify(result) : `${report(rows)}\n${verdict}`}\n`);
}

const command = new Command("bench:sealing")
  .description("What sealing costs beside the bare cipher of the same provider, in time, bytes and memory.")
  .option("--runs <n>", "alternating runs of each row; medians are told", positive, 7)
  .option("--messages <n>", "messages of a run", positive, 2_000)
  .option("--json", "one JSON object instead of a table", false)
  .action(bench);

try {
  await command.parseAsync();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
