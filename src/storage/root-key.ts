/** The key that everything stored on this device is encrypted under. */
import { toUTF8, wipe } from "../bytes.js";
import type { Crypto, Key, KeyValueStorage, RootOfTrust } from "../platform.js";
import { STORAGE_KEY } from "./keys.js";

export interface RootKey {
  /** A secret key of 32 bytes. */
  readonly key: Key;
  /** Whether it derives from a secret that software cannot read. Otherwise a copy of the flash holds the key as well. */
  readonly hardwareBacked: boolean;
}

/**
 * The root key: HMAC under the hardware secret where the chip has one, else a random secret that is generated once and kept in
 * storage.
 * @returns `undefined` when there is neither a root of trust nor a storage
 */
export function openRootKey(
  crypto: Crypto,
  rootOfTrust: RootOfTrust | undefined,
  storage: KeyValueStorage | undefined,
): RootKey | undefined {
  if (rootOfTrust) {
    const secret = rootOfTrust.hmac(toUTF8("sealwire root 1"));
    return { key: importSecret(crypto, secret), hardwareBacked: true };
  }
  if (!storage) return undefined;
  const stored = storage.read(STORAGE_KEY.root);
  let secret: Uint8Array | undefined = stored && new Uint8Array(stored);
  // A root of another length is damaged beyond use: what was encrypted under it is lost either way.
  if (secret?.byteLength !== 32) {
    secret = crypto.random(32);
    storage.write(STORAGE_KEY.root, secret);
  }
  return { key: importSecret(crypto, secret), hardwareBacked: false };
}

function importSecret(crypto: Crypto, secret: Uint8Array): Key {
  const key = crypto.importKey("secret", secret);
  wipe(secret);
  return key;
}
