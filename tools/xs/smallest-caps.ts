/** Finds the smallest cap with which each of several steps still succeeds: one binary search for all of them together. */

export interface CapSearch {
  /** For each step, a cap that is enough. Steps follow each other: a later one is never reached without those before it. */
  readonly enough: readonly number[];
  /** A cap that is too small for the first step. */
  readonly tooSmall: number;
  /** The answer may be larger than the truth by less than this. */
  readonly resolution: number;
  /** Tries a cap. @returns the number of steps that were reached */
  readonly attempt: (cap: number) => Promise<number>;
}

/** @returns for each step the smallest cap that was seen to be enough */
export async function smallestCaps({ enough, tooSmall, resolution, attempt }: CapSearch): Promise<number[]> {
  const high = [...enough];
  const low = enough.map(() => tooSmall);
  for (;;) {
    let widest = 0;
    for (let i = 1; i < high.length; i++) if (high[i]! - low[i]! > high[widest]! - low[widest]!) widest = i;
    const gap = high[widest]! - low[widest]!;
    if (gap <= resolution) return high;
    const cap = low[widest]! + Math.max(1, Math.floor(gap / 2 / resolution)) * resolution;
    const reached = await attempt(cap);
    for (let i = 0; i < high.length; i++)
      if (i < reached) high[i] = Math.min(high[i]!, cap);
      else low[i] = Math.max(low[i]!, cap);
    // What is enough for a step is enough for those before it; an unlucky run must not leave a gap that closes the wrong way.
    for (let i = 0; i < high.length; i++) low[i] = Math.min(low[i]!, high[i]!);
  }
}
