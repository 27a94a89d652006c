/** Measures the memory of a durable session over plain TCP on the 32-bit XS host, step by step. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Aedes } from "aedes";
import { preloadOptions } from "./manifest.js";
import { root } from "./paths.js";
import { runOnXS } from "./run.js";

/** Bytes at the end of a step, and the peak on the way there. */
export interface Figure {
  readonly now: number;
  readonly peak: number;
}

export interface Step {
  readonly step: string;
  readonly chunks: Figure;
  readonly slots: Figure;
  readonly stack: Figure;
  /** The native C stack: of the desktop's compiler, an indication only. */
  readonly native: Figure;
}

/** The three areas of the engine's heap together, each at its peak. */
export const peakOf = ({ chunks, slots, stack }: Step): number => chunks.peak + slots.peak + stack.peak;

const heapBytes = 65_536;
/** As the Moddable SDK gives an ESP32-S3 or C6; a plain ESP32 has 384, an ESP8266 256. */
const stackSlots = 512;
const payload = 65_536;

/** What the firmware and the broker do together is in `test/xs/firmware/session.ts`. */
export async function measureBudget(wasted = 0): Promise<Step[]> {
  const aedes = await Aedes.createBroker();
  const server = createServer((socket) => void aedes.handle(socket));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const folder = mkdtempSync(join(tmpdir(), "sealwire-budget-"));
  const ready = (packet: { topic: string }, done: () => void): void => {
    done();
    const message = { cmd: "publish", topic: "budget/big", payload: Buffer.alloc(payload, 7), qos: 1 } as const;
    if (packet.topic === "ready") aedes.publish({ ...message, retain: false, dup: false }, () => undefined);
  };
  aedes.subscribe("ready", ready, () => undefined);
  try {
    const { port } = server.address() as { port: number };
    const module = join(root, "dist", "test", "xs", "firmware", "session.js");
    const { exitCode, output, errors } = await runOnXS(module, [join(folder, "device"), String(port), String(wasted)], {
      variant: { bits: 32, sanitize: false },
      host: ["--static", String(heapBytes), "--stack", String(stackSlots), ...preloadOptions()],
      timeout: 30_000,
    });
    if (exitCode !== 0 || !output.includes(`${payload} bytes streamed`))
      throw new Error(`The firmware did not come to its end (exit code ${exitCode}).\n${output}${errors}`);
    return parse(errors);
  } finally {
    await new Promise<void>((resolve) => aedes.close(() => server.close(() => resolve())));
    rmSync(folder, { recursive: true, force: true });
  }
}

type Pair = readonly [now: number, peak: number];
type Line = Record<"chunks" | "slots" | "stack" | "native", Pair> & { readonly step: string };

function parse(text: string): Step[] {
  const figure = ([now, peak]: Pair): Figure => ({ now, peak });
  return text
    .split("\n")
    .filter((line) => line.startsWith("MEASURE "))
    .map((line) => JSON.parse(line.slice("MEASURE ".length)) as Line)
    .map(({ step, chunks, slots, stack, native }) => ({
      step,
      chunks: figure(chunks),
      slots: figure(slots),
      stack: figure(stack),
      native: figure(native),
    }));
}

/** For each step the largest peak that is allowed, in bytes: chunks, slots and stack together. */
export type Limits = Readonly<Record<string, number>>;

export function readLimits(): Limits {
  return JSON.parse(readFileSync(join(root, "test", "budget.json"), "utf8")) as Limits;
}

/** @returns a sentence for each step that costs more than it may, or that one side does not know */
export function overruns(steps: readonly Step[], limits: Limits): string[] {
  const unknown = Object.keys(limits).filter((name) => !steps.some(({ step }) => step === name));
  return [
    ...unknown.map((name) => `The step "${name}" of the budget was not measured.`),
    ...steps.flatMap((step) => {
      const limit = limits[step.step];
      const peak = peakOf(step);
      if (limit === undefined) return [`The step "${step.step}" has no budget.`];
      return peak > limit ? [`The step "${step.step}" needs ${peak} bytes; its budget is ${limit}.`] : [];
    }),
  ];
}
