import { deepEqual, equal, ok } from "node:assert/strict";
import { ManualClock, SystemClock } from "../../../hosts/node/index.js";

describe("node host: clocks", () => {
  it("never calls back early, and not at all when cleared", async () => {
    const { timer } = new SystemClock();
    const early: number[] = [];
    await Promise.all(
      [0, 1, 3, 7, 12].map(
        (wait) =>
          new Promise<void>((resolve) => {
            const begin = performance.now();
            timer.set(() => {
              if (performance.now() - begin < wait) early.push(wait);
              resolve();
            }, wait);
          }),
      ),
    );
    deepEqual(early, []);
    let called = false;
    const handle = timer.set(() => (called = true), 5);
    timer.clear(handle);
    timer.clear(handle);
    timer.clear(undefined);
    const far = timer.set(() => (called = true), 2 ** 40);
    await new Promise((resolve) => setTimeout(resolve, 15));
    timer.clear(far);
    equal(called, false);
  });

  it("tells the host's time, and ticks that never go back", () => {
    const clock = new SystemClock();
    const before = Date.now();
    const { now, source, uncertainty } = clock.time();
    ok(now >= before && now <= Date.now());
    equal(source, "host");
    equal(uncertainty, 1000);
    const first = clock.ticks();
    ok(clock.ticks() >= first);
    equal(Number.isInteger(first), true);
  });

  it("moves by hand: callbacks in order, each at its own time, and those that they set", () => {
    const clock = new ManualClock(1_000_000);
    const calls: [string, number][] = [];
    const call = (name: string) => () => calls.push([name, clock.ticks()]);
    clock.timer.set(call("late"), 30);
    clock.timer.set(() => {
      calls.push(["early", clock.ticks()]);
      clock.timer.set(call("chained"), 5);
    }, 10);
    clock.timer.set(call("same"), 10);
    const cleared = clock.timer.set(call("cleared"), 12);
    clock.timer.set(() => {
      clock.timer.clear(cleared);
    }, 11);
    clock.advance(9);
    deepEqual(calls, []);
    clock.advance(20);
    deepEqual(calls, [
      ["early", 10],
      ["same", 10],
      ["chained", 15],
    ]);
    equal(clock.time()!.now, 1_000_029);
    equal(clock.pending, 1);
    clock.setTime(undefined);
    equal(clock.time(), undefined);
    clock.advance(1);
    deepEqual(calls.slice(3), [["late", 30]]);
  });
});
