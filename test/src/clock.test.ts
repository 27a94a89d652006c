import { Clock } from "../../src/clock.js";
import type { WallTime } from "../../src/platform.js";
import { deepEqual, strictEqual } from "../support/assert.js";
import { describe, it } from "../support/bdd.js";

const FLOOR = Date.UTC(2026, 0, 1);

function clockThatSays(wall: Partial<WallTime> | undefined): Clock {
  return new Clock({
    buildTime: FLOOR,
    time: () => wall && { now: FLOOR + 5000, source: "sntp", uncertainty: 1000, ...wall },
  });
}

describe("clock", () => {
  it("knows the time as well as the wall clock does", () => {
    const clock = clockThatSays({});
    strictEqual(clock.now(), FLOOR + 5000);
    deepEqual(clock.interval(), { earliest: FLOOR + 4000, latest: FLOOR + 6000 });
  });

  it("is never before the build", () => {
    const clock = clockThatSays({ now: FLOOR - 500 });
    strictEqual(clock.now(), FLOOR);
    deepEqual(clock.interval(), { earliest: FLOOR, latest: FLOOR + 500 });
  });

  for (const [name, wall] of [
    ["there is none", undefined],
    ["it is before the build", { now: FLOOR - 1001 }],
    ["it is no number", { now: Number.NaN }],
    ["it is beyond all dates", { now: Number.POSITIVE_INFINITY }],
    ["its uncertainty is no number", { uncertainty: Number.NaN }],
    ["its uncertainty is negative", { uncertainty: -1 }],
  ] as const)
    it(`knows only the build time when the wall clock lies: ${name}`, () => {
      const clock = clockThatSays(wall);
      strictEqual(clock.now(), undefined);
      strictEqual(clock.claimed(), undefined);
      deepEqual(clock.interval(), { earliest: FLOOR, latest: undefined });
    });

  it("says what the wall clock claims, however far above the floor, to who knows better", () => {
    const now = FLOOR + 10 * 366 * 86_400_000;
    const clock = clockThatSays({ now });
    deepEqual([clock.now(), clock.claimed()], [undefined, now]);
    strictEqual(clockThatSays({ now: FLOOR - 500 }).claimed(), FLOOR);
  });
});

describe("clock with a floor that rises", () => {
  const DAY = 86_400_000;
  const YEAR = 366 * DAY;

  it("is not before a time that was proven, and says when that is news", () => {
    const clock = clockThatSays({});
    strictEqual(clock.prove(FLOOR + 10 * DAY), true);
    strictEqual(clock.prove(FLOOR + 10 * DAY), false);
    strictEqual(clock.prove(FLOOR), false);
    strictEqual(clock.prove(undefined), false);
    strictEqual(clock.prove(Number.NaN), false);
    strictEqual(clock.prove(Number.POSITIVE_INFINITY), false);
    strictEqual(clock.floor, FLOOR + 10 * DAY);
    // The wall clock is before it, so it lies.
    deepEqual(clock.interval(), { earliest: FLOOR + 10 * DAY, latest: undefined });
  });

  it("believes a wall clock that nobody vouches for up to a year above its floor, and not beyond", () => {
    strictEqual(clockThatSays({ now: FLOOR + YEAR }).now(), FLOOR + YEAR);
    const lying = clockThatSays({ now: FLOOR + 10 * YEAR });
    strictEqual(lying.now(), undefined);
    deepEqual(lying.interval(), { earliest: FLOOR, latest: undefined });
  });

  it("believes it again once a server proved that a time close to it is past", () => {
    const clock = clockThatSays({ now: FLOOR + 2 * YEAR });
    strictEqual(clock.now(), undefined);
    clock.prove(FLOOR + 2 * YEAR - 30 * DAY);
    strictEqual(clock.now(), FLOOR + 2 * YEAR);
  });
});
