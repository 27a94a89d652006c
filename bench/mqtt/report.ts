/** The results, for people. */
import type { CaseResult } from "./compare.js";
import type { Targets } from "./cases.js";
import type { DurabilityResult } from "./durability.js";
import type { HeapResult } from "./heap.js";

export interface BenchResult {
  readonly node: string;
  readonly broker: string;
  readonly theirs: string;
  readonly processors: number;
  /** Load average of the last minute, before and after: a busy machine measures badly. */
  readonly load: readonly [number, number];
  readonly messages: number;
  readonly payloadLength: number;
  readonly runs: number;
  readonly cases: readonly CaseResult[];
  readonly durability: readonly DurabilityResult[];
  readonly heap: HeapResult | undefined;
  /** Heap per idle connection, ours / theirs. */
  readonly heapRatio: number | undefined;
}

export function report(result: BenchResult, heapTarget: number): string {
  const { node, broker, theirs, processors, load, messages, payloadLength, runs, cases, durability, heap } = result;
  const lines = [
    `Node ${node}, ${broker}, ${theirs}, ${processors} processors, load ${load.map((value) => value.toFixed(1)).join(" to ")}`,
    `${messages} messages of ${payloadLength} bytes; medians of ${runs} alternating runs, lowest and highest in brackets`,
    "",
    ...table([
      ["messages per second", "ours", "MQTT.js", "bare", "ratio", "of bare", "reached"],
      ...cases.map((each) => [
        each.name,
        withSpread(each.ours, each.spread.ours),
        `${withSpread(each.theirs, each.spread.theirs)} w${each.theirsWindow}`,
        withSpread(each.bare, each.spread.bare),
        each.ratio.toFixed(2),
        each.ofBare.toFixed(2),
        reached(each),
      ]),
    ]),
    "",
    ...table([
      ["processor time, µs per message", "ours", "MQTT.js", "bare", "ratio"],
      ...cases.map((each) => [
        each.name,
        each.oursCPU.toFixed(1),
        each.theirsCPU.toFixed(1),
        each.bareCPU.toFixed(1),
        each.cpuRatio.toFixed(2),
      ]),
    ]),
  ];
  if (durability.length > 0)
    lines.push(
      "",
      ...table([
        ["what survives (ours)", "messages", "per second", "µs per message"],
        ...durability.map((row) => [row.name, String(row.messages), String(row.rate), row.cpu.toFixed(1)]),
      ]),
    );
  if (heap)
    lines.push(
      "",
      ...table([
        [`heap, bytes per idle connection (${heap.connections})`, "ours", "MQTT.js", "bare", "ratio", "reached"],
        [
          "heap and array buffers",
          String(heap.ours),
          String(heap.theirs),
          String(heap.bare),
          heap.ratio.toFixed(2),
          verdict("ratio", heap.ratio <= heapTarget, `≤ ${heapTarget.toFixed(2)}`),
        ],
      ]),
    );
  const verified = cases.reduce((sum, each) => sum + each.verified, 0);
  lines.push(
    "",
    `Verified at the receiver: ${verified} messages of all columns, each of its length, in order, exactly once, every byte right.`,
  );
  return lines.join("\n");
}

function withSpread(median: number, [lowest, highest]: readonly [number, number]): string {
  return `${median} [${lowest}, ${highest}]`;
}

function reached({ targets, ratio, ofBare, cpuRatio }: CaseResult): string {
  const { ratio: wanted, ofBare: share, cpuRatio: cpu }: Targets = targets;
  const verdicts = [
    ...(wanted === undefined ? [] : [verdict("ratio", ratio >= wanted, `≥ ${wanted}`)]),
    ...(share === undefined ? [] : [verdict("of bare", ofBare >= share, `≥ ${share}`)]),
    ...(cpu === undefined ? [] : [verdict("µs", cpuRatio <= cpu, `≤ ${cpu}`)]),
  ];
  return verdicts.length === 0 ? "not judged" : verdicts.join(", ");
}

function verdict(name: string, yes: boolean, target: string): string {
  return `${name} ${target} ${yes ? "yes" : "no"}`;
}

/** The first column to the left, the others to the right. */
function table(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? "").length)));
  return rows.map((row) =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)))
      .join("  ")
      .trimEnd(),
  );
}
