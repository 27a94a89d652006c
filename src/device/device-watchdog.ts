/** Feeds the watchdog while the device runs. It shows that timers still run: a program that hangs in a loop starves it. */
import type { Platform, TimerHandle } from "../platform.js";

/** Milliseconds between two meals. */
const INTERVAL = 1000;

export class DeviceWatchdog {
  readonly #platform: Pick<Platform, "watchdog" | "timer">;
  #timer: TimerHandle;

  constructor(platform: Pick<Platform, "watchdog" | "timer">) {
    this.#platform = platform;
  }

  start(): void {
    const { watchdog, timer } = this.#platform;
    if (watchdog === undefined) return;
    watchdog.feed();
    this.#timer = timer.set(() => this.start(), INTERVAL);
  }

  stop(): void {
    this.#platform.timer.clear(this.#timer);
    this.#timer = undefined;
  }
}
