/** What is measured, the same on XS and on Node: sealing and opening beside the bare cipher of the same provider. Imports nothing of either. */
import { CONTENT_ALGORITHM, type ContentAlgorithmName } from "../../src/cose/index.js";
import type { AEADOptions, Crypto, KeyValueStorage } from "../../src/platform.js";
import { Sealing, type Encoding, type SealingOpenOptions, type SealingOptions } from "../../src/sealing/index.js";
import { round, spreadOf } from "../statistics.js";

export interface Row {
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
  /** At the peak of sealing or opening one message, beyond the message itself. */
  readonly sealMemory: Memory;
  readonly openMemory: Memory;
}

/** Bytes, garbage included. */
export interface Memory {
  /** Array buffers; on XS chunks, where strings lie too. */
  readonly buffers: number;
  /** Objects, on XS: its slots. */
  readonly objects: number | undefined;
}

/** What an engine gives. */
export interface Engine {
  readonly crypto: Crypto;
  /** Milliseconds of processor time that the process has used: other programs of the machine do not count. */
  readonly cpu: () => number;
  /** What `body` takes at its peak. */
  readonly peak: (body: () => void) => Memory;
}

export interface MeasureOptions {
  readonly algorithms: readonly ContentAlgorithmName[];
  readonly lengths: readonly number[];
  readonly runs: number;
  readonly messages: number;
}

const topic = "factory/line-4/sensor-17/telemetry";
/** Few enough that what is made in one step is not yet old when the next one uses it. */
const batch = 50;

type Rate = "seal" | "open" | "bareEncrypt" | "bareDecrypt" | "sealRatio" | "openRatio";

export function measureSealing(engine: Engine, options: MeasureOptions): Row[] {
  const { algorithms, lengths, runs, messages } = options;
  // Once through everything first: an engine with a compiler has compiled what is used often then.
  for (const encoding of ["cose", "compact"] as const) measure(engine, algorithms[0]!, encoding, 256, 1, messages);
  const rows: Row[] = [];
  for (const algorithm of algorithms)
    for (const encoding of ["cose", "compact"] as const)
      for (const bytes of lengths) rows.push(measure(engine, algorithm, encoding, bytes, runs, messages));
  return rows;
}

function measure(
  engine: Engine,
  algorithm: ContentAlgorithmName,
  encoding: Encoding,
  bytes: number,
  runs: number,
  messages: number,
): Row {
  const { crypto, cpu } = engine;
  const { aead, keyLength, nonceLength, tagLength } = CONTENT_ALGORITHM[algorithm];
  const options = { algorithm, encoding };
  const sender = station(crypto, "d1", options);
  const receiver = station(crypto, "server", options);
  const payload = new Uint8Array(bytes).fill(0x5a);
  // What the bare cipher gets: the same length, key size, and additional data of the same length.
  const bare: AEADOptions = {
    algorithm: aead,
    key: crypto.importKey("secret", new Uint8Array(keyLength).fill(2)),
    nonce: new Uint8Array(nonceLength),
    additionalData: new Uint8Array(72),
    data: payload.slice(),
  };
  const time = (count: number, body: (index: number) => void): number => {
    const start = cpu();
    for (let i = 0; i < count; i++) body(i);
    return cpu() - start;
  };
  const rates: Record<Rate, number[]> = {
    seal: [],
    open: [],
    bareEncrypt: [],
    bareDecrypt: [],
    sealRatio: [],
    openRatio: [],
  };
  for (let run = -1; run < runs; run++) {
    const sealing: number[] = [];
    const encrypting: number[] = [];
    const opening: number[] = [];
    const decrypting: number[] = [];
    for (let done = 0; done < messages; done += batch) {
      const sealed: Uint8Array[] = [];
      sealing.push(time(batch, () => void sealed.push(sender.seal(topic, payload))));
      encrypting.push(time(batch, () => void crypto.encrypt(bare, tagLength)));
      let delivered = 0;
      opening.push(
        time(batch, (i) => {
          if (receiver.unseal(topic, sealed[i]!).outcome === "delivered") delivered++;
        }),
      );
      if (delivered !== batch) throw new Error(`Only ${delivered} of ${batch} messages were delivered.`);
      const encrypted = sealed.map(() => {
        const data = payload.slice();
        return { data, tag: crypto.encrypt({ ...bare, data }, tagLength) };
      });
      decrypting.push(time(batch, (i) => crypto.decrypt({ ...bare, data: encrypted[i]!.data }, encrypted[i]!.tag)));
    }
    // The first run warms up.
    if (run < 0) continue;
    const [seal, bareEncrypt, open, bareDecrypt] = [sealing, encrypting, opening, decrypting].map(millisecondsOf);
    rates.seal.push(1000 / seal!);
    rates.open.push(1000 / open!);
    rates.bareEncrypt.push(1000 / bareEncrypt!);
    rates.bareDecrypt.push(1000 / bareDecrypt!);
    rates.sealRatio.push(bareEncrypt! / seal!);
    rates.openRatio.push(bareDecrypt! / open!);
  }
  const median = (values: readonly number[], digits = 0): number => round(spreadOf(values).median, digits);
  const fresh = station(crypto, "d1", options, { secretIsNew: true, storage: memoryStorage() });
  const row: Row = {
    algorithm,
    encoding,
    bytes,
    seal: median(rates.seal),
    open: median(rates.open),
    bareEncrypt: median(rates.bareEncrypt),
    bareDecrypt: median(rates.bareDecrypt),
    sealRatio: median(rates.sealRatio, 2),
    openRatio: median(rates.openRatio, 2),
    overhead: station(crypto, "d1", options).seal(topic, payload).byteLength - bytes,
    overheadWithoutContext: fresh.seal(topic, payload).byteLength - bytes,
    ...memoryOf(engine, sender, receiver, payload),
  };
  for (const each of [sender, receiver, fresh]) each.close();
  bare.key.close();
  return row;
}

/** Of one operation: the mean of all batches but the slowest tenth, which was interrupted. */
function millisecondsOf(batches: readonly number[]): number {
  const kept = [...batches].sort((a, b) => a - b).slice(0, Math.max(1, Math.floor(batches.length * 0.9)));
  return kept.reduce((sum, each) => sum + each, 0) / kept.length / batch;
}

/** The least of a few: what else the engine does in between only adds. */
function memoryOf(
  { peak }: Engine,
  sender: Sealing,
  receiver: Sealing,
  payload: Uint8Array,
): Pick<Row, "sealMemory" | "openMemory"> {
  const sealed: Memory[] = [];
  const opened: Memory[] = [];
  for (let i = 0; i < 5; i++) {
    let message: Uint8Array | undefined;
    const { buffers, objects } = peak(() => (message = sender.seal(topic, payload)));
    sealed.push({ buffers: Math.max(0, buffers - message!.byteLength), objects });
    let outcome = "";
    opened.push(peak(() => (outcome = receiver.unseal(topic, message!).outcome)));
    if (outcome !== "delivered") throw new Error("A message was not delivered.");
  }
  return { sealMemory: least(sealed), openMemory: least(opened) };
}

function least(all: readonly Memory[]): Memory {
  return all.reduce((best, each) => (each.buffers < best.buffers ? each : best));
}

function station(
  crypto: Crypto,
  name: string,
  options: SealingOptions,
  more: Partial<SealingOpenOptions> = {},
): Sealing {
  const sealing = new Sealing({ maximumSenders: 4096, ...options });
  const secrets = new Map([[0, crypto.importKey("secret", new Uint8Array(32).fill(1))]]);
  sealing.open({ crypto, secrets, clientIdentifier: name, ...more });
  return sealing;
}

/** Storage that keeps what it is given. */
function memoryStorage(): KeyValueStorage {
  const values = new Map<string, ArrayBuffer>();
  return {
    maximumKeyLength: 15,
    maximumValueLength: 200_000,
    capacity: 1_000_000,
    read: (key) => values.get(key),
    write: (key, value) => void values.set(key, new Uint8Array(value as Uint8Array).slice().buffer),
    delete: (key) => values.delete(key),
    [Symbol.iterator]: () => values.keys(),
  };
}
