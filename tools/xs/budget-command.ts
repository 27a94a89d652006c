/**
 * `npm run budget`: finds what each step needs, prints a table, and fails when a step exceeds `test/budget.json`.
 * `-- --json`: the figures; `-- --markdown`: the table for a guide; `-- --write FILE`: puts it there, between its markers.
 */
import { parseArgs } from "node:util";
import { type Budget, measureBudget, overruns, readLimits, targets, totalOf } from "./budget.js";
import { markdownTable, textTable, writeTable } from "./budget-table.js";
import { measureFit } from "./firmware-fit.js";
import { buildHost, MissingCompiler } from "./build.js";

const explanation = `Bytes, 32-bit XS, built-ins and preloaded modules in flash. Used at the end of a step / the smallest hard cap with
which the firmware comes through it. XS total: the three caps together. Target: a client without a session, by the same method.
C stack: the deepest point, painted; of the desktop's compiler. Telemetry: the smallest --static with which examples/plain-telemetry comes
through a wake, and the smallest stack.`;

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
  const budget: Budget = { steps: await measureBudget(), fit: await measureFit() };
  const limits = readLimits();
  if (values.json)
    console.log(
      JSON.stringify({
        unit: "bytes",
        steps: budget.steps.map((step) => ({ ...step, total: totalOf(step) })),
        telemetry: budget.fit,
        limits,
        targets,
      }),
    );
  else if (values.markdown) console.log(markdownTable(budget, limits, targets));
  else console.log(`${explanation}\n\n${textTable(budget, limits, targets)}`);
  if (values.write !== undefined) writeTable(values.write, markdownTable(budget, limits, targets));
  const faults = overruns(budget, limits);
  for (const fault of faults) console.error(fault);
  return faults.length === 0 ? 0 : 1;
}

process.exitCode = await main();
