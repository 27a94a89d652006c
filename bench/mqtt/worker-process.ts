/** The bench's side of a worker process. */
import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Measured, Order, Report, Signal, Task } from "./worker-protocol.js";

/** Milliseconds in which a step must be done; a worker that hangs ends the bench. */
const patience = 120_000;

const program = fileURLToPath(new URL("worker.js", import.meta.url));

type Kind = Report["kind"];

export class WorkerProcess {
  readonly #child: ChildProcess;
  readonly #name: string;
  readonly #reports: Report[] = [];
  #wake: (() => void) | undefined;
  #exited = false;

  private constructor(task: Task, nodeOptions: readonly string[]) {
    this.#name = `${task.contestant}, ${task.kind}`;
    this.#child = fork(program, [], { execArgv: ["--expose-gc", ...nodeOptions], stdio: "inherit" });
    this.#child.on("message", (report: Report) => {
      this.#reports.push(report);
      this.#wake?.();
    });
    this.#child.once("exit", () => {
      this.#exited = true;
      this.#wake?.();
    });
    this.#child.send(task);
  }

  /** Resolves once it is connected. */
  static async start(task: Task, nodeOptions: readonly string[] = []): Promise<WorkerProcess> {
    const worker = new WorkerProcess(task, nodeOptions);
    try {
      await worker.#next("ready");
    } catch (error) {
      worker.kill();
      throw error;
    }
    return worker;
  }

  async prepare(order: Order): Promise<void> {
    this.#signal({ kind: "prepare", order });
    await this.#next("prepared");
  }

  /** Resolves once that is done which was prepared. */
  async go(): Promise<Measured> {
    this.#signal({ kind: "go" });
    return this.#next("done");
  }

  /** Resolves once the process has ended. */
  async end(): Promise<void> {
    if (this.#exited) return;
    const exited = new Promise<void>((resolve) => this.#child.once("exit", () => resolve()));
    this.#signal({ kind: "end" });
    const timer = setTimeout(() => this.kill(), 3_000);
    await exited;
    clearTimeout(timer);
  }

  kill(): void {
    this.#child.kill("SIGKILL");
  }

  #signal(signal: Signal): void {
    this.#child.send(signal);
  }

  async #next<K extends Kind>(kind: K): Promise<Extract<Report, { kind: K }>> {
    const deadline = setTimeout(() => {
      this.#reports.push({ kind: "failed", reason: `it was not ${kind} within ${patience / 1000} s` });
      this.#wake?.();
    }, patience);
    try {
      for (;;) {
        const report = this.#reports.shift();
        if (report?.kind === kind) return report as Extract<Report, { kind: K }>;
        if (report)
          throw new Error(`The worker (${this.#name}) failed: ${"reason" in report ? report.reason : report.kind}`);
        if (this.#exited) throw new Error(`The worker (${this.#name}) ended before it was ${kind}.`);
        await new Promise<void>((resolve) => (this.#wake = resolve));
      }
    } finally {
      clearTimeout(deadline);
    }
  }
}
