/**
 * Encryption at rest: a value becomes an opaque, authenticated box that only this device can open.
 *
 * Box = format (1 byte, 1), salt (16 bytes), nonce (12 bytes), ciphertext, tag (16 bytes). Each box has a key of its own,
 * HKDF-SHA-256(root, salt, "sealwire box"), and a random nonce, both fresh: neither depends on a counter or a place, so no power
 * cut and no restored copy of the flash can make a (key, nonce) pair repeat. AES-256-GCM; the additional data is the format and
 * the label, so that a box is refused under another name.
 */
import { toUTF8 } from "../bytes.js";
import { SealwireError } from "../errors.js";
import type { Crypto, Key } from "../platform.js";

const FORMAT = 1;
const SALT = 16;
const NONCE = 12;
const TAG = 16;

export class SealedBox {
  /** Bytes that a box is longer than its content. */
  static readonly overhead = 1 + SALT + NONCE + TAG;
  /** Where in a box its content lies. */
  static readonly contentAt = 1 + SALT + NONCE;

  readonly #crypto: Crypto;
  readonly #root: Key;

  /** `root` is a secret key of 32 bytes; it stays the caller's. */
  constructor(crypto: Crypto, root: Key) {
    this.#crypto = crypto;
    this.#root = root;
  }

  seal(label: string, content: Uint8Array): Uint8Array {
    const box = new Uint8Array(SealedBox.overhead + content.byteLength);
    box.set(content, SealedBox.contentAt);
    this.sealInPlace(label, box);
    return box;
  }

  /** The same without a second copy: the content lies in the box already, at {@link contentAt}, and room for the tag behind it. */
  sealInPlace(label: string, box: Uint8Array): void {
    box[0] = FORMAT;
    box.set(this.#crypto.random(SALT + NONCE), 1);
    const data = box.subarray(SealedBox.contentAt, box.byteLength - TAG);
    const key = this.key(box.subarray(1, 1 + SALT));
    try {
      const nonce = box.subarray(1 + SALT, SealedBox.contentAt);
      const tag = this.#crypto.encrypt({
        algorithm: "AES-GCM",
        key,
        nonce,
        additionalData: additionalData(label),
        data,
      });
      box.set(tag, box.byteLength - TAG);
    } finally {
      key.close();
    }
  }

  /** @throws SealwireError `STORAGE_CORRUPT` when the box is damaged, forged, from another device, or under another label */
  open(label: string, box: Uint8Array): Uint8Array {
    return this.openInPlace(label, box.slice());
  }

  /** The same without a copy: the content is a view of the box, which is spoilt when it does not open. @throws SealwireError as {@link open} */
  openInPlace(label: string, box: Uint8Array): Uint8Array {
    if (box.byteLength < SealedBox.overhead || box[0] !== FORMAT) throw corrupt(label);
    const nonce = box.subarray(1 + SALT, SealedBox.contentAt);
    const data = box.subarray(SealedBox.contentAt, box.byteLength - TAG);
    const key = this.key(box.subarray(1, 1 + SALT));
    try {
      this.#crypto.decrypt(
        { algorithm: "AES-GCM", key, nonce, additionalData: additionalData(label), data },
        box.subarray(box.byteLength - TAG),
      );
    } catch (error) {
      throw corrupt(label, error);
    } finally {
      key.close();
    }
    return data;
  }

  private key(salt: Uint8Array): Key {
    return this.#crypto.deriveKey(this.#root, salt, toUTF8("sealwire box"), 32);
  }
}

function additionalData(label: string): Uint8Array {
  return toUTF8(String.fromCharCode(FORMAT) + label);
}

function corrupt(label: string, cause?: unknown): SealwireError {
  const message = `The stored value "${label}" is damaged, or was not written by this device.`;
  return new SealwireError("STORAGE_CORRUPT", message, { cause });
}
