/** A private key that was born on the device and waits for its certificate; it outlives power cuts, since a certificate may take days. */
import { equal, wipe } from "../bytes.js";
import { SealwireError } from "../errors.js";
import type { Crypto, Key, KeyValueStorage } from "../platform.js";
import { STORAGE_KEY, type VersionedBox } from "../storage/index.js";

const KEY = STORAGE_KEY.vaultPendingKey;

export class PendingKey {
  readonly #storage: KeyValueStorage;
  readonly #crypto: Crypto;
  readonly #box: VersionedBox;

  constructor(storage: KeyValueStorage, crypto: Crypto, box: VersionedBox) {
    this.#storage = storage;
    this.#crypto = crypto;
    this.#box = box;
  }

  /** The key, made when there is none. The caller closes it. @throws SealwireError `STORAGE_FAILED` */
  open(): Key {
    const stored = this.read();
    if (stored) return this.import(stored);
    const key = this.#crypto.generateKey();
    const bytes = this.#crypto.exportPrivateKey(key);
    try {
      this.#storage.write(KEY, this.#box.seal(KEY, 1, bytes));
    } catch (error) {
      key.close();
      throw error;
    } finally {
      wipe(bytes);
    }
    return key;
  }

  /** PKCS#8, DER, for the vault's record: the caller wipes it. @throws SealwireError `INVALID_STATE` when there is none */
  export(): Uint8Array {
    const stored = this.read();
    if (stored === undefined)
      throw new SealwireError("INVALID_STATE", "No certificate was requested: there is no key that waits for one.");
    return stored;
  }

  /** Deletes the key when it is the one that is in force now. */
  forget(inForce: Key | undefined): void {
    const stored = inForce && this.read();
    if (stored === undefined) return;
    const key = this.import(stored);
    const same = equal(this.#crypto.publicKey(key), this.#crypto.publicKey(inForce!));
    key.close();
    if (same) this.#storage.delete(KEY);
  }

  private import(bytes: Uint8Array): Key {
    const key = this.#crypto.importKey("private", bytes);
    wipe(bytes);
    return key;
  }

  private read(): Uint8Array | undefined {
    const bytes = this.#storage.read(KEY);
    if (bytes === undefined) return undefined;
    try {
      return this.#box.open(KEY, new Uint8Array(bytes)).content;
    } catch {
      return undefined; // Damaged or foreign: a new one is made, and the request sent again.
    }
  }
}
