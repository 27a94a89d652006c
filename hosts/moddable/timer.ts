/** Timers and ticks over the SDK's `timer` and `time`. */
import type { PlatformTimer, TimerHandle } from "../../src/platform.js";
import { Time, Timer } from "./sdk.js";

/** The SDK takes 31 bits. */
const longest = 0x3fff_ffff;

interface Pending {
  native: object | undefined;
}

function arm(pending: Pending, callback: () => void, milliseconds: number): void {
  const now = Math.min(milliseconds, longest);
  pending.native = Timer.set(() => {
    pending.native = undefined;
    if (milliseconds > now) arm(pending, callback, milliseconds - now);
    else callback();
  }, now);
}

export const timer: PlatformTimer = {
  set(callback: () => void, milliseconds: number): TimerHandle {
    const pending: Pending = { native: undefined };
    // NaN and what is negative are at once; a fraction is never early.
    arm(pending, callback, milliseconds > 0 ? Math.ceil(milliseconds) : 0);
    return pending;
  },
  clear(handle: TimerHandle): void {
    const pending = handle as Pending | undefined;
    if (pending?.native === undefined) return;
    Timer.clear(pending.native);
    pending.native = undefined;
  },
};

/** Milliseconds since it was made. The SDK's ticks wrap after 49 days on a chip, and are the wall clock in the simulator. */
export class Ticks {
  #last = Time.ticks;
  #elapsed = 0;

  now(): number {
    const now = Time.ticks;
    // A wall clock that was set back stands still.
    this.#elapsed += Math.max(0, Time.delta(this.#last, now));
    this.#last = now;
    return this.#elapsed;
  }
}
