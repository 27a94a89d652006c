/**
 * Who may call whom: the application is called back in turns, never from within one of its own calls, and a turn never runs within another. What
 * is asked for meanwhile is done in one later turn, when the present job is over (in a microtask).
 */
export class Turn {
  readonly #run: () => void;
  readonly #later: () => void;
  #busy = false;
  #scheduled = false;

  /** @param run does all there is to do; must not throw */
  constructor(run: () => void) {
    this.#run = run;
    this.#later = () => {
      this.#scheduled = false;
      this.take();
    };
  }

  /** Takes a turn: now, or later when one is under way. */
  take(): void {
    if (this.#busy) {
      this.schedule();
      return;
    }
    this.#busy = true;
    try {
      this.#run();
    } finally {
      this.#busy = false;
    }
  }

  /** Has a turn taken after the present job, unless one is under way that will see to it. */
  request(): void {
    if (!this.#busy) this.schedule();
  }

  schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    void Promise.resolve().then(this.#later);
  }

  /** Begins a call of the application: callbacks wait until {@link leave}. @returns what that wants */
  enter(): boolean {
    const within = this.#busy;
    this.#busy = true;
    return within;
  }

  leave(within: boolean): void {
    this.#busy = within;
    this.request();
  }
}

/** Runs what comes last: nobody is left to be told of what it throws, and nothing may escape to the host. */
export function quietly(last: () => void): void {
  try {
    last();
  } catch {
    // The connection is over anyway.
  }
}
