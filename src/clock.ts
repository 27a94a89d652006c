/** What the device knows of the time: the host's wall clock, held against a floor that no true clock can be below. */
import type { Platform, TimeInterval, WallTime } from "./platform.js";

/** The last moment of a `Date`, milliseconds since 1970 (ECMA-262, section 21.4.1.1). */
const END_OF_DATES = 8.64e15;

/**
 * A clock that admits what it does not know. A device wakes without a wall clock, or with one that lies; checks of dates therefore
 * take an interval (see {@link TimeInterval}), and a wall clock below the floor counts as not set.
 */
export class Clock {
  readonly #platform: Pick<Platform, "time">;
  readonly #floor: number;

  /** The floor is `buildTime`, milliseconds since 1970. */
  constructor(platform: Pick<Platform, "time" | "buildTime">) {
    this.#platform = platform;
    this.#floor = platform.buildTime;
  }

  /** The present time in milliseconds since 1970, or `undefined` when there is no wall clock that can be true. */
  now(): number | undefined {
    const wall = this.#wall();
    return wall && Math.max(wall.now, this.#floor);
  }

  /** The bounds of the present time. */
  interval(): TimeInterval {
    const wall = this.#wall();
    if (wall === undefined) return { earliest: this.#floor, latest: undefined };
    return { earliest: Math.max(wall.now - wall.uncertainty, this.#floor), latest: wall.now + wall.uncertainty };
  }

  /** What the host says, unless it cannot be true. */
  #wall(): WallTime | undefined {
    const wall = this.#platform.time();
    // Asked the other way round, NaN would pass, and no comparison with it ever expires anything.
    return wall && wall.uncertainty >= 0 && wall.now + wall.uncertainty >= this.#floor && wall.now < END_OF_DATES
      ? wall
      : undefined;
  }
}
