/** The heap of a firmware stays flat however many messages pass, and one that leaks is caught. All of it: `npm run soak:xs`. */
import assert from "node:assert/strict";
import { judge, soak } from "../../../tools/xs/soak.js";
import { hostIsBuilt } from "./support.js";

const variant = { bits: 32, sanitize: false } as const;

describe("A soak on 32-bit XS", function () {
  this.timeout(120_000);
  before(hostIsBuilt(variant));

  it("finds the heap flat after 20,000 messages", async () => {
    const result = await soak({ variant, messages: 20_000 });
    assert.deepEqual(result.faults, []);
    assert.ok(result.begin > 5000 && result.most < 65_536, JSON.stringify(result));
  });

  it("catches a firmware that keeps 100 bytes of each message", async () => {
    const { faults } = await soak({ variant, messages: 5000, leak: 100, heap: 16_777_216 });
    const perMessage = Number(/([\d.]+) bytes per message/.exec(faults.join("\n"))?.[1]);
    assert.ok(perMessage >= 100 && perMessage < 400, faults.join("\n"));
  });

  it("catches it in the heap of a chip, too: that is soon full", async () => {
    const { faults } = await soak({ variant, messages: 5000, leak: 100 });
    assert.match(faults.join("\n"), /ended after \d+ messages \(exit code 72\)[^]*MEMORY_FULL/);
  });

  describe("judges", () => {
    const run = (used: (round: number) => number, done = "DONE 1000 1000 0 0"): Parameters<typeof judge>[2] => ({
      exitCode: 0,
      errors: "",
      output: [...Array.from({ length: 10 }, (_, i) => `SOAK ${(i + 1) * 100} ${used(i)}`), done, ""].join("\n"),
    });

    it("a heap that is flat, or swings a little", () => {
      assert.deepEqual(
        judge(
          1000,
          1,
          run((round) => 20_000 + (round % 2) * 300),
        ).faults,
        [],
      );
    });
    it("one byte for each message", () => {
      assert.match(
        judge(
          1000,
          1,
          run((round) => 20_000 + round * 100),
        ).faults.join(),
        /1\.00 bytes per message/,
      );
    });
    it("a message that was lost or changed", () => {
      for (const done of ["DONE 1000 999 0 0", "DONE 1000 1000 1 0"])
        assert.match(
          judge(
            1000,
            1,
            run(() => 20_000, done),
          ).faults.join(),
          /Not every message came back/,
        );
    });
  });
});
