/** Runs a case for all that are compared, in turns, so that what else the machine does hits all of them. */
import { type Spread, round, spreadOf } from "../statistics.js";
import type { Case } from "./cases.js";
import { run, type RunOptions, type RunResult } from "./run.js";
import type { ContestantName } from "./worker-protocol.js";

export interface CompareOptions {
  readonly port: number;
  readonly messages: number;
  readonly warmup: number;
  readonly runs: number;
  /** Options of Node for our process. */
  readonly nodeOptions: readonly string[];
  readonly onProgress: (text: string) => void;
}

/** Rates are messages per second, processor times microseconds per message; medians. */
export interface CaseResult {
  readonly name: string;
  readonly ours: number;
  readonly theirs: number;
  readonly bare: number;
  /** ours / theirs */
  readonly ratio: number;
  /** ours / bare */
  readonly ofBare: number;
  readonly oursCPU: number;
  readonly theirsCPU: number;
  readonly bareCPU: number;
  /** oursCPU / theirsCPU */
  readonly cpuRatio: number;
  /** The window with which MQTT.js was fastest. */
  readonly theirsWindow: number;
  /** Lowest and highest rate of the runs. */
  readonly spread: Readonly<Record<ContestantName, readonly [number, number]>>;
  /** Messages that were checked at the receiver, those of all runs and columns together. */
  readonly verified: number;
  /** What is to be reached; empty when the case is not judged. */
  readonly targets: Case["targets"];
}

interface Column {
  readonly contestant: ContestantName;
  readonly window: number;
  readonly results: RunResult[];
}

export async function compare(subject: Case, options: CompareOptions): Promise<CaseResult> {
  const columns: Column[] = [
    { contestant: "ours", window: subject.window, results: [] },
    { contestant: "bare", window: subject.window, results: [] },
    ...subject.theirWindows.map((window): Column => ({ contestant: "theirs", window, results: [] })),
  ];
  for (let i = 0; i < options.runs; i++)
    for (let j = 0; j < columns.length; j++) {
      const { contestant, window, results } = columns[(i + j) % columns.length]!;
      options.onProgress(`${subject.name}: run ${i + 1} of ${options.runs}, ${contestant}`);
      results.push(await run(runOptions(subject, options, contestant, window)));
    }
  const [ours, bare, ...theirs] = columns.map(summary);
  const best = theirs.reduce((a, b) => (b.rate.median > a.rate.median ? b : a));
  return {
    name: subject.name,
    ours: round(ours!.rate.median),
    theirs: round(best.rate.median),
    bare: round(bare!.rate.median),
    ratio: round(ours!.rate.median / best.rate.median, 2),
    ofBare: round(ours!.rate.median / bare!.rate.median, 2),
    oursCPU: round(ours!.cpu.median, 1),
    theirsCPU: round(best.cpu.median, 1),
    bareCPU: round(bare!.cpu.median, 1),
    cpuRatio: round(ours!.cpu.median / best.cpu.median, 2),
    theirsWindow: best.window,
    spread: { ours: ends(ours!.rate), theirs: ends(best.rate), bare: ends(bare!.rate) },
    verified: options.runs * columns.length * options.messages,
    targets: subject.targets,
  };
}

function runOptions(
  { direction, qos }: Case,
  { port, messages, warmup, nodeOptions }: CompareOptions,
  contestant: ContestantName,
  window: number,
): RunOptions {
  const own = contestant === "ours" ? { nodeOptions } : {};
  return { port, direction, contestant, qos, window, messages, warmup, ...own };
}

function summary({ window, results }: Column): { window: number; rate: Spread; cpu: Spread } {
  return {
    window,
    rate: spreadOf(results.map(({ rate }) => rate)),
    cpu: spreadOf(results.map(({ cpu }) => cpu)),
  };
}

function ends({ lowest, highest }: Spread): [number, number] {
  return [round(lowest), round(highest)];
}
