/** Storage in memory: what the engine itself costs, without a disk. */
import { toBytes } from "../../src/bytes.js";
import type { BufferLike, KeyValueStorage } from "../../src/platform.js";

export class MapStorage implements KeyValueStorage {
  readonly maximumKeyLength = 15;
  readonly maximumValueLength = 4000;
  readonly capacity = 1 << 24;
  readonly #values = new Map<string, Uint8Array>();

  read(key: string): ArrayBuffer | undefined {
    return this.#values.get(key)?.slice().buffer;
  }

  write(key: string, value: BufferLike): void {
    this.#values.set(key, toBytes(value).slice());
  }

  delete(key: string): boolean {
    return this.#values.delete(key);
  }

  [Symbol.iterator](): Iterator<string> {
    return this.#values.keys();
  }
}
