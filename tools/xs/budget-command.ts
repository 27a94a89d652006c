/** `npm run budget`: measures, prints a table (`-- --json`: the figures), and fails when a step exceeds `test/budget.json`. */
import { buildHost, MissingCompiler } from "./build.js";
import { measureBudget, overruns, peakOf, readLimits, type Step } from "./budget.js";

const json = process.argv.includes("--json");

function table(steps: readonly Step[]): string {
  const limits = readLimits();
  const rows = [
    ["step", "chunks", "slots", "stack", "XS total", "budget", "native stack"],
    ...steps.map((step) => [
      step.step,
      ...[step.chunks, step.slots, step.stack].map(({ now, peak }) => `${now} / ${peak}`),
      String(peakOf(step)),
      String(limits[step.step] ?? "none"),
      String(step.native.peak),
    ]),
  ];
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows
    .map((row) => row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join("  "))
    .join("\n");
}

async function main(): Promise<number> {
  try {
    await buildHost({ bits: 32, sanitize: false });
  } catch (error) {
    if (!(error instanceof MissingCompiler)) throw error;
    const mustRun = process.env["SEALWIRE_NO_SKIP"] === "1";
    console.error(`${mustRun ? "" : "Skipped: "}${error.message}`);
    return mustRun ? 1 : 0;
  }
  const steps = await measureBudget();
  if (json) console.log(JSON.stringify({ unit: "bytes", steps, limits: readLimits() }));
  else console.log(`Bytes at the end of each step / at its peak, 32-bit XS, a heap of 65,536 bytes\n\n${table(steps)}`);
  const faults = overruns(steps, readLimits());
  for (const fault of faults) console.error(fault);
  return faults.length === 0 ? 0 : 1;
}

process.exitCode = await main();
