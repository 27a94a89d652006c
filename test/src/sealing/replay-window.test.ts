import { ReplayWindow } from "../../../src/sealing/index.js";
import { strictEqual } from "../../support/assert.js";
import { describe, it } from "../../support/bdd.js";

/** The same by a set of all numbers. */
class Model {
  readonly seen = new Set<number>();
  highest = -1;

  check(sequence: number): string {
    if (sequence > this.highest) return "new";
    if (this.highest - sequence >= 64) return "old";
    return this.seen.has(sequence) ? "seen" : "new";
  }

  add(sequence: number): void {
    this.seen.add(sequence);
    this.highest = Math.max(this.highest, sequence);
  }
}

describe("Replay window", () => {
  it("takes each of 64 numbers once, in any order, and nothing behind them", () => {
    const window = new ReplayWindow();
    for (let i = 63; i >= 0; i--) {
      strictEqual(window.check(i), "new");
      window.add(i);
      strictEqual(window.check(i), "seen");
    }
    window.add(64);
    strictEqual(window.check(0), "old");
    strictEqual(window.check(1), "seen");
  });

  it("is what a set of all numbers would be", () => {
    let state = 1;
    const random = (limit: number): number => {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0;
      return Math.floor((state / 0x1_0000_0000) * limit);
    };
    for (let run = 0; run < 50; run++) {
      const window = new ReplayWindow();
      const model = new Model();
      let base = random(3) === 0 ? 0xff_ffff_0000 : random(100);
      for (let step = 0; step < 200; step++) {
        base += random(4) === 0 ? random(90) : random(3);
        const sequence = Math.max(0, base - random(80));
        strictEqual(window.check(sequence), model.check(sequence), `run ${run}, step ${step}`);
        if (model.check(sequence) === "new") {
          window.add(sequence);
          model.add(sequence);
        }
        if (random(20) === 0) {
          // Through storage and back, beside an older state of itself.
          const copy = new ReplayWindow();
          copy.merge(window.highest, ...window.bits);
          const older = new ReplayWindow();
          older.add(Math.max(0, window.highest - random(100)));
          if (model.check(older.highest) === "seen") copy.merge(older.highest, ...older.bits);
          strictEqual(copy.highest, window.highest);
          strictEqual(copy.bits.join(), window.bits.join());
        }
      }
    }
  });

  it("can let a number through again that was not handled, and close a range", () => {
    const window = new ReplayWindow();
    for (const sequence of [0, 1, 2, 40]) window.add(sequence);
    const copy = window.copy();
    strictEqual(copy.equals(window), true);
    for (const sequence of [1, 40]) copy.remove(sequence);
    strictEqual([0, 1, 2, 40].map((sequence) => copy.check(sequence)).join(), "seen,new,seen,new");
    strictEqual(copy.equals(window), false);
    strictEqual(window.check(1), "seen");
    window.fill(120);
    strictEqual(window.check(120), "seen");
    strictEqual(window.check(57), "seen");
    strictEqual(window.check(56), "old");
    strictEqual(window.check(121), "new");
  });
});
