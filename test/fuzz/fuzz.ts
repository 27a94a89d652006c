/** Runs a target on its corpus and on mutations of it. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { toHex } from "../../src/bytes.js";
import { mutate } from "./mutate.js";
import { Random } from "./random.js";
import type { Target } from "./target.js";

export interface FuzzResult {
  readonly inputs: number;
  /** Bytes by which the heap grew, garbage collected. */
  readonly heapGrowth: number;
  /** The slowest input, in milliseconds. */
  readonly slowest: number;
}

/** One input may take this long, in milliseconds: a hang is found by it. */
const usualPatience = 2000;
/** The heap may grow this much over a run, in bytes. */
const allowance = 32 * 1024 * 1024;

/** @throws Error with the input in hexadecimal when the target fails, hangs, or lets the heap grow */
export async function fuzz(target: Target, milliseconds: number, seed: number): Promise<FuzzResult> {
  const random = new Random(seed);
  const { patience = usualPatience } = target;
  const collect = garbageCollector();
  let inputs = 0;
  let slowest = 0;
  const attempt = async (input: Uint8Array): Promise<void> => {
    const start = performance.now();
    try {
      await target.run(input, random);
    } catch (error) {
      throw new Error(`Input ${inputs} of seed ${seed} fails: ${toHex(input)}`, { cause: error });
    }
    const took = performance.now() - start;
    slowest = Math.max(slowest, took);
    if (took > patience) throw new Error(`Input ${inputs} of seed ${seed} takes ${took} ms: ${toHex(input)}`);
    inputs++;
  };
  for (const input of target.corpus) await attempt(input);
  collect();
  const before = process.memoryUsage().heapUsed;
  const end = performance.now() + milliseconds;
  while (performance.now() < end) await attempt(mutate(random, target.corpus));
  collect();
  const heapGrowth = process.memoryUsage().heapUsed - before;
  if (heapGrowth > allowance)
    throw new Error(`The heap grew by ${heapGrowth} bytes over ${inputs} inputs of seed ${seed}.`);
  return { inputs: inputs * (target.inputsPerRun ?? 1), heapGrowth, slowest };
}

function garbageCollector(): () => void {
  setFlagsFromString("--expose-gc");
  return runInNewContext("gc") as () => void;
}
