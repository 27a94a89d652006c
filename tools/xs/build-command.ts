/** The command line of `npm run build:xs`. */
import { buildHost, MissingCompiler } from "./build.js";
import { parseVariant } from "./paths.js";

const { variant, rest } = parseVariant(process.argv.slice(2));
try {
  if (rest.length > 0)
    throw new MissingCompiler(
      `${rest[0]!} is no option, or wants a value; there are --m32, --sanitize, --mbedtls DIR, --tls12 and --tls-input BYTES.`,
    );
  const begin = performance.now();
  const program = await buildHost(variant);
  console.log(`${program} (${((performance.now() - begin) / 1000).toFixed(1)} s)`);
} catch (error) {
  const { message, stderr } = error as Error & { stderr?: string };
  console.error(stderr || message);
  process.exitCode = 1;
}
