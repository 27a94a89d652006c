/** What the device knows of the time: the host's wall clock, held against a floor that no true clock can be below, and a ceiling. */
import type { Platform, TimeInterval, WallTime } from "./platform.js";

/** The last moment of a `Date`, milliseconds since 1970 (ECMA-262, section 21.4.1.1). */
const END_OF_DATES = 8.64e15;

/** How far a clock that nobody vouches for is believed. */
const YEAR = 366 * 86_400_000;

/**
 * A clock that admits what it does not know. A device wakes without a wall clock, or with one that lies; checks of dates therefore
 * take an interval (see {@link TimeInterval}), and a wall clock below the floor counts as not set.
 *
 * So does one that is more than a year above it. Nobody vouches for SNTP or a battery-backed clock: believed without limit, a lie of ten years
 * would let every certificate expire, and lock the device out of the very connection that could set it right. A device that
 * was on a shelf for longer than a year checks dates against its floor until the first verified server raises it.
 */
export class Clock {
  readonly #platform: Pick<Platform, "time">;
  #floor: number;

  /** The floor is `buildTime`, milliseconds since 1970, until {@link prove} raises it. */
  constructor(platform: Pick<Platform, "time" | "buildTime">) {
    this.#platform = platform;
    this.#floor = platform.buildTime;
  }

  /** The time that has certainly come, milliseconds since 1970. */
  get floor(): number {
    return this.#floor;
  }

  /**
   * Raises the floor: somebody who is authenticated has shown that this time, in milliseconds since 1970, is past. A verified server does, by the
   * beginning of its certificate's validity.
   * @returns whether it is news, and worth keeping over a power cut
   */
  prove(time: number | undefined): boolean {
    if (time === undefined || !(time > this.#floor && time < END_OF_DATES)) return false;
    this.#floor = time;
    return true;
  }

  /** The present time in milliseconds since 1970, or `undefined` when there is no wall clock that can be true. */
  now(): number | undefined {
    const wall = this.wall();
    return wall && Math.max(wall.now, this.#floor);
  }

  /**
   * As {@link now}, however far above the floor: for telling the time to somebody who knows it better and checks it, before anybody could vouch for it. Nothing may be
   * decided by it.
   */
  claimed(): number | undefined {
    const wall = this.notPast();
    return wall && Math.max(wall.now, this.#floor);
  }

  /** The bounds of the present time. */
  interval(): TimeInterval {
    const wall = this.wall();
    if (wall === undefined) return { earliest: this.#floor, latest: undefined };
    return { earliest: Math.max(wall.now - wall.uncertainty, this.#floor), latest: wall.now + wall.uncertainty };
  }

  /** What the host says, unless it cannot be true. */
  private wall(): WallTime | undefined {
    const wall = this.notPast();
    return wall && wall.now - wall.uncertainty <= this.#floor + YEAR ? wall : undefined;
  }

  /** What the host says, unless that is no date, or certainly past. */
  private notPast(): WallTime | undefined {
    const wall = this.#platform.time();
    // Asked the other way round, NaN would pass, and no comparison with it ever expires anything.
    return wall && wall.uncertainty >= 0 && wall.now + wall.uncertainty >= this.#floor && wall.now < END_OF_DATES
      ? wall
      : undefined;
  }
}
