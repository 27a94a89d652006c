/**
 * `npm run budget`: finds what each step needs, prints a table, and fails when a step exceeds `test/budget.json`.
 * `-- --json`: the figures; `-- --markdown`: the table for a guide; `-- --write FILE`: puts it there, between its markers.
 */
import { parseArgs } from "node:util";
import { measureBudget, overruns, readLimits, targets, totalOf } from "./budget.js";
import { markdownTable, textTable, writeTable } from "./budget-table.js";
import { buildHost, MissingCompiler } from "./build.js";

const explanation = `Bytes, 32-bit XS, built-ins and preloaded modules in flash. Used at the end of a step / the smallest hard cap with
which the firmware comes through it. XS total: the three caps together. Target: a client without a session, by the same method.
C stack: the deepest point, painted; of the desktop's compiler.`;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: { json: { type: "boolean" }, markdown: { type: "boolean" }, write: { type: "string" } },
  });
  try {
    await buildHost({ bits: 32, sanitize: false });
  } catch (error) {
    if (!(error instanceof MissingCompiler)) throw error;
    const mustRun = process.env["SEALWIRE_NO_SKIP"] === "1";
    console.error(`${mustRun ? "" : "Skipped: "}${error.message}`);
    return mustRun ? 1 : 0;
  }
  const steps = await measureBudget();
  const limits = readLimits();
  if (values.json)
    console.log(
      JSON.stringify({
        unit: "bytes",
        steps: steps.map((step) => ({ ...step, total: totalOf(step) })),
        limits,
        targets,
      }),
    );
  else if (values.markdown) console.log(markdownTable(steps, limits, targets));
  else console.log(`${explanation}\n\n${textTable(steps, limits, targets)}`);
  if (values.write !== undefined) writeTable(values.write, markdownTable(steps, limits, targets));
  const faults = overruns(steps, limits);
  for (const fault of faults) console.error(fault);
  return faults.length === 0 ? 0 : 1;
}

process.exitCode = await main();
