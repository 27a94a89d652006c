import assert from "node:assert/strict";
import { fuzz } from "./fuzz.js";
import { cborTarget } from "./cbor-target.js";
import { coseTarget } from "./cose-target.js";
import { mqttTarget } from "./mqtt-target.js";

describe("Fuzzing", () => {
  it("finds nothing in MQTT within a second", async () => {
    const { inputs } = await fuzz(mqttTarget(), 1000, 1);
    assert.ok(inputs > 100, `only ${inputs} inputs were tried`);
  });

  it("finds nothing in CBOR, COSE and sealed payloads within a second each", async () => {
    for (const target of [cborTarget(), coseTarget()]) {
      const { inputs } = await fuzz(target, 1000, 1);
      assert.ok(inputs > 100, `only ${inputs} inputs were tried`);
    }
  });

  it("finds a fault that is there, and tells the input", async () => {
    const faulty = {
      corpus: [Uint8Array.of(1, 2, 3)],
      run: (input: Uint8Array): void => {
        if (input[0] === 0x80) throw new RangeError("0x80");
      },
    };
    await assert.rejects(fuzz(faulty, 10_000, 7), /^Error: Input \d+ of seed 7 fails: 80/);
  });
});
