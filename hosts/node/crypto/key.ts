/** Keys of the host's cryptography: OpenSSL keeps the bytes, the firmware a handle. */
import { createSecretKey, type KeyObject } from "node:crypto";
import { SealwireError } from "../../../src/errors.js";
import type { Key } from "../../../src/platform.js";

export class NodeKey implements Key {
  readonly type: Key["type"];
  /** OpenSSL wipes the memory once the last reference is gone. */
  #object: KeyObject | undefined;

  constructor(object: KeyObject) {
    this.type = object.type;
    this.#object = object;
  }

  close(): void {
    this.#object = undefined;
  }

  static objectOf(key: Key, type: Key["type"]): KeyObject {
    if (!(key instanceof NodeKey)) throw new SealwireError("INVALID_ARGUMENT", "The key is not one of this host.");
    if (key.#object === undefined) throw new SealwireError("INVALID_STATE", "The key was closed.");
    if (key.type !== type)
      throw new SealwireError("CRYPTO_INVALID", `A ${type} key is needed here, and this is a ${key.type} key.`);
    return key.#object;
  }
}

/**
 * The key inside a handle.
 * @throws SealwireError `INVALID_STATE` when it was closed, `CRYPTO_INVALID` when it is of another type,
 * `INVALID_ARGUMENT` when it is of another host
 */
export function keyObject(key: Key, type: Key["type"]): KeyObject {
  return NodeKey.objectOf(key, type);
}

/** A secret key of these bytes, which are copied and then wiped. */
export function secretKey(bytes: Uint8Array): NodeKey {
  const key = new NodeKey(createSecretKey(bytes));
  bytes.fill(0);
  return key;
}
