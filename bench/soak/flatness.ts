/**
 * Whether a heap stays flat: the slope of its samples, as the median of the slopes of all pairs (Theil and Sen), which single outliers do not move, with the
 * interval that holds the true slope with 95 % (Sen 1968).
 */

export interface HeapSample {
  /** Wakes so far. */
  readonly wake: number;
  /** Bytes in use after garbage collection. */
  readonly bytes: number;
}

export interface Flatness {
  /** Samples that were judged: those of the warm-up are left out. */
  readonly samples: number;
  /** Bytes per wake, and the bounds between which it lies with 95 %. */
  readonly slope: number;
  readonly lowest: number;
  readonly highest: number;
}

/** The part of the time in which everything happens for the first time: code is compiled, and tables are made. */
const WARM_UP = 0.35;

/** Samples without which nothing can be said. */
const FEWEST = 20;

/** @throws Error when there are too few samples after the warm-up */
export function flatness(samples: readonly HeapSample[]): Flatness {
  const last = samples.at(-1)?.wake ?? 0;
  const judged = samples.filter(({ wake }) => wake > last * WARM_UP);
  const { length } = judged;
  if (length < FEWEST) throw new Error(`${length} samples of the heap after the warm-up are too few to judge it.`);
  const slopes: number[] = [];
  judged.forEach((one, i) => {
    for (const other of judged.slice(i + 1)) slopes.push((other.bytes - one.bytes) / (other.wake - one.wake));
  });
  slopes.sort((a, b) => a - b);
  const at = (index: number): number => slopes[Math.min(slopes.length - 1, Math.max(0, Math.round(index)))]!;
  // Kendall's statistic of samples without a trend has this variance.
  const reach = 1.96 * Math.sqrt((length * (length - 1) * (2 * length + 5)) / 18);
  return {
    samples: length,
    slope: at((slopes.length - 1) / 2),
    lowest: at((slopes.length - reach) / 2),
    highest: at((slopes.length + reach) / 2),
  };
}
