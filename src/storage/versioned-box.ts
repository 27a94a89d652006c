/**
 * A {@link SealedBox} that says, before it is opened, which version it holds and under which root it was made: so that "damaged",
 * "of another device" and "an older one" can be told apart.
 *
 * Bytes: format (1 byte, 1), identifier of the root (8), version (4, big-endian), CRC-32 of these (4), box. The identifier is derived from the
 * root and says nothing of it. Place and version are part of the box's additional data, and so is, by its key, the root.
 */
import { equal, toUTF8 } from "../bytes.js";
import { SealwireError } from "../errors.js";
import type { Crypto, Key } from "../platform.js";
import { crc32 } from "./crc32.js";
import { SealedBox } from "./sealed-box.js";

const FORMAT = 1;
const IDENTIFIER = 8;
const VERSION_AT = 1 + IDENTIFIER;
const CRC_AT = VERSION_AT + 4;
const HEAD = CRC_AT + 4;

/** What was in a box. */
export interface Versioned {
  readonly version: number;
  readonly content: Uint8Array;
}

export class VersionedBox {
  /** Bytes that a box is longer than its content. */
  static readonly overhead = HEAD + SealedBox.overhead;

  readonly #box: SealedBox;
  readonly #identifier: Uint8Array;

  /** `root` is a secret key of 32 bytes; it stays the caller's. */
  constructor(crypto: Crypto, root: Key) {
    this.#box = new SealedBox(crypto, root);
    this.#identifier = crypto.deriveBytes(root, new Uint8Array(0), toUTF8("sealwire root identifier"), IDENTIFIER);
  }

  /** @param version 0 to 2^32 - 1 */
  seal(place: string, version: number, content: Uint8Array): Uint8Array {
    const bytes = new Uint8Array(HEAD + SealedBox.overhead + content.byteLength);
    bytes[0] = FORMAT;
    bytes.set(this.#identifier, 1);
    const view = new DataView(bytes.buffer);
    view.setUint32(VERSION_AT, version);
    view.setUint32(CRC_AT, crc32(bytes.subarray(0, CRC_AT)));
    bytes.set(content, HEAD + SealedBox.contentAt);
    this.#box.sealInPlace(label(place, version), bytes.subarray(HEAD));
    return bytes;
  }

  /**
   * The content is a view of the bytes, which are spoilt when they do not open.
   * @throws SealwireError `STORAGE_CORRUPT` when the bytes are damaged, forged or from another place; `STORAGE_WRONG_ROOT` when they were
   *   sealed under another root
   */
  open(place: string, bytes: Uint8Array): Versioned {
    const version = versionOf(place, bytes);
    if (!equal(bytes.subarray(1, VERSION_AT), this.#identifier))
      throw new SealwireError(
        "STORAGE_WRONG_ROOT",
        `The stored value "${place}" was sealed under another root key: it is of another device, or the root was lost.`,
      );
    return { version, content: this.#box.openInPlace(label(place, version), bytes.subarray(HEAD)) };
  }
}

function versionOf(place: string, bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.byteLength < HEAD || bytes[0] !== FORMAT || view.getUint32(CRC_AT) !== crc32(bytes.subarray(0, CRC_AT)))
    throw new SealwireError("STORAGE_CORRUPT", `The stored value "${place}" is damaged.`);
  return view.getUint32(VERSION_AT);
}

function label(place: string, version: number): string {
  return `${place} ${version}`;
}
