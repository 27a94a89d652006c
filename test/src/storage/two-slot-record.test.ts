import { platform } from "sealwire/host";
import { toUTF8 } from "../../../src/bytes.js";
import { LogStore, TwoSlotRecord, VersionedBox } from "../../../src/storage/index.js";
import type { KeyValueStorage, Key } from "../../../src/platform.js";
import { deepEqual, ok, strictEqual, throws } from "../../support/assert.js";
import { describe, it } from "../../support/bdd.js";
import { FlashModel } from "../../support/flash-model.js";
import { MemoryStorage, PowerCut } from "../../support/memory-storage.js";

const { crypto } = platform;
const keys = { slots: ["a", "b"], pointer: "p" } as const;
const note = toUTF8("note");
const [one, two, three] = [toUTF8("one"), toUTF8("two"), toUTF8("three")];

function newRoot(): Key {
  return crypto.importKey("secret", crypto.random(32));
}

function recordOn(storage: KeyValueStorage, root: Key): TwoSlotRecord {
  return new TwoSlotRecord(storage, new VersionedBox(crypto, root), keys);
}

function started(root = newRoot()): { storage: MemoryStorage; record: TwoSlotRecord; root: Key } {
  const storage = new MemoryStorage();
  const record = recordOn(storage, root);
  record.create(1, one, note);
  return { storage, record, root };
}

describe("two-slot record", () => {
  it("does not exist at first, and exists with its note once created", () => {
    const storage = new MemoryStorage();
    const root = newRoot();
    const record = recordOn(storage, root);
    strictEqual(record.load(), undefined);
    throws(() => record.read(), "INVALID_STATE");
    record.create(1, one, note);
    const again = recordOn(storage.afterReboot(), root);
    deepEqual(again.load()?.note, note);
    deepEqual(again.read(), one);
    throws(() => again.create(1, two, note), "INVALID_STATE");
    throws(() => again.commit(note), "INVALID_STATE");
    throws(() => again.readStaged(), "INVALID_STATE");
  });

  it("keeps the record in force beside the staged one until commit", () => {
    const { record } = started();
    record.stage(2, two, note);
    deepEqual([record.read(), record.readStaged()], [one, two]);
    record.commit(note);
    deepEqual([record.state?.version, record.state?.staged], [2, undefined]);
    deepEqual(record.read(), two);
  });

  it("forgets the staged one after rollback, and leaves no bytes of it after tidy", () => {
    const { record, storage } = started();
    record.stage(2, two, note);
    record.rollback(note);
    record.tidy();
    deepEqual([...storage].sort(), ["a", "p"]);
    deepEqual(record.read(), one);
  });

  it("has the old or the new record after power failed at any write", () => {
    for (const how of ["before", "after"] as const)
      for (let n = 1; ; n++) {
        const { storage, record, root } = started();
        storage.failAt(n, how);
        let finished = false;
        try {
          record.stage(2, two, note);
          record.commit(note);
          record.tidy();
          finished = true;
        } catch (error) {
          ok(error instanceof PowerCut);
        }
        const again = recordOn(storage.afterReboot(), root);
        const state = again.load()!;
        deepEqual(again.read(), state.version === 2 ? two : one);
        if (state.version === 1) {
          again.stage(2, three, note);
          deepEqual(again.readStaged(), three, "a second attempt");
        }
        if (finished) {
          strictEqual(n, 5, "every change was cut: slot, pointer, pointer, and one deletion");
          break;
        }
      }
  });

  it("has the old or the new record after power failed at any byte of raw flash", () => {
    const small = { sectors: 4, sectorLength: 512 };
    for (let cut = 1; ; cut += 3) {
      const flash = new FlashModel(small);
      const root = newRoot();
      const record = recordOn(new LogStore(flash), root);
      record.create(1, one, note);
      flash.cutAt(cut);
      try {
        record.stage(2, two, note);
        record.commit(note);
        record.tidy();
      } catch {
        ok(flash.dead);
      }
      const again = recordOn(new LogStore(flash.afterReboot()), root);
      const state = again.load()!;
      deepEqual(again.read(), state.version === 2 ? two : one, `cut at ${cut}`);
      if (!flash.dead) break;
    }
  });

  it("tells a damaged, a swapped, an older, a foreign and an earlier attempt's slot apart", () => {
    const { storage, record, root } = started();
    const firstSlot = storage.read("a")!;
    record.stage(2, three, note);
    const attempt = storage.read("b")!;
    record.stage(2, two, note);
    const second = storage.read("b")!;
    record.commit(note);
    const loaded = (key: string, bytes: ArrayBuffer | Uint8Array): (() => Uint8Array) => {
      const changed = storage.afterReboot();
      changed.write(key, bytes);
      const again = recordOn(changed, root);
      again.load();
      return () => again.read();
    };
    deepEqual(loaded("b", second)(), two);
    throws(loaded("b", attempt), "STORAGE_CORRUPT");
    throws(loaded("b", firstSlot), "STORAGE_CORRUPT");
    const older = new VersionedBox(crypto, root).seal("b", 1, one);
    throws(loaded("b", older), "STORAGE_ROLLED_BACK");
    throws(loaded("b", new VersionedBox(crypto, newRoot()).seal("b", 2, two)), "STORAGE_WRONG_ROOT");
    throws(loaded("b", new Uint8Array(second).subarray(1)), "STORAGE_CORRUPT");
    const without = storage.afterReboot();
    without.delete("b");
    const again = recordOn(without, root);
    again.load();
    throws(() => again.read(), "STORAGE_CORRUPT");
  });

  it("erases itself, the pointer first", () => {
    const { storage, record, root } = started();
    record.stage(2, two, note);
    storage.failAt(1, "after");
    let cut: unknown;
    try {
      record.erase();
    } catch (error) {
      cut = error;
    }
    ok(cut instanceof PowerCut, "the power was cut in the midst of it");
    const rebooted = storage.afterReboot();
    const left = [...rebooted];
    ok(left.length > 0 && !left.includes("p"), left.join());
    const again = recordOn(rebooted, root);
    strictEqual(again.load(), undefined);
    again.erase();
    deepEqual([...rebooted], []);
  });
});
