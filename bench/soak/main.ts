/** `npm run soak`: a device that wakes every ten minutes for thirty days, on a clock that is moved, with real TLS, a real broker, and faults. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command, InvalidArgumentError } from "commander";
import { reportOf, tableOf } from "./report.js";
import { runSoak } from "./soak.js";
import { PERIOD } from "./wake.js";

const WAKES_PER_DAY = 86_400_000 / PERIOD;

interface Options {
  readonly days: number;
  readonly leak: number;
  readonly json: boolean;
}

function between(lowest: number, highest: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() !== "" && value >= lowest && value <= highest) return value;
    throw new InvalidArgumentError(`It must be a number from ${lowest} to ${highest}.`);
  };
}

async function run({ days, leak, json }: Options): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "sealwire-soak-"));
  const wakes = Math.round(days * WAKES_PER_DAY);
  const begun = performance.now();
  try {
    const soak = await runSoak({
      wakes,
      leak,
      folder,
      // 50 samples at least after the warm-up, and no more than 200: sampling costs time.
      sampleEvery: Math.max(1, Math.floor(wakes / (days < 5 ? 64 : 180))),
      onProgress: (wake, bytes) => {
        if (process.stderr.isTTY) process.stderr.write(`\r${wake} of ${wakes} wakes, ${bytes} bytes in use `);
      },
    });
    if (process.stderr.isTTY) process.stderr.write("\n");
    const report = reportOf(soak, { wakes, days, seconds: Math.round((performance.now() - begun) / 1000) });
    process.stdout.write(json ? `${JSON.stringify(report)}\n` : `${tableOf(report)}\n`);
    if (report.violations.length > 0) process.exitCode = 1;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

try {
  await new Command("soak")
    .description("Thirty days of a device that wakes every ten minutes, on a clock that is moved.")
    .option("--days <n>", "simulated days", between(0.25, 365), 30)
    .option(
      "--leak <bytes>",
      "bytes that the program keeps of each wake, to see the soak fail",
      between(0, 1_000_000),
      0,
    )
    .option("--json", "one JSON object instead of a table", false)
    .action(run)
    .parseAsync();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
