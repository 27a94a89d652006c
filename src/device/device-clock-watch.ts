/** Notices a wall clock that goes back: an old time makes expired certificates good again, and old messages new. */
import type { Clock } from "../clock.js";
import type { DeviceReporter } from "./device-reporter.js";
import { SealwireError } from "../errors.js";
import type { Platform } from "../platform.js";

/** Milliseconds that a clock may be set back by its source, beside what that source says of its uncertainty. */
const TOLERANCE = 5000;

export class DeviceClockWatch {
  readonly #platform: Pick<Platform, "time" | "ticks">;
  readonly #clock: Pick<Clock, "floor">;
  readonly #reporter: Pick<DeviceReporter, "security">;
  #last: { readonly now: number; readonly ticks: number } | undefined;

  constructor(
    platform: Pick<Platform, "time" | "ticks">,
    clock: Pick<Clock, "floor">,
    reporter: Pick<DeviceReporter, "security">,
  ) {
    this.#platform = platform;
    this.#clock = clock;
    this.#reporter = reporter;
  }

  /** Before each connection. Each step back is told once. */
  look(): void {
    const wall = this.#platform.time();
    if (wall === undefined) return;
    const ticks = this.#platform.ticks();
    const last = this.#last;
    this.#last = { now: wall.now, ticks };
    const expected = last ? last.now + (ticks - last.ticks) - TOLERANCE : this.#clock.floor;
    const behind = expected - (wall.now + wall.uncertainty);
    if (!(behind > 0)) return;
    const message = `The wall clock is at least ${Math.ceil(behind / 1000)} s behind the time that is known to be past.`;
    this.#reporter.security("clock-rollback", new SealwireError("INVALID_STATE", message));
  }
}
