/** The memory that a durable session over plain TCP needs on 32-bit XS, step by step, and what it may need. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { BudgetBench, type BenchRun, type Figure, type Measured } from "./budget-bench.js";
import { chipHeap, type Fit } from "./firmware-fit.js";
import { root } from "./paths.js";
import { smallestCaps } from "./smallest-caps.js";

/**
 * One step. `now` is what is used at its end, without garbage. `peak` of chunks, slots and stack is the smallest hard cap with which
 * the firmware still comes through this step and those before it, the other two areas being roomy. Of the last step, `idle`, which
 * needs less than those before it, it is the peak that was seen in a roomy heap.
 */
export type Step = Measured;

/** The three areas of the engine's heap together, each at its cap. */
export const totalOf = ({ chunks, slots, stack }: Step): number => chunks.peak + slots.peak + stack.peak;

const slotBytes = 16;
/** A heap in which nothing is short; and the stack of the Moddable SDK for an ESP32-S3 or C6. */
const roomy = ["--static", "65536", "--stack", "512"];

const areas = [
  { area: "chunks", option: "--chunks", unit: 1, resolution: 8 },
  { area: "slots", option: "--slots", unit: slotBytes, resolution: 1 },
  { area: "stack", option: "--stack", unit: slotBytes, resolution: 1 },
] as const;

export interface BudgetOptions {
  /** Bytes that the firmware wastes, for a deliberate overrun. */
  readonly waste?: number;
  /** How exact the caps are, as a multiple of 8 bytes of chunks and of one slot: 1 when left out. */
  readonly coarseness?: number;
}

/** @throws Error when the firmware does not come to its end */
export async function measureBudget(options: BudgetOptions = {}): Promise<Step[]> {
  const { coarseness = 1, ...firmware } = options;
  const bench = await BudgetBench.open();
  try {
    const run = await complete(bench.run({ heap: roomy, ...firmware }));
    const caps = await Promise.all(
      areas.map(async ({ area, option, unit, resolution }) => {
        // Needs never fall from step to step: each run begins with the first.
        let most = 0;
        const enough = run.steps.map((step) => (most = Math.max(most, Math.ceil(step[area].peak / unit) + 16)));
        const found = await smallestCaps({
          enough,
          tooSmall: 0,
          resolution: resolution * coarseness,
          attempt: async (cap) => (await bench.run({ heap: [option, String(cap)], ...firmware })).steps.length,
        });
        return found;
      }),
    );
    // The caps were found one by one. With all three the garbage is collected at other moments: a little more may be needed.
    const margins = await together(
      bench,
      caps.map((found) => found.at(-2)!),
      firmware,
    );
    return run.steps.map((step, i): Step => {
      if (step.step === "idle") return step;
      const [chunks, slots, stack] = areas.map(({ area, unit, resolution }, j): Figure => ({
        now: step[area].now,
        // Boot and loading leave no garbage that could be collected later.
        peak: (caps[j]![i]! + (i < 2 ? 0 : margins[j]! * resolution)) * unit,
      })) as [Figure, Figure, Figure];
      return { ...step, chunks, slots, stack };
    });
  } finally {
    await bench.close();
  }
}

/**
 * @returns what must be added to the caps, each in its resolution, so that the firmware comes to its end with all three. Which moments
 * the collector finds decides about chunks and slots only.
 */
async function together(bench: BudgetBench, caps: readonly number[], firmware: BudgetOptions): Promise<number[]> {
  for (let heapMargin = 0, stackMargin = 0; ;) {
    const margins = [heapMargin, heapMargin, stackMargin];
    const heap = areas.flatMap(({ option, resolution }, i) => [option, String(caps[i]! + margins[i]! * resolution)]);
    const run = await bench.run({ heap, ...firmware });
    if (run.complete) return margins;
    if (heapMargin + stackMargin > 64) throw new Error(`The firmware did not come to its end: ${run.report}`);
    if (run.report.includes("STACK_OVERFLOW")) stackMargin++;
    else heapMargin++;
  }
}

async function complete(running: Promise<BenchRun>): Promise<BenchRun> {
  const run = await running;
  if (!run.complete) throw new Error(`The firmware did not come to its end: ${run.report}`);
  return run;
}

/** What was measured; the firmware as a whole where it was. */
export interface Budget {
  readonly steps: readonly Step[];
  readonly fit?: Fit;
}

export const addedByStreaming = "added by receiving 1 MB";
export const wholeFirmware = "telemetry, whole heap";

/** The total of each step, what streaming adds to the peak of the step before it, and the smallest heap of the telemetry firmware. */
export function totals({ steps, fit }: Budget): Record<string, number> {
  const all: Record<string, number> = Object.fromEntries(steps.map((step) => [step.step, totalOf(step)]));
  const [before, streaming] = [all["publish QoS 1, durable"], all["receive 1 MB"]];
  if (before !== undefined && streaming !== undefined) all[addedByStreaming] = streaming - before;
  if (fit) all[wholeFirmware] = fit.heap;
  return all;
}

/** For each of {@link totals} the largest that is allowed, in bytes. */
export type Limits = Readonly<Record<string, number>>;

export function readLimits(): Limits {
  const limits = JSON.parse(readFileSync(join(root, "test", "budget.json"), "utf8")) as Record<string, unknown>;
  // Those of TLS are in tls-budget.ts, those of a whole firmware in chip-profile.ts.
  return Object.fromEntries(Object.entries(limits).filter(([, limit]) => typeof limit === "number")) as Limits;
}

/** What an ECMA-419 MQTT client without a session needs: 760 bytes of chunks, 376 slots, 2480 bytes of stack. */
const client = 9256;

/** What is to be reached. Ours, with a durable session, shall need no more than that client. */
export const targets: Limits = {
  "plain connect": client,
  subscribed: client,
  "publish QoS 1, durable": client,
  [addedByStreaming]: 2048,
  [wholeFirmware]: chipHeap / 2,
};

/** @returns a sentence for each figure that is larger than it may be, or that one side does not know */
export function overruns(budget: Budget, limits: Limits): string[] {
  const measured = totals(budget);
  const unknown = Object.keys(limits).filter((name) => !Object.hasOwn(measured, name));
  return [
    ...unknown.map((name) => `The step "${name}" of the budget was not measured.`),
    ...Object.entries(measured).flatMap(([name, total]) => {
      const limit = limits[name];
      if (limit === undefined) return [`The step "${name}" has no budget.`];
      return total > limit ? [`The step "${name}" needs ${total} bytes; its budget is ${limit}.`] : [];
    }),
  ];
}
