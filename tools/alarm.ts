/** What ends a command before it is through: Ctrl-C, a time limit, a part that broke. */
import { CommandFailure, exitCodes } from "./failure.js";

const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

export class Alarm {
  #ring: (error: Error) => void = () => undefined;
  readonly #rung: Promise<never>;
  #timer: NodeJS.Timeout | undefined;
  #interrupted = false;
  readonly #onSignal = (): void => {
    // Whoever asks twice does not want to wait for the cleaning up; what must not stay is removed as the process exits.
    if (this.#interrupted) process.exit(exitCodes.interrupted);
    this.#interrupted = true;
    this.ring(new CommandFailure(exitCodes.interrupted, "CLOSED", "Interrupted."));
  };

  constructor() {
    this.#rung = new Promise((_, reject) => (this.#ring = reject));
    // It may ring while nobody listens.
    this.#rung.catch(() => undefined);
    for (const signal of signals) process.on(signal, this.#onSignal);
  }

  /** Whether it was Ctrl-C, or another signal that means the same. */
  get interrupted(): boolean {
    return this.#interrupted;
  }

  /** The work, unless the alarm rings first. */
  guard<T>(work: Promise<T>): Promise<T> {
    return Promise.race([work, this.#rung]);
  }

  /** Rings. Only the first time counts. */
  ring(error: Error): void {
    this.#ring(error);
  }

  /** Rings in so many milliseconds, instead of at an earlier limit; never when `undefined`. */
  limit(milliseconds: number | undefined, sentence = ""): void {
    clearTimeout(this.#timer);
    if (milliseconds === undefined) return;
    this.#timer = setTimeout(() => this.ring(new CommandFailure(exitCodes.failed, "TIMEOUT", sentence)), milliseconds);
  }

  /** Ends it: signals have their usual effect again. */
  close(): void {
    clearTimeout(this.#timer);
    for (const signal of signals) process.off(signal, this.#onSignal);
  }
}
