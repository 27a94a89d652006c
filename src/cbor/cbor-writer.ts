/** Writes CBOR (RFC 8949) in its deterministic form into memory that is there already: no allocation per item. */
import { lengthOfUTF8, writeUTF8 } from "../bytes.js";
import { MAJOR } from "./cbor-reader.js";

/** The bytes of a head with this argument: 1, 2, 3, 5 or 9. */
export function headLength(argument: number): number {
  if (argument < 24) return 1;
  if (argument < 0x100) return 2;
  if (argument < 0x10000) return 3;
  return argument > 0xffffffff ? 9 : 5;
}

/** The bytes of a byte string with its head. */
export function bytesLength(byteLength: number): number {
  return headLength(byteLength) + byteLength;
}

/** The bytes of a text string with its head. */
export function textLength(text: string): number {
  return bytesLength(lengthOfUTF8(text));
}

export class CBORWriter {
  /** Where the next byte goes. */
  offset: number;
  readonly #target: Uint8Array;

  /** `target` must have room for all that is written. */
  constructor(target: Uint8Array, offset = 0) {
    this.#target = target;
    this.offset = offset;
  }

  head(majorType: number, argument: number): this {
    const target = this.#target;
    const type = majorType << 5;
    const size = headLength(argument);
    let at = this.offset;
    this.offset += size;
    if (size === 1) {
      target[at] = type | argument;
      return this;
    }
    target[at++] = type | (size === 2 ? 24 : size === 3 ? 25 : size === 5 ? 26 : 27);
    if (size === 9) {
      const high = Math.floor(argument / 0x100000000);
      target[at++] = high >>> 24;
      target[at++] = high >>> 16;
      target[at++] = high >>> 8;
      target[at++] = high;
    }
    if (size >= 5) {
      target[at++] = argument >>> 24;
      target[at++] = argument >>> 16;
    }
    if (size >= 3) target[at++] = argument >>> 8;
    target[at] = argument;
    return this;
  }

  bytes(bytes: Uint8Array): this {
    return this.head(MAJOR.bytes, bytes.byteLength).raw(bytes);
  }

  text(text: string): this {
    this.head(MAJOR.text, lengthOfUTF8(text));
    this.offset = writeUTF8(text, this.#target, this.offset);
    return this;
  }

  array(count: number): this {
    return this.head(MAJOR.array, count);
  }

  map(count: number): this {
    return this.head(MAJOR.map, count);
  }

  /** 0 to 2^53 - 1. */
  unsigned(value: number): this {
    return this.head(MAJOR.unsigned, value);
  }

  /** Bytes that are CBOR already, or the content of a string whose head was written. */
  raw(bytes: Uint8Array): this {
    this.#target.set(bytes, this.offset);
    this.offset += bytes.byteLength;
    return this;
  }
}
