/** Time that a test drives: a clock and timers that stand still until told to go on. */
import type { PlatformTimer, TimerHandle, WallTime } from "../../src/platform.js";

interface Timer {
  readonly at: number;
  readonly order: number;
  readonly callback: () => void;
}

export class ManualTime {
  /** Milliseconds since boot. */
  #now = 0;
  #order = 0;
  #timers: Timer[] = [];
  /** The wall clock, or `undefined` while it is not set. It runs with {@link advance}. */
  wall: WallTime | undefined;

  readonly timer: PlatformTimer = {
    set: (callback, milliseconds) => {
      const timer = { at: this.#now + milliseconds, order: this.#order++, callback };
      this.#timers.push(timer);
      return timer;
    },
    clear: (handle: TimerHandle) => {
      this.#timers = this.#timers.filter((timer) => timer !== handle);
    },
  };

  readonly ticks = (): number => this.#now;

  readonly time = (): WallTime | undefined => this.wall;

  /** Timers that are set. */
  get pending(): number {
    return this.#timers.length;
  }

  /** Milliseconds until the next timer, or `undefined`. */
  get next(): number | undefined {
    return this.#timers.length === 0 ? undefined : Math.min(...this.#timers.map(({ at }) => at)) - this.#now;
  }

  /** Lets time pass, and calls the timers that are due in the order of their time. */
  advance(milliseconds: number): void {
    const end = this.#now + milliseconds;
    for (;;) {
      const due = this.#timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at || a.order - b.order)[0];
      if (due === undefined) break;
      this.#timers = this.#timers.filter((timer) => timer !== due);
      this.#go(due.at);
      due.callback();
    }
    this.#go(end);
  }

  #go(now: number): void {
    if (this.wall) this.wall = { ...this.wall, now: this.wall.now + now - this.#now };
    this.#now = now;
  }
}
