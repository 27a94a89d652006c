/** Figures of several runs, so that one lucky run proves nothing. */

/** What several runs gave. */
export interface Spread {
  readonly median: number;
  readonly lowest: number;
  readonly highest: number;
}

/** @throws Error when there are no values */
export function spreadOf(values: readonly number[]): Spread {
  if (values.length === 0) throw new Error("A spread needs at least one value.");
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
  return { median, lowest: sorted[0]!, highest: sorted[sorted.length - 1]! };
}

export function round(value: number, digits = 0): number {
  const factor = 10 ** digits;
  return Math.round(value * factor) / factor;
}
