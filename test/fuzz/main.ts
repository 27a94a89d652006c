/** `npm run fuzz -- --target mqtt --seconds 30 [--seed 1]`: exits 0 when nothing was found. */
import { parseArgs } from "node:util";
import { fuzz } from "./fuzz.js";
import { cborTarget } from "./cbor-target.js";
import { coseTarget } from "./cose-target.js";
import { mqttTarget } from "./mqtt-target.js";
import type { Target } from "./target.js";
import { xsCryptoTarget } from "./xs-crypto-target.js";
import { xsTLSTarget } from "./xs-tls-target.js";

const targets: Readonly<Record<string, () => Target | Promise<Target>>> = {
  cbor: cborTarget,
  cose: coseTarget,
  mqtt: mqttTarget,
  "xs-crypto": xsCryptoTarget,
  "xs-tls": xsTLSTarget,
};
const usage = `npm run fuzz -- --target <${Object.keys(targets).join("|")}> --seconds <n> [--seed <n>]`;

function fail(message: string): never {
  console.error(`${message}\n${usage}`);
  process.exit(2);
}

function number(name: string, text: string | undefined, otherwise: number): number {
  if (text === undefined) return otherwise;
  const value = Number(text);
  if (!Number.isFinite(value) || value < 0) fail(`--${name} must be a number.`);
  return value;
}

function readArguments(): { target: string | undefined; seconds: string | undefined; seed: string | undefined } {
  try {
    const option = { type: "string" } as const;
    const { values } = parseArgs({ options: { target: option, seconds: option, seed: option } });
    return { target: values.target, seconds: values.seconds, seed: values.seed };
  } catch (error) {
    return fail((error as Error).message);
  }
}

const values = readArguments();
const name = values.target ?? fail("--target is missing.");
const makeTarget = targets[name] ?? fail(`There is no target ${name}.`);
const seconds = number("seconds", values.seconds, 10);
const seed = number("seed", values.seed, Math.floor(Math.random() * 0x1_0000_0000));
console.log(`Fuzzing ${name} for ${seconds} s with seed ${seed}.`);
let target: Target | undefined;
try {
  target = await makeTarget();
  const { inputs, heapGrowth, slowest } = await fuzz(target, seconds * 1000, seed);
  const growth = Math.round(heapGrowth / 1024);
  console.log(`${inputs} inputs, nothing found; slowest ${slowest.toFixed(1)} ms, heap grew by ${growth} KB.`);
} catch (error) {
  console.error(error);
  process.exitCode = 1;
} finally {
  target?.close?.();
}
