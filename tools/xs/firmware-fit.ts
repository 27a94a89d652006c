/** How small a heap the telemetry firmware, without TLS, comes through a wake with. */
import { BudgetBench } from "./budget-bench.js";
import { smallestCaps } from "./smallest-caps.js";

/** Bytes. */
export interface Fit {
  /** The smallest stack. */
  readonly stack: number;
  /** The smallest `--static`, with that stack: chunks, slots and stack in one block, grown in steps as on a chip. */
  readonly heap: number;
}

const slotBytes = 16;
/** What the Moddable SDK gives an ESP8266. */
export const chipHeap = 32_768;

/** @throws Error when it does not come through with 64 KB either */
export async function measureFit(): Promise<Fit> {
  const bench = await BudgetBench.open();
  try {
    const attempt = async (heap: string[]): Promise<number> => Number(await bench.telemetry(heap));
    if ((await attempt(["--static", "65536", "--stack", "1024"])) === 0)
      throw new Error("The telemetry firmware does not come through a wake with 64 KB.");
    const [stack] = await smallestCaps({
      enough: [1024],
      tooSmall: 0,
      resolution: 1,
      attempt: (cap) => attempt(["--stack", String(cap)]),
    });
    const [heap] = await smallestCaps({
      enough: [65_536],
      tooSmall: 0,
      resolution: 64,
      attempt: (cap) => attempt(["--static", String(cap), "--stack", String(stack)]),
    });
    return { stack: stack! * slotBytes, heap: heap! };
  } finally {
    await bench.close();
  }
}
