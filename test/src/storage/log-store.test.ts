import { toHex, toUTF8 } from "../../../src/bytes.js";
import { LogStore } from "../../../src/storage/index.js";
import { deepEqual, ok, strictEqual, throws } from "../../support/assert.js";
import { describe, it } from "../../support/bdd.js";
import { stride } from "../../support/effort.js";
import { FlashModel } from "../../support/flash-model.js";
import { MemoryStorage } from "../../support/memory-storage.js";

/** Small sectors, so that room is made often. */
const small = { sectors: 4, sectorLength: 256 };

function contentOf(store: LogStore): Record<string, string> {
  const content: Record<string, string> = {};
  for (const key of [...store].sort()) content[key] = toHex(new Uint8Array(store.read(key)!));
  return content;
}

function value(seed: number, byteLength: number): Uint8Array {
  return Uint8Array.from({ length: byteLength }, (_, i) => (seed * 31 + i * 7) & 0xff);
}

/** A deterministic sequence of writes and deletions: [key, value or undefined]. */
function* changes(count: number): Generator<[string, Uint8Array | undefined]> {
  for (let i = 0, random = 1; i < count; i++) {
    random = (random * 1103515245 + 12345) & 0x7fffffff;
    const key = `key${(random >> 8) % 5}`;
    yield [key, (random >> 16) % 5 === 0 ? undefined : value(i, (random >> 12) % 60)];
  }
}

function apply(store: LogStore, [key, bytes]: [string, Uint8Array | undefined]): void {
  if (bytes === undefined) store.delete(key);
  else store.write(key, bytes);
}

describe("log store on raw flash", () => {
  it("finds on a flash of unknown content nothing, and keeps what is written over a restart", () => {
    const flash = new FlashModel();
    const store = new LogStore(flash);
    deepEqual([...store], []);
    store.write("a", toUTF8("one"));
    store.write("b", new Uint8Array(0));
    store.write("a", toUTF8("two"));
    const again = new LogStore(flash.afterReboot());
    deepEqual(new Uint8Array(again.read("a")!), toUTF8("two"));
    deepEqual(new Uint8Array(again.read("b")!), new Uint8Array(0));
    strictEqual(again.delete("a"), true);
    strictEqual(again.delete("a"), false);
    strictEqual(again.read("a"), undefined);
  });

  it("takes values that the ESP8266's own store, 63 bytes, refuses", () => {
    const stock = new MemoryStorage({ maximumValueLength: 63 });
    throws(() => stock.write("key", new Uint8Array(64)), "STORAGE_VALUE_TOO_LARGE");
    const store = new LogStore(new FlashModel());
    const largest = value(1, store.maximumValueLength);
    store.write("fifteen.letters", largest);
    deepEqual(new Uint8Array(store.read("fifteen.letters")!), largest);
    throws(() => store.write("key", new Uint8Array(store.maximumValueLength + 1)), "STORAGE_VALUE_TOO_LARGE");
    throws(() => store.write("sixteen.letters.", new Uint8Array(1)), "INVALID_ARGUMENT");
    throws(() => store.write("", new Uint8Array(1)), "INVALID_ARGUMENT");
  });

  it("agrees with a map over thousands of writes and deletions, restarts in between", () => {
    const flash = new FlashModel(small);
    let store = new LogStore(flash);
    const model = new Map<string, Uint8Array>();
    let count = 0;
    for (const change of changes(3000)) {
      apply(store, change);
      if (change[1] === undefined) model.delete(change[0]);
      else model.set(...(change as [string, Uint8Array]));
      if (++count % 97 === 0) store = new LogStore(flash);
      strictEqual([...store].length, model.size);
      for (const [key, bytes] of model) deepEqual(new Uint8Array(store.read(key)!), bytes);
    }
  });

  it("has every key old or new after power failed at any byte, and goes on", () => {
    const all = [...changes(60)];
    // What the store holds before each change and after it.
    const states: Record<string, string>[] = [];
    const stepsAt: number[] = [];
    const flash = new FlashModel(small);
    const store = new LogStore(flash);
    const formatted = flash.bytes.slice();
    const first = flash.steps;
    states.push(contentOf(store));
    for (const change of all) {
      stepsAt.push(flash.steps - first);
      apply(store, change);
      states.push(contentOf(store));
    }
    const total = flash.steps - first;
    ok(
      flash.erases.some((erases) => erases > 2),
      "no room had to be made",
    );
    for (let cut = 1; cut <= total; cut += stride(7)) {
      const broken = new FlashModel({ ...small, bytes: formatted.slice() });
      const before = new LogStore(broken);
      broken.cutAt(cut);
      let done = 0;
      try {
        for (const change of all) {
          apply(before, change);
          if (broken.dead) break;
          done++;
        }
      } catch {
        ok(broken.dead, `failed without a cut at ${cut}`);
      }
      // A second cut while it recovers must not matter either.
      const twice = broken.afterReboot();
      twice.cutAt((cut % 40) + 1);
      try {
        new LogStore(twice);
      } catch {
        ok(twice.dead, `recovery failed without a cut at ${cut}`);
      }
      const after = new LogStore(twice.afterReboot());
      const content = JSON.stringify(contentOf(after));
      const [old, next] = [JSON.stringify(states[done]), JSON.stringify(states[done + 1])];
      ok(
        content === old || content === next,
        `cut at ${cut} of ${total}, change ${done}: ${content} of ${old}, ${next}`,
      );
      for (let i = 0; i < 20; i++) after.write("again", value(i, 40));
      deepEqual(new Uint8Array(after.read("again")!), value(19, 40));
    }
  });

  it("leaves nothing of an overwritten or deleted value on the flash", () => {
    const flash = new FlashModel();
    const store = new LogStore(flash);
    const secret = value(77, 40);
    store.write("key", secret);
    ok(toHex(flash.bytes).includes(toHex(secret)), "positive control");
    store.write("key", value(1, 40));
    ok(!toHex(flash.bytes).includes(toHex(secret)));
    store.delete("key");
    ok(!toHex(flash.bytes).includes(toHex(value(1, 40))));
  });

  it("never gives a value whose bits were flipped, whichever", () => {
    const flash = new FlashModel(small);
    const store = new LogStore(flash);
    store.write("key", value(3, 30));
    const { bytes } = flash;
    let lost = 0;
    for (let bit = 0; bit < 8 * bytes.byteLength; bit++) {
      const copy = bytes.slice();
      copy[bit >> 3]! ^= 1 << (bit & 7);
      const found = new LogStore(new FlashModel({ ...small, bytes: copy })).read("key");
      if (found === undefined) lost++;
      else deepEqual(new Uint8Array(found), value(3, 30));
    }
    ok(lost >= 8 * 30, "a flipped bit in the value went unnoticed");
  });

  it("spreads the wear over all sectors, those with values that never change included", () => {
    const flash = new FlashModel(small);
    const store = new LogStore(flash);
    store.write("constant1", value(1, 90));
    store.write("constant2", value(2, 90));
    for (let i = 0; i < 10_000; i++) store.write("counter", value(i, 20));
    deepEqual(new Uint8Array(store.read("constant1")!), value(1, 90));
    const [least, most] = [Math.min(...flash.erases), Math.max(...flash.erases)];
    ok(most < 1.5 * least, `wear is ${flash.erases.join(", ")}`);
    deepEqual(store.wear, flash.erases, "the store counts what the flash counts");
  });

  it("says that it is full, keeps what it has, and takes values again once there is room", () => {
    const store = new LogStore(new FlashModel(small));
    let count = 0;
    const error = throws(() => {
      for (; count < 100; count++) store.write(`key${count}`, value(count, 50));
    }, "STORAGE_FAILED");
    ok(error.message.includes("full"));
    ok(count >= 6, `only ${count} values fitted`);
    for (let i = 0; i < count; i++) deepEqual(new Uint8Array(store.read(`key${i}`)!), value(i, 50));
    store.delete("key0");
    store.write("other", value(9, 50));
    deepEqual(new Uint8Array(store.read("other")!), value(9, 50));
  });
});
