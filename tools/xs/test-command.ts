/**
 * `npm run test:xs`: the compiled `test/src/` on the XS host. The options of `npm run build:xs` choose the variant;
 * another word runs only the test modules whose path contains it.
 */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildHost, MissingCompiler } from "./build.js";
import { cacheFolder, parseVariant, root } from "./paths.js";
import { runOnXS } from "./run.js";

const { variant, rest: words } = parseVariant(process.argv.slice(2));
const tests = join(root, "dist", "test", "src");

/** A module that imports the runner, the tests, and then runs them. */
function writeSuite(): string {
  const modules = readdirSync(tests, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".test.js") && words.every((word) => name.includes(word)))
    .sort()
    .map((name) => join(tests, name));
  if (modules.length === 0) throw new Error(`No test module contains ${words.join(" and ")}.`);
  const runner = join(root, "dist", "test", "xs", "runner.js");
  const suite = join(cacheFolder, `suite-${process.pid}.js`);
  const imports = [`import { run } from ${JSON.stringify(runner)};`];
  for (const module of modules) imports.push(`import ${JSON.stringify(module)};`);
  writeFileSync(suite, [...imports, "await run();", ""].join("\n"));
  return suite;
}

async function main(): Promise<number> {
  try {
    await buildHost(variant);
  } catch (error) {
    if (!(error instanceof MissingCompiler)) throw error;
    const mustRun = process.env["SEALWIRE_NO_SKIP"] === "1";
    console.log(`${mustRun ? "" : "Skipped: "}${error.message}`);
    return mustRun ? 1 : 0;
  }
  const suite = writeSuite();
  const device = mkdtempSync(join(tmpdir(), "sealwire-xs-"));
  try {
    const environment = { ...process.env, SEALWIRE_DEVICE: device };
    const { exitCode, signal } = await runOnXS(suite, [], {
      variant,
      environment,
      // Tests make arrays of thousands of elements; XS keeps them on the stack while `Array.from` works. And many slots at once: a test that
      // keeps much would else spend its time on collecting.
      host: ["--stack", "32768", "--slots", "4000000"],
      timeout: 600_000,
      show: true,
    });
    if (signal !== null) console.error(`The XS host was ended by ${signal}.`);
    return exitCode ?? 1;
  } finally {
    rmSync(suite);
    rmSync(device, { recursive: true, force: true });
  }
}

process.exitCode = await main();
