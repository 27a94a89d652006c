/** Key-value storage whose values are encrypted and bound to their key: see {@link SealedBox}. Key names stay in the clear. */
import { toBytes, wipe } from "../bytes.js";
import type { BufferLike, KeyValueStorage } from "../platform.js";
import { SealedBox } from "./sealed-box.js";

export class EncryptedStore implements KeyValueStorage {
  readonly maximumKeyLength: number;
  readonly maximumValueLength: number;
  readonly capacity: number;
  readonly #storage: KeyValueStorage;
  readonly #box: SealedBox;

  constructor(storage: KeyValueStorage, box: SealedBox) {
    this.#storage = storage;
    this.#box = box;
    this.maximumKeyLength = storage.maximumKeyLength;
    this.maximumValueLength = storage.maximumValueLength - SealedBox.overhead;
    this.capacity = storage.capacity;
  }

  /** @throws SealwireError `STORAGE_CORRUPT` when the value is damaged, forged, or was moved here from another key */
  read(key: string): ArrayBuffer | undefined {
    const box = this.#storage.read(key);
    if (box === undefined) return undefined;
    const content = this.#box.openInPlace(key, new Uint8Array(box));
    const { buffer } = content.slice();
    // Of what may be secret one copy is enough.
    wipe(content);
    return buffer;
  }

  write(key: string, value: BufferLike): void {
    this.#storage.write(key, this.#box.seal(key, toBytes(value)));
  }

  delete(key: string): boolean {
    return this.#storage.delete(key);
  }

  [Symbol.iterator](): Iterator<string> {
    return this.#storage[Symbol.iterator]();
  }
}
