import type { Hash } from "../../src/platform.js";
import { bytesOf, check } from "./crypto-errors.js";
import { NativeHash } from "./crypto.js";

/** SHA-256 in pieces. */
export class MbedTLSHash implements Hash {
  readonly #hash = new NativeHash();

  /** @throws SealwireError `CRYPTO_OUT_OF_MEMORY` */
  constructor() {
    check(this.#hash.begin());
  }

  update(data: Uint8Array): this {
    check(this.#hash.update(data));
    return this;
  }

  digest(): Uint8Array {
    return bytesOf(this.#hash.digest());
  }
}
