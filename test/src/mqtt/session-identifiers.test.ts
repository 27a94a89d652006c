import { IdentifierSet } from "../../../src/mqtt/identifier-set.js";
import { PacketIdentifiers } from "../../../src/mqtt/packet-identifiers.js";
import { deepEqual, ok, strictEqual, throws } from "../../support/assert.js";
import { describe, it } from "../../support/bdd.js";

/** The set as a list, by asking for every number. */
function members(set: IdentifierSet): number[] {
  const found: number[] = [];
  for (let id = 1; id <= 0xffff; id++) if (set.has(id)) found.push(id);
  return found;
}

describe("IdentifierSet", () => {
  it("joins neighbours to one run and splits it again", () => {
    const set = new IdentifierSet();
    for (const id of [5, 7, 6, 1, 65535]) ok(set.add(id));
    strictEqual(set.add(6), false);
    deepEqual(members(set), [1, 5, 6, 7, 65535]);
    strictEqual(set.runs, 3);
    ok(set.delete(6));
    strictEqual(set.delete(6), false);
    strictEqual(set.delete(2), false);
    deepEqual(members(set), [1, 5, 7, 65535]);
    strictEqual(set.size, 4);
  });

  it("holds what a plain set holds, whatever is done to it", () => {
    const set = new IdentifierSet();
    const plain = new Set<number>();
    let seed = 1;
    for (let i = 0; i < 4000; i++) {
      seed = (seed * 48271) % 0x7fffffff;
      const id = 1 + (seed % 60);
      if (seed % 7 < 4) strictEqual(set.add(id), !plain.has(id) && !!plain.add(id));
      else strictEqual(set.delete(id), plain.delete(id));
      strictEqual(set.size, plain.size);
    }
    deepEqual(
      members(set),
      [...plain].sort((a, b) => a - b),
    );
  });

  it("costs one run for ten thousand identifiers in a row", () => {
    const set = new IdentifierSet();
    for (let id = 1; id <= 10_000; id++) set.add(id);
    strictEqual(set.runs, 1);
    strictEqual(set.encodedLength, 4);
  });

  it("is read back as it was written", () => {
    const set = new IdentifierSet();
    for (const id of [1, 2, 3, 300, 65535]) set.add(id);
    const bytes = new Uint8Array(set.encodedLength);
    strictEqual(set.encode(bytes, 0), bytes.byteLength);
    const copy = new IdentifierSet();
    copy.decode(bytes);
    deepEqual(members(copy), [1, 2, 3, 300, 65535]);
    strictEqual(copy.size, 5);
  });

  it("refuses bytes that it would not have written, and is empty then", () => {
    const damaged = [
      [0, 0, 0, 1], // 0 is no identifier
      [0, 5, 0, 4], // ends before it begins
      [0, 1, 0, 2, 0, 3, 0, 4], // two runs that touch
      [0, 9, 0, 9, 0, 1, 0, 1], // out of order
      [0, 1, 0], // cut short
    ];
    for (const bytes of damaged) {
      const set = new IdentifierSet();
      set.add(7);
      throws(() => set.decode(Uint8Array.from(bytes)), "STORAGE_CORRUPT");
      strictEqual(set.size, 0);
    }
  });
});

describe("PacketIdentifiers", () => {
  it("counts from 1, wraps after 65535 and skips those in use", () => {
    const identifiers = new PacketIdentifiers();
    strictEqual(identifiers.allocate(), 1);
    strictEqual(identifiers.allocate(), 2);
    identifiers.release(2);
    for (let id = 3; id <= 0xffff; id++) strictEqual(identifiers.allocate(), id);
    strictEqual(identifiers.allocate(), 2);
    identifiers.release(40_000);
    strictEqual(identifiers.allocate(), 40_000);
  });

  it("refuses when all are in use, and goes on when one is free", () => {
    const identifiers = new PacketIdentifiers();
    for (let id = 1; id <= 0xffff; id++) identifiers.allocate();
    throws(() => identifiers.allocate(), "MQTT_QUEUE_FULL");
    identifiers.release(12);
    strictEqual(identifiers.allocate(), 12);
  });

  it("does not give out again what an earlier life gave out", () => {
    const identifiers = new PacketIdentifiers();
    ok(identifiers.reserve(1));
    ok(identifiers.reserve(2));
    strictEqual(identifiers.reserve(2), false);
    strictEqual(identifiers.allocate(), 3);
  });
});
