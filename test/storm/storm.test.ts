import assert from "node:assert/strict";
import { emptyCounts, compare, isSound } from "./counts.js";
import { inbound, outbound } from "./model.js";
import { Random } from "./random.js";

const MESSAGES = 1000;

describe("The storm, against the broker model", () => {
  for (const version of [4, 5] as const) {
    for (const qos of [1, 2] as const) {
      it(`loses, repeats and overtakes nothing outbound (QoS ${qos}, MQTT ${version})`, async () => {
        const counts = await outbound(qos, version, MESSAGES, new Random(11));
        assert.ok(isSound(counts), JSON.stringify(counts));
        assert.ok(counts.cuts > 20 && Object.keys(counts.crashes).length === 3, "it was a storm");
      });
      for (const manual of [false, true]) {
        it(`does so inbound, ${manual ? "with a ledger" : "with a plain callback"} (QoS ${qos}, MQTT ${version})`, async () => {
          const counts = await inbound(qos, version, manual, MESSAGES, new Random(12));
          assert.ok(isSound(counts), JSON.stringify(counts));
          assert.ok(counts.cuts > 15 && Object.keys(counts.crashes).length === 4, "it was a storm");
        });
      }
    }
  }

  it("sees what is lost, out of order, or was never sent", () => {
    const of = (expected: number[], arrived: number[]): string => {
      const counts = emptyCounts("test", expected.length);
      compare(counts, expected, arrived);
      return `${counts.lost} ${counts.repeats} ${counts.outOfOrder} ${counts.wrongRepeats} ${isSound(counts)}`;
    };
    assert.equal(of([0, 1, 2], [0, 1, 2]), "0 0 0 0 true");
    assert.equal(of([0, 1, 2], [0, 1, 0, 1, 2]), "0 2 0 0 true");
    assert.equal(of([0, 1, 2], [0, 2]), "1 0 0 0 false");
    assert.equal(of([0, 1, 2], [0, 2, 1]), "0 0 1 0 false");
    assert.equal(of([0, 1], [0, 1, 2]), "0 0 0 1 false");
  });
});
