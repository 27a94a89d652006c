/** Counts what wears flash: writes and deletions, by key, and by what kind of wake they fell in. */
import type { KeyValueStorage } from "../../src/platform.js";

/** Of the wake in which something was written. */
export type WakeKind = "power-on" | "full handshake" | "resumed" | "not connected";

export interface StorageWear {
  /** Writes and deletions by key. */
  readonly byKey: Readonly<Record<string, number>>;
  /** Wakes of each kind, and the writes and deletions in them. */
  readonly byWake: Readonly<
    Record<WakeKind, { readonly wakes: number; readonly writes: number; readonly most: number }>
  >;
  readonly writes: number;
  readonly bytes: number;
}

export class WearCounter {
  readonly #byKey: Record<string, number> = {};
  readonly #byWake = {
    "power-on": { wakes: 0, writes: 0, most: 0 },
    "full handshake": { wakes: 0, writes: 0, most: 0 },
    resumed: { wakes: 0, writes: 0, most: 0 },
    "not connected": { wakes: 0, writes: 0, most: 0 },
  };
  #writes = 0;
  #bytes = 0;
  #before = 0;

  /** @param full tells whether writes fail now */
  count(storage: KeyValueStorage, full: () => boolean): KeyValueStorage {
    return {
      maximumKeyLength: storage.maximumKeyLength,
      maximumValueLength: storage.maximumValueLength,
      capacity: storage.capacity,
      read: (key) => storage.read(key),
      write: (key, value) => {
        if (full()) throw new Error("The storage is full, says the soak.");
        storage.write(key, value);
        this.#count(key, value.byteLength);
      },
      delete: (key) => {
        const found = storage.delete(key);
        if (found) this.#count(key, 0);
        return found;
      },
      [Symbol.iterator]: () => storage[Symbol.iterator](),
    };
  }

  /** A wake is over. */
  endWake(kind: WakeKind): void {
    const entry = this.#byWake[kind];
    const writes = this.#writes - this.#before;
    this.#before = this.#writes;
    entry.wakes++;
    entry.writes += writes;
    entry.most = Math.max(entry.most, writes);
  }

  get wear(): StorageWear {
    return { byKey: this.#byKey, byWake: this.#byWake, writes: this.#writes, bytes: this.#bytes };
  }

  #count(key: string, byteLength: number): void {
    this.#writes++;
    this.#bytes += byteLength;
    this.#byKey[key] = (this.#byKey[key] ?? 0) + 1;
  }
}
