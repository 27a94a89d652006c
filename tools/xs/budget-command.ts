/**
 * `npm run budget`: finds what each step needs, prints a table, and fails when a step exceeds `test/budget.json`.
 * `-- --json`: the figures; `-- --markdown`: the table for a guide; `-- --write FILE`: puts it there, between its markers.
 */
import { parseArgs } from "node:util";
import { type Budget, measureBudget, overruns, readLimits, targets, totalOf } from "./budget.js";
import { markdownOf, markdownTable, textOf, textTable, writeTable } from "./budget-table.js";
import { measureFit } from "./firmware-fit.js";
import { buildHost, MissingCompiler } from "./build.js";
import { measureTLSBudget, readTLSLimits, tlsOverruns, tlsRows, tlsTargets, totalOfXS } from "./tls-budget.js";

const explanation = `Bytes, 32-bit XS, built-ins and preloaded modules in flash. Used at the end of a step / the smallest hard cap with
which the firmware comes through it. XS total: the three caps together. Target: a client without a session, by the same method.
C stack: the deepest point, painted; of the desktop's compiler. Telemetry: the smallest --static with which examples/plain-telemetry comes
through a wake, and the smallest stack.`;

const tlsExplanation = `Mutual TLS on P-256, both sides with an issuing authority, against OpenSSL; native: bytes of TLS and cryptography, beyond those of the
credentials. Target of the C stack: TLS and XS together. "TLS 1.2 alone": with a library that has no TLS 1.3.`;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: { json: { type: "boolean" }, markdown: { type: "boolean" }, write: { type: "string" } },
  });
  try {
    await buildHost({ bits: 32, sanitize: false });
    await buildHost({ bits: 32, sanitize: false, tls12: true });
  } catch (error) {
    if (!(error instanceof MissingCompiler)) throw error;
    const mustRun = process.env["SEALWIRE_NO_SKIP"] === "1";
    console.error(`${mustRun ? "" : "Skipped: "}${error.message}`);
    return mustRun ? 1 : 0;
  }
  const budget: Budget = { steps: await measureBudget(), fit: await measureFit() };
  const limits = readLimits();
  const tls = await measureTLSBudget();
  const tlsLimits = readTLSLimits();
  const rows = tlsRows(tls, tlsLimits, tlsTargets);
  if (values.json)
    console.log(
      JSON.stringify({
        unit: "bytes",
        steps: budget.steps.map((step) => ({ ...step, total: totalOf(step) })),
        telemetry: budget.fit,
        tls: tls.map((step) => ({ ...step, total: totalOfXS(step) })),
        limits: { ...limits, TLS: tlsLimits },
        targets: { ...targets, TLS: tlsTargets },
      }),
    );
  else if (values.markdown) console.log(`${markdownTable(budget, limits, targets)}\n\n${markdownOf(rows)}`);
  else console.log([explanation, textTable(budget, limits, targets), tlsExplanation, textOf(rows)].join("\n\n"));
  if (values.write !== undefined) writeTable(values.write, markdownTable(budget, limits, targets));
  const faults = [...overruns(budget, limits), ...tlsOverruns(tls, tlsLimits)];
  for (const fault of faults) console.error(fault);
  return faults.length === 0 ? 0 : 1;
}

process.exitCode = await main();
