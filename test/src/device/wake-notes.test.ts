import { DeviceWakeNotes } from "../../../src/device/device-wake-notes.js";
import { deepEqual, strictEqual } from "../../support/assert.js";
import { describe, it } from "../../support/bdd.js";

const hour = 3_600_000;

function setUp(now: number | undefined = 1e12, lifetime?: number) {
  const clock = { time: now, now: () => clock.time };
  const notes = new DeviceWakeNotes(clock, lifetime);
  const wake = (): DeviceWakeNotes => new DeviceWakeNotes(clock, lifetime, notes.save());
  return { clock, notes, wake };
}

describe("wake notes", () => {
  it("give the last good address to the next wake, for an hour, and for the same broker only", () => {
    const { clock, notes, wake } = setUp();
    strictEqual(notes.address("b", 8883), undefined);
    notes.good("b", 8883, "192.0.2.7");
    strictEqual(wake().address("b", 8883), "192.0.2.7");
    strictEqual(wake().address("b", 443), undefined);
    strictEqual(wake().address("c", 8883), undefined);
    clock.time += hour - 1;
    strictEqual(wake().address("b", 8883), "192.0.2.7");
    clock.time += 1;
    strictEqual(wake().address("b", 8883), undefined);
  });

  it("do not trust an age that a clock gives that went back", () => {
    const { clock, notes, wake } = setUp();
    notes.good("b", 1, "192.0.2.7");
    clock.time -= 1;
    strictEqual(wake().address("b", 1), undefined);
  });

  it("count wakes where there is no clock", () => {
    const { notes } = setUp();
    const clock = { now: () => undefined };
    notes.good("b", 1, "a");
    let saved = notes.save();
    let wakes = 0;
    for (; wakes < 100; wakes++) {
      const next = new DeviceWakeNotes(clock, hour, saved);
      if (next.address("b", 1) === undefined) break;
      saved = next.save();
    }
    strictEqual(wakes, 24);
  });

  it("forget an address that led nowhere, and keep none with a lifetime of 0", () => {
    const { notes, wake } = setUp();
    notes.good("b", 1, "a");
    notes.dropAddress();
    strictEqual(wake().address("b", 1), undefined);
    const never = setUp(1e12, 0);
    never.notes.good("b", 1, "a");
    strictEqual(never.wake().address("b", 1), undefined);
  });

  it("leave pipelining at a broker that ended two connections on it in a row, over sleep", () => {
    const { notes, wake } = setUp();
    notes.good("b", 1, "a");
    strictEqual(notes.mayPipeline("b", 1), true);
    notes.pipelined(false);
    notes.pipelined(true);
    notes.pipelined(false);
    strictEqual(wake().mayPipeline("b", 1), true);
    notes.pipelined(false);
    strictEqual(wake().mayPipeline("b", 1), false);
    strictEqual(wake().mayPipeline("other", 1), true);
    notes.good("other", 1, "a");
    strictEqual(wake().mayPipeline("other", 1), true, "another broker begins anew");
  });

  it("take nothing from bytes that are damaged", () => {
    const { notes } = setUp();
    notes.good("b", 1, "192.0.2.7");
    const whole = notes.save()!;
    const clock = { now: () => 1e12 };
    const addresses: (string | undefined)[] = [];
    for (let length = 0; length < 13; length++)
      addresses.push(new DeviceWakeNotes(clock, hour, whole.slice(0, length)).address("b", 1));
    deepEqual(addresses, Array(13).fill(undefined));
    const other = whole.slice();
    other[0] = 9;
    strictEqual(new DeviceWakeNotes(clock, hour, other).address("b", 1), undefined);
  });
});
