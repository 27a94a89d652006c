/** The command line of `npm run build:xs`. */
import { Command } from "commander";
import { buildHost } from "./build.js";
import { addVariantOptions, type VariantArguments, variantOf } from "./variant-options.js";

await addVariantOptions(new Command("build:xs"))
  .description("Compiles the host of the XS engine; its sources come from npm.")
  .action(async (given: VariantArguments) => {
    try {
      const begin = performance.now();
      const program = await buildHost(variantOf(given));
      console.log(`${program} (${((performance.now() - begin) / 1000).toFixed(1)} s)`);
    } catch (error) {
      const { message, stderr } = error as Error & { stderr?: string };
      console.error(stderr || message);
      process.exitCode = 1;
    }
  })
  .parseAsync();
