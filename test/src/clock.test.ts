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
      deepEqual(clock.interval(), { earliest: FLOOR, latest: undefined });
    });
});
