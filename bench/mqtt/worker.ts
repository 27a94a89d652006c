/** A process that sends or receives: its processor time is that of one client alone. */
import { load } from "./load.js";
import { Ledger, payloadOf } from "./messages.js";
import type { Measured, Order, Report, Signal, Task } from "./worker-protocol.js";

/** What the bench orders, done by a sender or a receiver. */
interface Work {
  prepare(order: Order): void;
  go(): Promise<Measured>;
  end(): Promise<void>;
}

class Clock {
  readonly #cpu: NodeJS.CpuUsage;
  readonly #start: number;

  constructor() {
    globalThis.gc?.();
    this.#cpu = process.cpuUsage();
    this.#start = performance.now();
  }

  /** Milliseconds. */
  get elapsed(): number {
    return performance.now() - this.#start;
  }

  /** Microseconds of processor time. */
  get cpu(): number {
    const { user, system } = process.cpuUsage(this.#cpu);
    return user + system;
  }
}

async function createSender({ contestant, settings }: Extract<Task, { kind: "send" }>): Promise<Work> {
  const sender = await (await load(contestant)).sender(settings);
  let first = 0;
  let payloads: readonly Buffer[] = [];
  return {
    prepare: (order) => {
      first = order.first;
      payloads = Array.from({ length: order.count }, (_, i) => payloadOf(first + i));
      sender.prepare?.(first, payloads);
    },
    go: async () => {
      const clock = new Clock();
      await sender.send(first, payloads);
      await sender.settle();
      return { elapsed: clock.elapsed, cpu: clock.cpu };
    },
    end: () => sender.close(),
  };
}

async function createReceiver({ contestant, settings }: Extract<Task, { kind: "receive" }>): Promise<Work> {
  let ledger = new Ledger(0, 0);
  let clock = new Clock();
  let onLast: (() => void) | undefined;
  const receiver = await (
    await load(contestant)
  ).receiver({
    ...settings,
    onMessage: (payload) => {
      if (ledger.add(payload)) onLast?.();
    },
  });
  return {
    prepare: ({ first, count }) => {
      ledger = new Ledger(first, count);
    },
    go: async () => {
      const last = new Promise<Measured>((resolve) => {
        onLast = () => {
          onLast = undefined;
          resolve({ elapsed: clock.elapsed, cpu: clock.cpu });
        };
      });
      clock = new Clock();
      await receiver.connect();
      const measured = await last;
      // One too many would come right behind.
      await new Promise((resolve) => setTimeout(resolve, 20));
      await receiver.disconnect();
      return { ...measured, verdict: ledger.verdict() };
    },
    end: () => Promise.resolve(),
  };
}

function tell(report: Report): void {
  process.send?.(report);
}

function fail(error: unknown): void {
  tell({ kind: "failed", reason: error instanceof Error ? (error.stack ?? error.message) : String(error) });
  process.exitCode = 1;
  process.disconnect();
}

async function obey(task: Task): Promise<void> {
  const work = await (task.kind === "send" ? createSender(task) : createReceiver(task));
  process.on("message", (signal: Signal) => {
    if (signal.kind === "prepare") {
      work.prepare(signal.order);
      tell({ kind: "prepared" });
    } else if (signal.kind === "go") work.go().then((measured) => tell({ kind: "done", ...measured }), fail);
    else work.end().then(() => process.disconnect(), fail);
  });
  tell({ kind: "ready" });
}

// Should the bench be killed, its workers go with it.
process.on("disconnect", () => setImmediate(() => process.exit()));
process.on("uncaughtException", fail);
process.once("message", (task: Task) => void obey(task).catch(fail));
