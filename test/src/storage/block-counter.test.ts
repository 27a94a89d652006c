import { fromHex } from "../../../src/bytes.js";
import { SealwireError } from "../../../src/errors.js";
import { BlockCounter, type ReservedBlock } from "../../../src/storage/index.js";
import { deepEqual, strictEqual, throws } from "../../support/assert.js";
import { describe, it } from "../../support/bdd.js";
import { MemoryStorage, PowerCut, type CutPoint } from "../../support/memory-storage.js";

const key = "sw.test";
const name = fromHex("0102030405");

function counter(storage: MemoryStorage, block: Partial<ReservedBlock> = {}, maximum = 2 ** 40 - 1): BlockCounter {
  const end = block.end ?? 0;
  return new BlockCounter({ storage, key, name, next: end, end, blockSize: 8, maximum });
}

describe("Block counter", () => {
  it("counts from where it is told, with one write for each block", () => {
    const storage = new MemoryStorage();
    const numbers = counter(storage);
    for (let i = 0; i < 20; i++) strictEqual(numbers.take(), i);
    strictEqual(storage.writes, 3);
    deepEqual(BlockCounter.read(storage, key), { name, end: 24 });
  });

  it("reserves before it gives a number, and gives none when that fails", () => {
    const storage = new MemoryStorage();
    const numbers = counter(storage);
    storage.failAt(1, "fail");
    throws(() => numbers.take(), "STORAGE_FAILED");
    strictEqual(numbers.take(), 0);
  });

  it("never gives a number twice, wherever the power is cut", () => {
    for (const how of ["before", "after"] as readonly CutPoint[])
      for (let at = 1; at <= 4; at++) {
        let storage = new MemoryStorage();
        const given = new Set<number>();
        storage.failAt(at, how);
        for (let life = 0; life < 4; life++) {
          const numbers = counter(storage, BlockCounter.read(storage, key));
          try {
            for (let i = 0; i < 11; i++) {
              const number = numbers.take()!;
              strictEqual(given.has(number), false, `${how} write ${at}: ${number} again`);
              given.add(number);
            }
          } catch (error) {
            if (!(error instanceof PowerCut)) throw error;
          }
          storage = storage.afterReboot();
        }
      }
  });

  it("never gives a number twice to two objects that use one storage, in whatever order they take", () => {
    for (let order = 0; order < 2 ** 12; order++) {
      const storage = new MemoryStorage();
      counter(storage).take();
      const block = BlockCounter.read(storage, key);
      const both = [0, 1].map(
        () => new BlockCounter({ storage, key, name, next: block!.end, end: block!.end, blockSize: 2, maximum: 1000 }),
      );
      const given = new Set<number>([0]);
      for (let i = 0; i < 12; i++) {
        const number = both[(order >> i) & 1]!.take()!;
        strictEqual(given.has(number), false, `order ${order}: ${number} again`);
        given.add(number);
      }
    }
  });

  it("gives nothing more once what it reserved is gone, or another counter took its place", () => {
    const harms: readonly ((storage: MemoryStorage) => void)[] = [
      (storage) => void storage.delete(key),
      (storage) => storage.write(key, new Uint8Array(5)),
      (storage) => void new BlockCounter({ ...common, storage, name: fromHex("09") }).take(),
    ];
    const common = { key, next: 0, end: 0, blockSize: 8, maximum: 1000 };
    for (const harm of harms) {
      const storage = new MemoryStorage();
      const numbers = counter(storage);
      for (let i = 0; i < 8; i++) numbers.take();
      harm(storage);
      throws(() => numbers.take(), "INVALID_STATE");
      throws(() => numbers.take(), "INVALID_STATE");
    }
  });

  it("tries again when storage could not be read", () => {
    const storage = new MemoryStorage();
    const numbers = counter(storage);
    for (let i = 0; i < 8; i++) numbers.take();
    const read = storage.read.bind(storage);
    storage.read = () => {
      throw new SealwireError("STORAGE_FAILED", "The flash does not answer.");
    };
    throws(() => numbers.take(), "STORAGE_FAILED");
    storage.read = read;
    strictEqual(numbers.take(), 8);
  });

  it("ends at its maximum when another object has used the last numbers", () => {
    const storage = new MemoryStorage();
    counter(storage).take();
    const [one, other] = [
      counter(storage, BlockCounter.read(storage, key), 15),
      counter(storage, { name, end: 8 }, 15),
    ];
    for (let i = 8; i < 16; i++) strictEqual(one.take(), i);
    strictEqual(other.take(), undefined);
    strictEqual(BlockCounter.read(storage, key)?.end, 16);
  });

  it("ends at its maximum, and keeps numbers of 48 bits", () => {
    const storage = new MemoryStorage();
    const maximum = 2 ** 48 - 2;
    new BlockCounter({ storage, key, name, next: maximum - 10, end: 0, blockSize: 8, maximum }).take();
    const numbers = counter(storage, BlockCounter.read(storage, key), maximum);
    deepEqual(
      [numbers.take(), numbers.take(), numbers.take(), numbers.take()],
      [maximum - 2, maximum - 1, maximum, undefined],
    );
    strictEqual(BlockCounter.read(storage, key)?.end, maximum + 1);
  });

  it("reads nothing out of what is damaged, short or of another format", () => {
    const storage = new MemoryStorage();
    strictEqual(BlockCounter.read(storage, key), undefined);
    counter(storage).take();
    const good = new Uint8Array(storage.read(key)!);
    for (let i = 0; i < good.byteLength; i++)
      for (let bit = 0; bit < 8; bit++) {
        const bad = good.slice();
        bad[i]! ^= 1 << bit;
        storage.write(key, bad);
        strictEqual(BlockCounter.read(storage, key), undefined, `byte ${i}, bit ${bit}`);
      }
    for (let length = 0; length < good.byteLength; length++) {
      storage.write(key, good.subarray(0, length));
      strictEqual(BlockCounter.read(storage, key), undefined, `${length} bytes`);
    }
    const broken = new MemoryStorage();
    broken.read = () => {
      throw new Error("The flash is worn out.");
    };
    strictEqual(BlockCounter.read(broken, key), undefined);
  });
});
