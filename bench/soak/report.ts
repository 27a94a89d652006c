/** What a soak found, and what of it must not be. */
import type { Fault } from "./faults.js";
import { flatness, type Flatness } from "./flatness.js";
import type { SoakRun } from "./soak.js";
import type { StorageWear } from "./storage-wear.js";

/** Bytes per wake that the heap's slope must be below, with 95 %. A wake that is forgotten, with what it holds, has thousands. */
export const SLOPE_LIMIT = 100;

/**
 * Writes to flash that a wake without a full handshake may cost on average: sequence numbers of sealed payloads are reserved in blocks, and a session that came
 * with the handshake of the wake before may be kept in this one.
 */
const WRITES_OF_RESUMED_WAKE = 0.05;

export interface SoakReport {
  readonly days: number;
  readonly wakes: number;
  readonly seconds: number;
  readonly published: number;
  /** In the wake that published them; the others went out with a later one. */
  readonly acknowledged: number;
  readonly putOff: number;
  readonly lost: number;
  readonly repeated: number;
  readonly resumed: number;
  readonly full: number;
  readonly steady: SoakRun["steady"];
  readonly faults: Readonly<Partial<Record<Fault, number>>>;
  readonly heap: Flatness & { readonly first: number; readonly last: number; readonly bytes: readonly number[] };
  readonly storage: StorageWear & { readonly writesPerWake: number; readonly writesPerDay: number };
  /** None when all is well. */
  readonly violations: readonly string[];
}

export function reportOf(
  run: SoakRun,
  { wakes, days, seconds }: { readonly wakes: number; readonly days: number; readonly seconds: number },
): SoakReport {
  const slope = flatness(run.samples);
  const bytes = run.samples.map((sample) => sample.bytes);
  const { wear } = run;
  const violations: string[] = [];
  // So that what is no number is no flat heap.
  if (!(slope.highest <= SLOPE_LIMIT))
    violations.push(
      `The heap is not shown to be flat: it grows by ${slope.slope.toFixed(1)} bytes a wake (${slope.lowest.toFixed(1)} to ${slope.highest.toFixed(1)}, limit ${SLOPE_LIMIT}).`,
    );
  if (run.lost > 0) violations.push(`${run.lost} readings were lost.`);
  if (run.repeated > 0) violations.push(`${run.repeated} readings with QoS 2 came twice.`);
  const { wakes: quiet, writes } = wear.byWake.resumed;
  if (writes > quiet * WRITES_OF_RESUMED_WAKE)
    violations.push(
      `${quiet} wakes that resumed wrote ${writes} times to flash; ${WRITES_OF_RESUMED_WAKE} each are allowed on average.`,
    );
  for (const error of new Set(run.errors)) violations.push(`A failure that nobody caused: ${error}`);
  const round = (value: number): number => Math.round(value * 1000) / 1000;
  return {
    days,
    wakes,
    seconds,
    published: run.published,
    acknowledged: run.acknowledged,
    putOff: run.putOff,
    lost: run.lost,
    repeated: run.repeated,
    resumed: run.resumed,
    full: run.full,
    steady: run.steady,
    faults: run.faults,
    heap: { ...slope, first: bytes[0]!, last: bytes.at(-1)!, bytes },
    storage: { ...wear, writesPerWake: round(wear.writes / wakes), writesPerDay: round(wear.writes / days) },
    violations,
  };
}

export function tableOf(report: SoakReport): string {
  const { heap, storage, steady } = report;
  const kb = (bytes: number): string => `${(bytes / 1024).toFixed(0)} KB`;
  return [
    `${report.days} days, ${report.wakes} wakes, in ${report.seconds} s; faults: ${Object.entries(report.faults)
      .map(([fault, times]) => `${fault} ${times}`)
      .join(", ")}`,
    `Published ${report.published}, acknowledged in their wake ${report.acknowledged}, put off ${report.putOff}, lost ${report.lost}, QoS 2 twice ${report.repeated}`,
    `Connects: ${report.resumed} resumed, ${report.full} full`,
    `The device beside it that stays up: ${steady.published} published, ${steady.resumed + steady.full} connects`,
    `Heap: ${kb(heap.first)} at the first sample, ${kb(heap.last)} at the last; ${heap.slope.toFixed(1)} bytes a wake (95 %: ${heap.lowest.toFixed(1)} to ${heap.highest.toFixed(1)}, ${heap.samples} samples)`,
    `Flash: ${storage.writes} writes and deletions, ${storage.writesPerWake} a wake, ${storage.writesPerDay} a day`,
    "",
    "wakes            number  writes  most in one",
    "---------------  ------  ------  -----------",
    ...Object.entries(storage.byWake).map(([kind, { wakes, writes, most }]) =>
      [kind.padEnd(15), String(wakes).padStart(6), String(writes).padStart(6), String(most).padStart(11)].join("  "),
    ),
    "",
    "key       writes  a day",
    "--------  ------  -----",
    ...Object.entries(storage.byKey)
      .sort(([, a], [, b]) => b - a)
      .map(([key, times]) =>
        [key.padEnd(8), String(times).padStart(6), (times / report.days).toFixed(2).padStart(5)].join("  "),
      ),
    "",
    ...(report.violations.length === 0 ? ["All is well."] : report.violations),
  ].join("\n");
}
