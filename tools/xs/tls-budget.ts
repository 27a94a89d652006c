/** The memory that mutual TLS needs on 32-bit XS, step by step, and what it may need. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { TLSVersion } from "../../src/platform.js";
import type { BenchRun, Figure } from "./budget-bench.js";
import { esp8266 } from "./chips.js";
import { root } from "./paths.js";
import { smallestCaps } from "./smallest-caps.js";
import { type TLSBenchOptions, TLSBudgetBench } from "./tls-budget-bench.js";

/** One step of one setting. Bytes. */
export interface TLSStep {
  /** Such as `TLS 1.2 full`. */
  readonly step: string;
  /** Of XS: used at the end, without garbage / the smallest hard cap with which the firmware comes through all steps up to this one. */
  readonly chunks?: Figure;
  readonly slots?: Figure;
  readonly stack?: Figure;
  /** Native memory of TLS and cryptography, beyond what was there before the first connection. */
  readonly library: Figure;
  /** The C stack at its deepest, of the whole thread: XS included. */
  readonly cStack: number;
  /** Of that, what the native functions of TLS take below the engine's frames. */
  readonly tlsStack: number;
  /** Whether the firmware came to its end, which is not before this step, with XS and native memory capped at what an ESP8266 has for both. */
  readonly fits?: boolean;
}

/** What a step may need: XS in all, native memory (at the peak; of an open connection, now), C stack of the thread and of TLS. */
export interface TLSLimit {
  readonly xs?: number;
  readonly native: number;
  readonly cStack?: number;
  readonly tlsStack?: number;
}
export type TLSLimits = Readonly<Record<string, TLSLimit>>;

const kilobyte = 1024;

/** Of a connection with TLS 1.2; 1.3 is reported apart. */
export const tlsTargets: TLSLimits = Object.fromEntries(
  [
    ["full", 16.5],
    ["open", 7],
    ["resumed", 12],
  ].flatMap(([step, native]) =>
    ["TLS 1.2", "TLS 1.2 alone"].map((setting) => [
      `${setting} ${step}`,
      { xs: 10.5 * kilobyte, native: (native as number) * kilobyte, tlsStack: 8 * kilobyte },
    ]),
  ),
);

/** What was measured when the targets were set. */
export const tlsStart: TLSLimits = {
  "TLS 1.2 full": { xs: 20_720, native: 16_225 },
  "TLS 1.2 open": { xs: 20_720, native: 7_132 },
  "TLS 1.2 resumed": { xs: 23_136, native: 13_269 },
  "TLS 1.2 alone full": { native: 13_019 },
  "TLS 1.2 alone open": { native: 6_814 },
  "TLS 1.2 alone resumed": { native: 12_191 },
};

interface Setting extends TLSBenchOptions {
  readonly name: string;
  /** Native figures only: those of XS do not depend on the library. */
  readonly nativeOnly?: boolean;
}

const setting = (version: TLSVersion, mqtt: boolean): Setting => ({
  name: `${mqtt ? "MQTT over " : ""}${version.replace("v", " ")}`,
  protocol: version,
  mqtt,
});

const settings: readonly Setting[] = [
  { ...setting("TLSv1.2", false), name: "TLS 1.2 alone", tls12: true, nativeOnly: true },
  setting("TLSv1.2", false),
  setting("TLSv1.3", false),
  setting("TLSv1.2", true),
];

const slotBytes = 16;
/** A heap in which nothing is short. */
const roomy = ["--static", "131072", "--stack", "1024"];
const areas = [
  { area: "chunks", option: "--chunks", unit: 1, resolution: 16 },
  { area: "slots", option: "--slots", unit: slotBytes, resolution: 1 },
  { area: "stack", option: "--stack", unit: slotBytes, resolution: 1 },
] as const;

/** @throws Error when the firmware does not come to its end */
export async function measureTLSBudget(): Promise<TLSStep[]> {
  const steps: TLSStep[] = [];
  for (const each of settings) steps.push(...(await measureSetting(each)));
  return steps;
}

async function measureSetting({ name, nativeOnly = false, ...options }: Setting): Promise<TLSStep[]> {
  const bench = await TLSBudgetBench.open(options);
  try {
    const run = await bench.run(roomy);
    if (!run.complete) throw new Error(`${name}: the firmware did not come to its end: ${run.report}`);
    const all = run.steps;
    const first = all.findIndex(({ step }) => step === "TLS full");
    const before = all[first - 1]!.library.now;
    const caps = nativeOnly ? undefined : await capsOf(bench, run);
    const fits = caps && (await fitsBeside(bench, caps));
    return all.slice(first).map(({ step, library, native, tlsStack, ...now }, i): TLSStep => {
      const figures = caps?.map((found, j) => ({ now: now[areas[j]!.area].now, peak: found[first + i]! }));
      return {
        step: `${name}${step.slice("TLS".length)}`,
        ...(figures && { chunks: figures[0]!, slots: figures[1]!, stack: figures[2]! }),
        library: { now: library.now - before, peak: library.peak - before },
        cStack: native.peak,
        tlsStack,
        ...(fits !== undefined && { fits }),
      };
    });
  } finally {
    await bench.close();
  }
}

/** For each area the smallest cap of each step, in bytes; found one by one, then widened until all three together are enough. */
async function capsOf(bench: TLSBudgetBench, run: BenchRun): Promise<number[][]> {
  const caps: number[][] = [];
  for (const { area, option, unit, resolution } of areas) {
    let most = 0;
    const enough = run.steps.map((step) => (most = Math.max(most, Math.ceil(step[area].peak / unit) + 64)));
    const attempt = async (cap: number): Promise<number> => (await bench.run([option, String(cap)])).steps.length;
    caps.push(await smallestCaps({ enough, tooSmall: 0, resolution, attempt }));
  }
  for (let margin = 0; ; margin = margin * 2 || 1) {
    const heap = areas.flatMap(({ option, resolution }, i) => [option, String(caps[i]!.at(-1)! + margin * resolution)]);
    if ((await bench.run(heap)).complete)
      return caps.map((found, i) => found.map((cap) => (cap + margin * areas[i]!.resolution) * areas[i]!.unit));
    if (margin > 64) throw new Error("The firmware did not come to its end with all three caps.");
  }
}

/** Whether it comes to its end with everything capped: XS as found, native memory at what an ESP8266 has beside that. */
async function fitsBeside(bench: TLSBudgetBench, caps: readonly number[][]): Promise<boolean> {
  const last = caps.map((found) => found.at(-1)!);
  const beside = esp8266.bytes - last.reduce((sum, bytes) => sum + bytes, 0);
  const heap = areas.flatMap(({ option, unit }, i) => [option, String(last[i]! / unit)]);
  return beside > 0 && (await bench.run([...heap, "--native", String(beside)])).complete;
}

export function totalOfXS({ chunks, slots, stack }: TLSStep): number | undefined {
  return chunks && slots && stack ? chunks.peak + slots.peak + stack.peak : undefined;
}

/** What is held against the limit: of an open connection what it keeps, of a handshake its peak. */
export function nativeOf({ step, library }: TLSStep): number {
  return step.endsWith(" open") ? library.now : library.peak;
}

export function readTLSLimits(): TLSLimits {
  const { TLS = {} } = JSON.parse(readFileSync(join(root, "test", "budget.json"), "utf8")) as { TLS?: TLSLimits };
  return TLS;
}

/** @returns a sentence for each figure that is larger than it may be, or that one side does not know */
export function tlsOverruns(steps: readonly TLSStep[], limits: TLSLimits): string[] {
  const faults = Object.keys(limits)
    .filter((name) => !steps.some(({ step }) => step === name))
    .map((name) => `The step "${name}" of the budget was not measured.`);
  for (const step of steps) {
    const limit = limits[step.step];
    if (limit === undefined) {
      faults.push(`The step "${step.step}" has no budget.`);
      continue;
    }
    const compare = (what: string, value: number | undefined, most: number | undefined): void => {
      if (value !== undefined && value > (most ?? Infinity))
        faults.push(`The step "${step.step}" needs ${value} bytes of ${what}; its budget is ${most}.`);
    };
    compare("XS memory", totalOfXS(step), limit.xs);
    compare("native memory", nativeOf(step), limit.native);
    compare("C stack", step.cStack, limit.cStack);
    compare("C stack for TLS", step.tlsStack, limit.tlsStack);
  }
  return faults;
}

/** Rows of a table, its head first. */
export function tlsRows(steps: readonly TLSStep[], limits: TLSLimits, targets: TLSLimits): string[][] {
  const figure = (value: number | undefined): string => (value === undefined ? "" : value.toLocaleString("en"));
  const pair = (value: Figure | undefined): string => (value ? `${figure(value.now)} / ${figure(value.peak)}` : "");
  const startAndTarget = (start?: number, target?: number): string[] => [figure(start), figure(target)];
  const head = ["step", "chunks", "slots", "stack", "XS total", "start", "target"];
  return [
    [...head, "native now / peak", "budget", "start", "target", "C stack, TLS", "target", "C stack, thread"],
    ...steps.map((step) => {
      const [limit, target, start] = [limits[step.step], targets[step.step], tlsStart[step.step]];
      return [
        step.step,
        pair(step.chunks),
        pair(step.slots),
        pair(step.stack),
        figure(totalOfXS(step)),
        ...(step.chunks ? startAndTarget(start?.xs, target?.xs) : ["", ""]),
        pair(step.library),
        figure(limit?.native) || "none",
        ...startAndTarget(start?.native, target?.native),
        figure(step.tlsStack || undefined),
        step.tlsStack ? figure(target?.tlsStack) : "",
        figure(step.cStack),
      ];
    }),
  ];
}
