/** The command line of `npm run fuzz`: exits 0 when nothing was found. */
import { Command, InvalidArgumentError, Option } from "commander";
import { positive } from "../../tools/positive.js";
import { cborTarget } from "./cbor-target.js";
import { coseTarget } from "./cose-target.js";
import { fuzz } from "./fuzz.js";
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

interface Arguments {
  readonly target: string;
  readonly seconds: number;
  readonly seed?: number;
}

/** Seeds are printed as they were drawn: 0 is one of them. */
function seedOf(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isInteger(value) || value < 0 || value > 0xffff_ffff)
    throw new InvalidArgumentError("It must be a whole number of 32 bits.");
  return value;
}

await new Command("fuzz")
  .description("Feeds mutated inputs from a corpus to a part that reads what comes from network or flash.")
  .addOption(new Option("--target <name>", "the part").choices(Object.keys(targets)).makeOptionMandatory())
  .option("--seconds <n>", "how long", positive, 10)
  .option("--seed <n>", "the same seed makes the same inputs (default: a random one, which is printed)", seedOf)
  .action(async ({ target: name, seconds, seed = Math.floor(Math.random() * 0x1_0000_0000) }: Arguments) => {
    console.log(`Fuzzing ${name} for ${seconds} s with seed ${seed}.`);
    let target: Target | undefined;
    try {
      target = await targets[name]!();
      const { inputs, heapGrowth, slowest } = await fuzz(target, seconds * 1000, seed);
      const growth = Math.round(heapGrowth / 1024);
      console.log(`${inputs} inputs, nothing found; slowest ${slowest.toFixed(1)} ms, heap grew by ${growth} KB.`);
    } catch (error) {
      console.error(error);
      process.exitCode = 1;
    } finally {
      target?.close?.();
    }
  })
  .parseAsync();
