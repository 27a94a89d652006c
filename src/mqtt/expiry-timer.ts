/** One timer for the message that expires first. */
import type { PlatformTimer, TimerHandle } from "../platform.js";

/** Longest wait of one timer: hosts count milliseconds in 31 bits. */
const LONGEST = 0x3fff_ffff;

interface Clock {
  readonly timer: PlatformTimer;
  readonly ticks: () => number;
}

export class ExpiryTimer {
  readonly #clock: Clock;
  readonly #expire: () => void;
  #handle: TimerHandle;
  #due: number | undefined;

  /** @param expire called when something may have expired; it adds what is left */
  constructor(clock: Clock, expire: () => void) {
    this.#clock = clock;
    this.#expire = expire;
  }

  /** Something expires at `ticks`. */
  add(ticks: number | undefined): void {
    if (ticks === undefined || (this.#due !== undefined && this.#due <= ticks)) return;
    this.clear();
    this.#due = ticks;
    const wait = Math.min(Math.max(ticks - this.#clock.ticks(), 1), LONGEST);
    this.#handle = this.#clock.timer.set(() => {
      this.#handle = this.#due = undefined;
      this.#expire();
    }, wait);
  }

  clear(): void {
    if (this.#due === undefined) return;
    this.#clock.timer.clear(this.#handle);
    this.#handle = this.#due = undefined;
  }
}
