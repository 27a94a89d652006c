/** `npm run bench:fleet`: how a fleet of devices comes back to a broker that was away. */
import { Command } from "commander";
import { positive } from "../../tools/positive.js";
import { simulateFleet } from "../../test/support/fleet.js";

interface Options {
  readonly devices: number;
  readonly seeds: number;
  readonly json: boolean;
}

interface FleetCase {
  /** Seconds for which the broker is away. */
  readonly outage: number;
  readonly away: "refuses" | "is silent";
  /** Over all seeds: the most attempts within any second, as a share of the fleet. */
  readonly worstSecond: number;
  /** The same, on average over the seeds. */
  readonly meanWorstSecond: number;
  /** Attempts per device, the successful one included. */
  readonly attemptsPerDevice: number;
  /** Seconds from the broker's return to the last device's connection, over all seeds. */
  readonly recovered: number;
  /** Attempts per second since the loss, on average over the seeds, in steps of 10 s. */
  readonly histogram: readonly number[];
}

function measure(outage: number, away: FleetCase["away"], { devices, seeds }: Options): FleetCase {
  let worst = 0;
  let sum = 0;
  let attempts = 0;
  let recovered = 0;
  const histogram: number[] = [];
  for (let seed = 1; seed <= seeds; seed++) {
    const result = simulateFleet({ devices, outage: outage * 1000, seed, away });
    worst = Math.max(worst, result.worstSecond);
    sum += result.worstSecond;
    attempts += result.attempts.length;
    recovered = Math.max(recovered, result.recovered);
    for (const time of result.attempts) {
      const step = Math.floor(time / 10_000);
      histogram[step] = (histogram[step] ?? 0) + 1 / (10 * seeds);
    }
  }
  return {
    outage,
    away,
    worstSecond: worst / devices,
    meanWorstSecond: sum / seeds / devices,
    attemptsPerDevice: attempts / seeds / devices,
    recovered: recovered / 1000,
    histogram: Array.from({ length: histogram.length }, (_, i) => Math.round((histogram[i] ?? 0) * 10) / 10),
  };
}

function table(cases: readonly FleetCase[]): string {
  const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;
  const lines = [
    "broker away  and it     worst second  mean worst  attempts/device  all back after",
    "-----------  ---------  ------------  ----------  ---------------  --------------",
  ];
  for (const each of cases)
    lines.push(
      [
        `${each.outage} s`.padStart(11),
        each.away.padEnd(9),
        percent(each.worstSecond).padStart(12),
        percent(each.meanWorstSecond).padStart(10),
        each.attemptsPerDevice.toFixed(2).padStart(15),
        `${each.recovered.toFixed(0)} s`.padStart(14),
      ].join("  "),
    );
  return lines.join("\n");
}

function chart({ outage, away, histogram }: FleetCase): string {
  const lines = [`Attempts per second, broker away for ${outage} s, it ${away}:`];
  histogram.slice(0, 24).forEach((rate, i) => {
    lines.push(`${String(i * 10).padStart(5)} s ${"#".repeat(Math.round(rate)).padEnd(24)} ${rate.toFixed(1)}`);
  });
  return lines.join("\n");
}

function bench(options: Options): void {
  const cases = [0, 1, 10, 60, 300, 600].flatMap((outage) =>
    (["refuses", "is silent"] as const).map((away) => measure(outage, away, options)),
  );
  const { devices, seeds } = options;
  if (options.json) {
    process.stdout.write(`${JSON.stringify({ devices, seeds, cases })}\n`);
    return;
  }
  const sixty = cases.find(({ outage, away }) => outage === 60 && away === "refuses")!;
  process.stdout.write(`${devices} devices, ${seeds} seeds\n\n${table(cases)}\n\n${chart(sixty)}\n`);
}

await new Command("bench:fleet")
  .description("How a fleet of devices comes back to a broker that was away: the real link on simulated time.")
  .option("--devices <n>", "devices of the fleet", positive, 1000)
  .option("--seeds <n>", "runs of each case, each with randomness of its own", positive, 20)
  .option("--json", "one JSON object instead of a table", false)
  .action(bench)
  .parseAsync();
