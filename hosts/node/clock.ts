/** Time of a simulated device: the host's own, or one that a test moves by hand. */
import type { PlatformTimer, TimerHandle, WallTime } from "../../src/platform.js";

/** What a device knows of time. */
export interface DeviceClock {
  readonly timer: PlatformTimer;
  ticks(): number;
  time(): WallTime | undefined;
}

/** Node's timers take no more milliseconds than this. */
const longestTimeout = 0x7fffffff;

class SystemTimer {
  #timeout: NodeJS.Timeout | undefined;
  readonly #callback: () => void;
  readonly #due: number;

  constructor(callback: () => void, milliseconds: number) {
    this.#callback = callback;
    this.#due = performance.now() + Math.max(0, milliseconds);
    this.#arm();
  }

  clear(): void {
    clearTimeout(this.#timeout);
  }

  /** Node's timers may fire up to a millisecond early. */
  #arm(): void {
    const wait = Math.min(longestTimeout, Math.max(0, Math.ceil(this.#due - performance.now())));
    this.#timeout = setTimeout(() => (performance.now() < this.#due ? this.#arm() : this.#callback()), wait);
  }
}

/** The host's clock. */
export class SystemClock implements DeviceClock {
  readonly timer: PlatformTimer = {
    set: (callback, milliseconds) => new SystemTimer(callback, milliseconds),
    clear: (timer) => {
      if (timer instanceof SystemTimer) timer.clear();
    },
  };

  ticks(): number {
    return Math.floor(performance.now());
  }

  time(): WallTime {
    return { now: Date.now(), source: "host", uncertainty: 1000 };
  }
}

interface ManualTimer {
  readonly due: number;
  readonly callback: () => void;
}

/** A clock that stands still until it is told otherwise. */
export class ManualClock implements DeviceClock {
  #ticks = 0;
  #now: number | undefined;
  readonly #timers = new Set<ManualTimer>();

  /** @param now the wall clock, milliseconds since 1970; `undefined` while it is not set */
  constructor(now?: number) {
    this.#now = now;
  }

  readonly timer: PlatformTimer = {
    set: (callback, milliseconds): TimerHandle => {
      const timer: ManualTimer = { due: this.#ticks + Math.max(0, milliseconds), callback };
      this.#timers.add(timer);
      return timer;
    },
    clear: (timer) => {
      this.#timers.delete(timer as ManualTimer);
    },
  };

  /** The number of timers that are set. */
  get pending(): number {
    return this.#timers.size;
  }

  ticks(): number {
    return this.#ticks;
  }

  time(): WallTime | undefined {
    return this.#now === undefined ? undefined : { now: this.#now, source: "host", uncertainty: 1000 };
  }

  /** Sets the wall clock, or takes it away. */
  setTime(now: number | undefined): void {
    this.#now = now;
  }

  /** Lets time pass. What becomes due is called in order, at its own time; timers set meanwhile included. */
  advance(milliseconds: number): void {
    const end = this.#ticks + milliseconds;
    for (let next = this.#next(end); next !== undefined; next = this.#next(end)) {
      this.#moveTo(Math.max(this.#ticks, next.due));
      this.#timers.delete(next);
      next.callback();
    }
    this.#moveTo(end);
  }

  #next(end: number): ManualTimer | undefined {
    let next: ManualTimer | undefined;
    for (const timer of this.#timers)
      if (timer.due <= end && (next === undefined || timer.due < next.due)) next = timer;
    return next;
  }

  #moveTo(ticks: number): void {
    if (this.#now !== undefined) this.#now += ticks - this.#ticks;
    this.#ticks = ticks;
  }
}
