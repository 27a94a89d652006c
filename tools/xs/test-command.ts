/** The command line of `npm run test:xs`: the compiled `test/src/` on the XS host. */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { hostOrSkip } from "./host-or-skip.js";
import { cacheFolder, root } from "./paths.js";
import { runOnXS } from "./run.js";
import { addVariantOptions, type VariantArguments, variantOf } from "./variant-options.js";

const tests = join(root, "dist", "test", "src");

/** A module that imports the runner, the tests, and then runs them; `undefined` when no test module has all the words in its path. */
function writeSuite(words: readonly string[]): string | undefined {
  const modules = readdirSync(tests, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".test.js") && words.every((word) => name.includes(word)))
    .sort()
    .map((name) => join(tests, name));
  if (modules.length === 0) return undefined;
  const runner = join(root, "dist", "test", "xs", "runner.js");
  const suite = join(cacheFolder, `suite-${process.pid}.js`);
  const imports = [`import { run } from ${JSON.stringify(runner)};`];
  for (const module of modules) imports.push(`import ${JSON.stringify(module)};`);
  writeFileSync(suite, [...imports, "await run();", ""].join("\n"));
  return suite;
}

await addVariantOptions(new Command("test:xs"))
  .description("Runs the portable tests, test/src/, on the XS engine.")
  .argument("[words...]", "only the test modules whose path has all of these words")
  .action(async (words: readonly string[], given: VariantArguments, command: Command) => {
    const variant = variantOf(given);
    if (!(await hostOrSkip(variant))) return;
    const suite = writeSuite(words);
    if (suite === undefined) command.error(`No test module contains ${words.join(" and ")}.`);
    const device = mkdtempSync(join(tmpdir(), "sealwire-xs-"));
    try {
      const environment = { ...process.env, SEALWIRE_DEVICE: device };
      const { exitCode, signal } = await runOnXS(suite, [], {
        variant,
        environment,
        // Tests make arrays of thousands of elements; XS keeps them on the stack while `Array.from` works. And many slots at once: a test
        // that keeps much would else spend its time on collecting.
        host: ["--stack", "32768", "--slots", "4000000"],
        timeout: 600_000,
        show: true,
      });
      if (signal !== null) console.error(`The XS host was ended by ${signal}.`);
      process.exitCode = exitCode ?? 1;
    } finally {
      rmSync(suite);
      rmSync(device, { recursive: true, force: true });
    }
  })
  .parseAsync();
