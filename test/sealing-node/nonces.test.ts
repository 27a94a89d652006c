/**
 * No pair of key and nonce is ever used twice. What counts is what reaches the cipher: a `Crypto` that notes each pair stands below the whole room,
 * and the device is cut, restarted, robbed of its records and given old ones back, 100,000 times.
 */
import assert from "node:assert/strict";
import { createCrypto } from "../../hosts/node/crypto/crypto.js";
import { toHex } from "../../src/bytes.js";
import type { AEADOptions, Crypto, Key } from "../../src/platform.js";
import { Sealing, type SealingOptions } from "../../src/sealing/index.js";
import { RetainedStore, SealedBox, STORAGE_KEY } from "../../src/storage/index.js";
import { MemoryRetained, MemoryStorage, PowerCut } from "../support/memory-storage.js";
import { Random } from "../fuzz/random.js";

const real = createCrypto();

/**
 * Notes each pair of key and nonce that a message is encrypted with. The key is named by all that it derives from, so that the same key under two
 * handles is one; the encryption itself is left out, for speed.
 */
class Watcher {
  readonly pairs = new Set<string>();
  readonly crypto: Crypto;
  readonly #names = new Map<Key, string>();

  constructor() {
    this.crypto = {
      ...real,
      deriveKey: (key: Key, salt: Uint8Array, info: Uint8Array, byteLength: number) => {
        const derived = real.deriveKey(key, salt, info, byteLength);
        const parent = this.#names.get(key);
        if (parent !== undefined) this.#names.set(derived, `${parent}/${toHex(salt)}/${toHex(info)}`);
        return derived;
      },
      encrypt: ({ key, nonce }: AEADOptions, tagLength = 16) => {
        const name = this.#names.get(key);
        assert.ok(name, "a key that does not derive from the master secret");
        const pair = `${name}:${toHex(nonce)}`;
        assert.ok(!this.pairs.has(pair), `a pair of key and nonce was used again: ${pair}`);
        this.pairs.add(pair);
        return new Uint8Array(tagLength);
      },
    };
  }

  /** A handle of a master secret, whose derived keys are watched. */
  secret(name: string): Key {
    const key = real.importKey("secret", Buffer.from(name.padEnd(32, ".")));
    this.#names.set(key, name);
    return key;
  }
}

/** Storage that outlives the program, a copy of it that was put aside, and retained memory. */
class Chip {
  storage = new MemoryStorage();
  readonly memory = new MemoryRetained(300);
  /** Encryption at rest is not what is tested here: this box is never opened by anybody else. */
  readonly box = new SealedBox(real, real.importKey("secret", new Uint8Array(32).fill(1)));

  retained(): RetainedStore {
    return new RetainedStore(this.memory, this.box);
  }
}

/** What may happen to a device between two lives. */
type Fate = "nothing" | "power" | "sleep" | "delete" | "wipe" | "corrupt" | "restore" | "rotate";

const fates: readonly Fate[] = ["nothing", "power", "sleep", "delete", "wipe", "corrupt", "restore", "rotate"];

interface Story {
  readonly lives: number;
  readonly options: SealingOptions;
  readonly storage: boolean;
  readonly retained: boolean;
  /** A copy of the storage that is put back while the power is off: only a new ID Context at each power-on helps against it. */
  readonly restoreWithoutPower: boolean;
}

function live(random: Random, story: Story): { messages: number; cuts: number } {
  const watcher = new Watcher();
  const chip = new Chip();
  let backup: Map<string, Uint8Array> | undefined;
  /** The counter of a copy that was put back, until the device has replaced it. */
  let restored: string | undefined;
  let epoch = 0;
  let cuts = 0;
  const secrets = (): ReadonlyMap<number, Key> => new Map([[epoch, watcher.secret(`master ${epoch}`)]]);
  for (let life = 0; life < story.lives; life++) {
    chip.storage = chip.storage.afterReboot();
    const { storage } = chip;
    // At every write in turn: the first after a start, the second, the third.
    storage.failAt(1 + random.below(3), random.below(8) === 0 ? "fail" : random.pick(["before", "after"] as const));
    const retained = story.retained ? chip.retained() : undefined;
    const sealing = new Sealing(story.options);
    let cut = false;
    let asleep = false;
    try {
      sealing.open({
        crypto: watcher.crypto,
        storage: story.storage ? storage : undefined,
        retained,
        secrets: secrets(),
        clientIdentifier: "device",
      });
      for (let messages = random.below(12); messages > 0; messages--) {
        try {
          if (random.below(10) === 0) {
            const stream = sealing.sealStream("topic", { onBytes: () => undefined, chunkSize: 64 });
            stream.write(new Uint8Array(random.below(200)));
            stream.end();
          } else sealing.seal("topic", new Uint8Array(1));
        } catch (error) {
          if (error instanceof PowerCut || error instanceof assert.AssertionError) throw error;
          assert.equal((error as { code?: string }).code, "STORAGE_FAILED", String(error));
        }
      }
      if (random.below(4) === 0) {
        sealing.save();
        retained?.commit();
        asleep = true;
      } else if (random.below(4) === 0) sealing.close();
    } catch (error) {
      if (!(error instanceof PowerCut)) throw error;
      cut = true;
      cuts++;
    }
    // A power cut takes retained memory along; a crash, or the reset that a chip makes when its supply dips, does not.
    const fate: Fate = asleep && random.below(2) === 0 ? "sleep" : random.pick(fates);
    const now = snapshot(chip.storage);
    // Old storage, and the power gone before the device could write: that is a copy put back while the power is off, and cannot be noticed.
    if (restored !== undefined && counterIn(now) !== restored) restored = undefined;
    if (restored === undefined && ((cut && random.below(2) === 0) || fate === "power")) chip.memory.losePower();
    if (fate === "delete") replace(chip, new Map([...now].filter(([key]) => key !== STORAGE_KEY.sealingCounter)));
    if (fate === "wipe") replace(chip, new Map());
    if (fate === "corrupt" && now.has(STORAGE_KEY.sealingCounter)) {
      const bytes = now.get(STORAGE_KEY.sealingCounter)!.slice();
      bytes[random.below(bytes.byteLength)]! ^= 1 << random.below(8);
      replace(chip, new Map([...now, [STORAGE_KEY.sealingCounter, bytes]]));
    }
    if (fate === "restore" && backup && (story.retained || story.restoreWithoutPower)) {
      if (story.restoreWithoutPower) chip.memory.losePower();
      // Retained memory is there, and tells: but only if the life before left its word in it.
      else if (chip.retained().get(3) === undefined) continue;
      replace(chip, backup);
      if (!story.restoreWithoutPower) restored = counterIn(backup);
    }
    if (fate === "rotate") epoch = random.below(3);
    if (random.below(5) === 0) backup = now;
  }
  return { messages: watcher.pairs.size, cuts };
}

function snapshot(storage: MemoryStorage): Map<string, Uint8Array> {
  return new Map([...storage].map((key) => [key, new Uint8Array(storage.read(key)!)]));
}

function counterIn(values: ReadonlyMap<string, Uint8Array>): string {
  return toHex(values.get(STORAGE_KEY.sealingCounter) ?? new Uint8Array(0));
}

function replace(chip: Chip, values: Map<string, Uint8Array>): void {
  const storage = new MemoryStorage();
  for (const [key, value] of values) storage.write(key, value);
  chip.storage = storage;
}

describe("No pair of key and nonce is used twice", function () {
  this.timeout(240_000);
  const seed = Number(process.env["SEALWIRE_SEED"] ?? 1);

  const stories: Record<string, Story> = {
    "with storage and retained memory": {
      lives: 95_000,
      options: { blockSize: 2 },
      storage: true,
      retained: true,
      restoreWithoutPower: false,
    },
    "with storage alone": {
      lives: 50_000,
      options: { blockSize: 2 },
      storage: true,
      retained: false,
      restoreWithoutPower: false,
    },
    "with retained memory alone": {
      lives: 5_000,
      options: {},
      storage: false,
      retained: true,
      restoreWithoutPower: false,
    },
    "with neither": { lives: 5_000, options: {}, storage: false, retained: false, restoreWithoutPower: false },
    "when old copies are put back while the power is off, with a new ID Context at each power-on": {
      lives: 20_000,
      options: { blockSize: 2, atPowerOn: "new context" },
      storage: true,
      retained: true,
      restoreWithoutPower: true,
    },
  };
  let cuts = 0;
  // All of them where nothing may be skipped, a tenth elsewhere: they take a minute.
  const share = process.env["SEALWIRE_NO_SKIP"] === "1" ? 1 : 0.1;
  for (const [title, whole] of Object.entries(stories)) {
    const story = { ...whole, lives: whole.lives * share };
    it(`${title}: ${story.lives} lives`, () => {
      const result = live(new Random(seed), story);
      cuts += result.cuts;
      assert.ok(result.messages > story.lives, `${result.messages} messages`);
    });
  }

  it("nor by a device that was cloned before its first message", () => {
    const watcher = new Watcher();
    const secrets = new Map([[0, watcher.secret("one record on two devices")]]);
    for (let device = 0; device < 2; device++) {
      const sealing = new Sealing();
      sealing.open({ crypto: watcher.crypto, storage: new MemoryStorage(), secrets, clientIdentifier: "device" });
      for (let i = 0; i < 100; i++) sealing.seal("topic", new Uint8Array(1));
    }
    assert.equal(watcher.pairs.size, 200);
  });

  it("and this test would notice: a whole copy put back while the power is off repeats pairs by default", () => {
    // What docs/sealing.md says cannot be noticed. Should it be noticed one day, the documentation is to be changed.
    const story: Story = {
      lives: 5_000,
      options: { blockSize: 2 },
      storage: true,
      retained: true,
      restoreWithoutPower: true,
    };
    assert.throws(() => live(new Random(seed), story), /was used again/);
  });

  it("with enough power cuts to say so: at least 100,000 in all, at a write each", () => {
    console.log(`      ${cuts} power cuts at a write`);
    assert.ok(cuts >= 100_000 * share, `${cuts}`);
  });
});
