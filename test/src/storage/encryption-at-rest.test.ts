import { platform } from "sealwire/host";
import { toHex, toUTF8 } from "../../../src/bytes.js";
import { EncryptedStore, openRootKey, RetainedStore, SealedBox } from "../../../src/storage/index.js";
import { deepEqual, ok, strictEqual, throws } from "../../support/assert.js";
import { describe, it } from "../../support/bdd.js";
import { MemoryRetained, MemoryStorage, PowerCut } from "../../support/memory-storage.js";

const { crypto } = platform;
const content = toUTF8("a TLS session, say");

function newBox(): SealedBox {
  return new SealedBox(crypto, crypto.importKey("secret", crypto.random(32)));
}

/** Every box that differs from `box` in one bit, and every beginning of it. */
function* damaged(box: Uint8Array): Generator<Uint8Array> {
  for (let bit = 0; bit < 8 * box.byteLength; bit++) {
    const copy = box.slice();
    copy[bit >> 3]! ^= 1 << (bit & 7);
    yield copy;
  }
  for (let length = 0; length < box.byteLength; length++) yield box.slice(0, length);
}

describe("sealed box", () => {
  it("gives back what was put in, empty content included", () => {
    const box = newBox();
    deepEqual(box.open("label", box.seal("label", content)), content);
    deepEqual(box.open("label", box.seal("label", new Uint8Array(0))), new Uint8Array(0));
  });

  it("is 45 bytes longer than its content, and shows none of it", () => {
    const sealed = newBox().seal("label", content);
    strictEqual(sealed.byteLength, content.byteLength + 45);
    ok(!toHex(sealed).includes(toHex(content)));
  });

  it("never uses a salt or nonce again", () => {
    const box = newBox();
    const seen = new Set(Array.from({ length: 1000 }, () => toHex(box.seal("label", content).subarray(1, 29))));
    strictEqual(seen.size, 1000);
  });

  it("is refused when any bit is changed or any byte is missing", () => {
    const box = newBox();
    for (const copy of damaged(box.seal("label", content))) throws(() => box.open("label", copy), "STORAGE_CORRUPT");
  });

  it("is refused under another label, and by another device", () => {
    const box = newBox();
    const sealed = box.seal("label", content);
    throws(() => box.open("other", sealed), "STORAGE_CORRUPT");
    throws(() => newBox().open("label", sealed), "STORAGE_CORRUPT");
  });

  it("leaves what it is given unchanged", () => {
    const box = newBox();
    const given = content.slice();
    const sealed = box.seal("label", given);
    deepEqual(given, content);
    const copy = sealed.slice();
    box.open("label", sealed);
    deepEqual(sealed, copy);
  });
});

describe("encrypted store", () => {
  it("keeps values unreadable in the storage below", () => {
    const storage = new MemoryStorage();
    const store = new EncryptedStore(storage, newBox());
    store.write("key", content);
    deepEqual(new Uint8Array(store.read("key")!), content);
    ok(!toHex(new Uint8Array(storage.read("key")!)).includes(toHex(content)));
    deepEqual([...store], ["key"]);
    strictEqual(store.delete("key"), true);
    strictEqual(store.read("key"), undefined);
  });

  it("leaves no second copy of a value behind that was read, nor does retained memory", () => {
    const box = newBox();
    const handedOut: Uint8Array[] = [];
    const keep = (bytes: Uint8Array): void => void handedOut.push(bytes);
    class Watched extends MemoryStorage {
      override read(key: string): ArrayBuffer | undefined {
        const value = super.read(key);
        if (value) keep(new Uint8Array(value));
        return value;
      }
    }
    const store = new EncryptedStore(new Watched(), box);
    store.write("key", content);
    deepEqual(new Uint8Array(store.read("key")!), content);
    const memory = new MemoryRetained();
    const before = new RetainedStore(memory, box);
    before.set(1, content);
    before.commit();
    const read = memory.read.bind(memory);
    memory.read = (offset, buffer) => {
      read(offset, buffer);
      keep(buffer);
    };
    deepEqual(new RetainedStore(memory, box).get(1), content);
    ok(handedOut.length >= 2);
    for (const bytes of handedOut) ok(!toHex(bytes).includes(toHex(content)));
  });

  it("refuses a value that was moved to another key", () => {
    const storage = new MemoryStorage();
    const store = new EncryptedStore(storage, newBox());
    store.write("one", content);
    storage.write("two", storage.read("one")!);
    throws(() => store.read("two"), "STORAGE_CORRUPT");
  });

  it("holds values as large as it says, and refuses larger ones", () => {
    const store = new EncryptedStore(new MemoryStorage({ maximumValueLength: 100 }), newBox());
    store.write("key", new Uint8Array(store.maximumValueLength));
    throws(() => store.write("key", new Uint8Array(store.maximumValueLength + 1)), "STORAGE_VALUE_TOO_LARGE");
  });
});

describe("root key", () => {
  it("derives from the hardware secret where there is one, and writes nothing", () => {
    const storage = new MemoryStorage();
    const root = openRootKey(crypto, { hmac: () => new Uint8Array(32).fill(7) }, storage)!;
    strictEqual(root.hardwareBacked, true);
    strictEqual(storage.writes, 0);
  });

  it("is generated once and kept in storage where there is none", () => {
    const storage = new MemoryStorage();
    const first = openRootKey(crypto, undefined, storage)!;
    strictEqual(first.hardwareBacked, false);
    const sealed = new SealedBox(crypto, first.key).seal("label", content);
    const again = openRootKey(crypto, undefined, storage.afterReboot())!;
    deepEqual(new SealedBox(crypto, again.key).open("label", sealed), content);
    const other = openRootKey(crypto, undefined, new MemoryStorage())!;
    throws(() => new SealedBox(crypto, other.key).open("label", sealed), "STORAGE_CORRUPT");
  });

  it("is never returned before it is stored", () => {
    const storage = new MemoryStorage();
    storage.failAt(1, "fail");
    throws(() => openRootKey(crypto, undefined, storage), "STORAGE_FAILED");
  });

  it("does not exist where there is neither", () => {
    strictEqual(openRootKey(crypto, undefined, undefined), undefined);
  });
});

describe("retained store", () => {
  it("keeps sections over deep sleep, and nothing over a power cut", () => {
    const memory = new MemoryRetained();
    const box = newBox();
    const store = new RetainedStore(memory, box);
    store.set(1, content);
    store.set(2, Uint8Array.of(2));
    deepEqual(store.commit(), []);
    const woken = new RetainedStore(memory, box);
    deepEqual(woken.get(1), content);
    deepEqual(woken.get(2), Uint8Array.of(2));
    memory.losePower();
    strictEqual(new RetainedStore(memory, box).get(1), undefined);
  });

  it("removes a section", () => {
    const memory = new MemoryRetained();
    const box = newBox();
    const store = new RetainedStore(memory, box);
    store.set(1, content);
    store.commit();
    store.set(1, undefined);
    store.commit();
    strictEqual(new RetainedStore(memory, box).get(1), undefined);
  });

  it("drops the sections of the lowest priority when not all of them fit, and says which", () => {
    const memory = new MemoryRetained(2 + 45 + 3 + 40 + 3 + 10);
    const box = newBox();
    const store = new RetainedStore(memory, box);
    store.set(5, new Uint8Array(11));
    store.set(1, new Uint8Array(40));
    store.set(2, new Uint8Array(11));
    store.set(3, new Uint8Array(10));
    deepEqual(store.commit(), [2, 5]);
    const woken = new RetainedStore(memory, box);
    strictEqual(woken.get(1)?.byteLength, 40);
    strictEqual(woken.get(3)?.byteLength, 10);
    strictEqual(woken.get(2), undefined);
  });

  it("drops everything where there is next to no memory", () => {
    const store = new RetainedStore(new MemoryRetained(10), newBox());
    store.set(1, content);
    deepEqual(store.commit(), [1]);
  });

  it("takes memory with any changed bit for empty", () => {
    const memory = new MemoryRetained(100);
    const box = newBox();
    const store = new RetainedStore(memory, box);
    store.set(1, content);
    store.commit();
    const good = memory.bytes.slice(0, 2 + 45 + 3 + content.byteLength);
    for (const copy of damaged(good)) {
      memory.losePower();
      memory.bytes.set(copy.byteLength === good.byteLength ? copy : good.subarray(0, copy.byteLength));
      const found = new RetainedStore(memory, box).get(1);
      // A cut copy may by chance be followed by the byte that belongs there.
      ok(found === undefined || memory.bytes.subarray(0, good.byteLength).every((byte, i) => byte === good[i]));
    }
  });

  it("writes nothing when nothing changed", () => {
    const memory = new MemoryRetained();
    const store = new RetainedStore(memory, newBox());
    const before = memory.bytes.slice();
    store.commit();
    deepEqual(memory.bytes, before);
  });
});

describe("memory storage of these tests", () => {
  it("leaves the old or the new value when the power is cut at a write", () => {
    for (const how of ["before", "after"] as const) {
      const storage = new MemoryStorage();
      storage.write("key", Uint8Array.of(1));
      storage.failAt(1, how);
      try {
        storage.write("key", Uint8Array.of(2));
        ok(false, "the power was not cut");
      } catch (error) {
        ok(error instanceof PowerCut);
      }
      deepEqual(storage.afterReboot().read("key"), Uint8Array.of(how === "before" ? 1 : 2).buffer);
    }
  });
});
