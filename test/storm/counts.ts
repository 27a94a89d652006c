/** What a leg of the storm did, and what it found. */
export interface Counts {
  readonly leg: string;
  /** Messages that had to arrive. */
  readonly messages: number;
  /** Of them, those that did not. */
  lost: number;
  /** Arrivals beyond the first. */
  repeats: number;
  /** Of them, those that must not be: any with QoS 2 or a ledger, unmarked ones, more than one for a crash inside a callback. */
  wrongRepeats: number;
  /** Arrivals before one that was published earlier. */
  outOfOrder: number;
  /** Connections that were cut. */
  cuts: number;
  /** Times that the device lost its state in memory, by where it happened. */
  readonly crashes: Record<string, number>;
}

/** Compares what arrived with what was expected: a list of numbers that grows. */
export function compare(counts: Counts, expected: readonly number[], arrived: readonly number[]): Set<number> {
  const seen = new Set<number>();
  const wanted = new Set(expected);
  let last = -1;
  for (const number of arrived) {
    if (seen.has(number)) {
      counts.repeats++;
      continue;
    }
    if (number < last) counts.outOfOrder++;
    last = Math.max(last, number);
    seen.add(number);
    // What nobody sent must not arrive.
    if (!wanted.has(number)) counts.wrongRepeats++;
  }
  for (const number of expected) if (!seen.has(number)) counts.lost++;
  return seen;
}

export function isSound({ lost, wrongRepeats, outOfOrder }: Counts): boolean {
  return lost === 0 && wrongRepeats === 0 && outOfOrder === 0;
}

export function emptyCounts(leg: string, messages: number): Counts {
  return { leg, messages, lost: 0, repeats: 0, wrongRepeats: 0, outOfOrder: 0, cuts: 0, crashes: {} };
}
