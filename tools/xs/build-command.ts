/** The command line of `npm run build:xs`. */
import { buildHost, MissingCompiler } from "./build.js";
import type { Variant } from "./paths.js";

const known = ["--m32", "--sanitize"];
const options = process.argv.slice(2);
const unknown = options.find((option) => !known.includes(option));
try {
  if (unknown !== undefined) throw new MissingCompiler(`${unknown} is no option; there are ${known.join(" and ")}.`);
  const variant: Variant = { bits: options.includes("--m32") ? 32 : 64, sanitize: options.includes("--sanitize") };
  const begin = performance.now();
  const program = await buildHost(variant);
  console.log(`${program} (${((performance.now() - begin) / 1000).toFixed(1)} s)`);
} catch (error) {
  const { message, stderr } = error as Error & { stderr?: string };
  console.error(stderr || message);
  process.exitCode = 1;
}
