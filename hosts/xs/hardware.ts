/** What is burnt into a chip: a secret that software cannot read, and a counter that never goes back. Simulated with files. */
import { fromUTF8, toUTF8 } from "../../src/bytes.js";
import { SealwireError } from "../../src/errors.js";
import type { Crypto, MonotonicCounter, RootOfTrust } from "../../src/platform.js";
import * as file from "./native/file.js";

const secretLength = 32;

/** A file stands for the eFuse: it simulates the hardware, it does not protect anything on the desktop. */
export class FileRootOfTrust implements RootOfTrust {
  readonly #crypto: Crypto;
  readonly #path: string;

  constructor(folder: string, crypto: Crypto) {
    this.#crypto = crypto;
    this.#path = `${folder}/efuse`;
    file.ensure(this.#path, secretLength);
  }

  hmac(data: Uint8Array): Uint8Array {
    const key = this.#crypto.importKey("secret", new Uint8Array(file.read(this.#path)!));
    try {
      return this.#crypto.hmac(key, data);
    } finally {
      key.close();
    }
  }
}

export class FileCounter implements MonotonicCounter {
  readonly #path: string;

  constructor(folder: string) {
    this.#path = `${folder}/counter`;
  }

  read(): number {
    const bytes = file.read(this.#path);
    const value = bytes === undefined ? 0 : Number(fromUTF8(new Uint8Array(bytes)) || NaN);
    if (!Number.isSafeInteger(value) || value < 0)
      throw new SealwireError("STORAGE_CORRUPT", "The file of the simulated hardware counter is damaged.");
    return value;
  }

  increment(): number {
    const next = this.read() + 1;
    file.write(this.#path, toUTF8(String(next)));
    return next;
  }
}
