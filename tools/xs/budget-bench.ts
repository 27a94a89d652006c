/** Runs the firmware whose memory is measured, `test/xs/firmware/session.ts`, against a broker in this process. */
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Aedes } from "aedes";
import { preloadOptions } from "./manifest.js";
import { root } from "./paths.js";
import { runOnXS } from "./run.js";

/** Bytes at the end of a step, garbage collected, and the peak on the way there. */
export interface Figure {
  readonly now: number;
  readonly peak: number;
}

/** What the host program says of one step. Peaks of chunks and slots hold garbage: the heap was roomy. */
export interface Measured {
  readonly step: string;
  readonly chunks: Figure;
  readonly slots: Figure;
  readonly stack: Figure;
  /** The native C stack: of the desktop's compiler, an indication only. */
  readonly native: Figure;
  /** The deepest point of a native function of TLS, from where the engine calls it: a part of `native`. */
  readonly tlsStack: number;
  /** Native memory of TLS and cryptography. */
  readonly library: Figure;
}

export interface BenchOptions {
  /** Options of the host program that size the heap. */
  readonly heap: readonly string[];
  /** Bytes that the firmware wastes. */
  readonly waste?: number;
}

export interface BenchRun {
  /** The steps that the firmware came through. */
  readonly steps: readonly Measured[];
  /** Whether it came to its end, with everything streamed. */
  readonly complete: boolean;
  /** What it wrote. */
  readonly report: string;
}

/** The messages that are streamed, in bytes, one after the other. */
const payloads = [65_536, 1_048_576];

export class BudgetBench {
  readonly #aedes: Aedes;
  readonly #server: Server;
  readonly #folder = mkdtempSync(join(tmpdir(), "sealwire-budget-"));
  /** Four digits: the same length, so that each run needs the same memory. */
  #next = 1000;

  private constructor(aedes: Aedes, server: Server) {
    this.#aedes = aedes;
    this.#server = server;
  }

  static async open(): Promise<BudgetBench> {
    const aedes = await Aedes.createBroker();
    const server = createServer((socket) => void aedes.handle(socket));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return new BudgetBench(aedes, server);
  }

  async run({ heap, waste = 0 }: BenchOptions): Promise<BenchRun> {
    const name = String(this.#next++);
    const waiting = [...payloads];
    const send = (): void => {
      const size = waiting.shift();
      if (size === undefined) return;
      const message = { cmd: "publish", topic: `${name}/big`, payload: Buffer.alloc(size, 7), qos: 1 } as const;
      this.#aedes.publish({ ...message, retain: false, dup: false }, () => undefined);
    };
    const answer = (_: unknown, done: () => void): void => {
      done();
      send();
    };
    const acknowledged = (_: unknown, client: { readonly id: string }): void => {
      if (client.id === name) send();
    };
    this.#aedes.on("ack", acknowledged);
    this.#aedes.subscribe(`${name}/ready`, answer, () => undefined);
    try {
      const { port } = this.#server.address() as { port: number };
      const module = join(root, "dist", "test", "xs", "firmware", "session.js");
      const { exitCode, output, errors } = await runOnXS(
        module,
        [join(this.#folder, name), String(port), name, ...(waste === 0 ? [] : [String(waste)])],
        {
          variant: { bits: 32, sanitize: false },
          host: ["--measure", ...heap, ...preloadOptions()],
          timeout: 30_000,
        },
      );
      return {
        steps: parseMeasured(errors),
        complete: exitCode === 0 && output.includes(`${payloads[0]! + payloads[1]!} bytes streamed`),
        report: `exit code ${exitCode}\n${output}${errors}`,
      };
    } finally {
      this.#aedes.off("ack", acknowledged);
      this.#aedes.unsubscribe(`${name}/ready`, answer, () => undefined);
    }
  }

  /** Runs `examples/plain-telemetry` through one wake. @returns whether it published everything and went to sleep */
  async telemetry(heap: readonly string[]): Promise<boolean> {
    const { port } = this.#server.address() as { port: number };
    const module = join(root, "dist", "test", "xs", "firmware", "telemetry.js");
    const { exitCode, output } = await runOnXS(module, [join(this.#folder, String(this.#next++)), String(port)], {
      variant: { bits: 32, sanitize: false },
      host: [...heap, ...preloadOptions()],
      timeout: 30_000,
    });
    return exitCode === 80 && output.includes("sleeps for");
  }

  async close(): Promise<void> {
    await new Promise<void>((resolve) => this.#aedes.close(() => this.#server.close(() => resolve())));
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

type Pair = readonly [now: number, peak: number];
type Line = Record<"chunks" | "slots" | "stack" | "native" | "library", Pair> & {
  readonly step: string;
  readonly tlsStack: number;
};

/** The lines `MEASURE {...}` of the host program. */
export function parseMeasured(text: string): Measured[] {
  const figure = ([now, peak]: Pair): Figure => ({ now, peak });
  return text
    .split("\n")
    .filter((line) => line.startsWith("MEASURE "))
    .map((line) => JSON.parse(line.slice("MEASURE ".length)) as Line)
    .map(({ step, chunks, slots, stack, native, tlsStack, library }) => ({
      step,
      chunks: figure(chunks),
      slots: figure(slots),
      stack: figure(stack),
      native: figure(native),
      tlsStack,
      library: figure(library),
    }));
}
