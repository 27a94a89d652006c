/** The key-value storage of the contract over ESP-IDF's NVS: writes are atomic by key, values of one kilobyte or more span pages. */
import { toBytes } from "../../src/bytes.js";
import { SealwireError } from "../../src/errors.js";
import type { BufferLike, KeyValueStorage } from "../../src/platform.js";
import { storage, type Domain } from "./esp-sdk.js";

/** What is said of the SDK's own partition of 24 KB: three pages of 4,000 bytes stay free of what others keep there. */
const capacity = 12_000;

export class NVSStorage implements KeyValueStorage {
  readonly maximumKeyLength = 15;
  readonly maximumValueLength = 4000;
  readonly capacity = capacity;
  readonly #domain: Domain;

  /** @throws SealwireError `STORAGE_FAILED` */
  constructor(namespace: string) {
    this.#domain = attempt(() => storage.open({ path: namespace }), "The storage cannot be opened.");
  }

  read(key: string): ArrayBuffer | undefined {
    return attempt(() => this.#domain.read(key), `The stored value ${key} cannot be read.`);
  }

  write(key: string, value: BufferLike): void {
    const { byteLength } = toBytes(value);
    if (byteLength > this.maximumValueLength)
      throw new SealwireError(
        "STORAGE_VALUE_TOO_LARGE",
        `The value ${key} has ${byteLength} bytes; the storage takes ${this.maximumValueLength}.`,
      );
    attempt(() => this.#domain.write(key, value), `The value ${key} cannot be stored.`);
  }

  delete(key: string): boolean {
    return attempt(() => {
      const found = this.#domain.read(key) !== undefined;
      if (found) this.#domain.delete(key);
      return found;
    }, `The value ${key} cannot be deleted.`);
  }

  [Symbol.iterator](): Iterator<string> {
    return attempt(() => [...this.#domain][Symbol.iterator](), "The storage cannot be read.");
  }
}

function attempt<T>(what: () => T, sentence: string): T {
  try {
    return what();
  } catch (cause) {
    throw new SealwireError("STORAGE_FAILED", sentence, { cause });
  }
}
