/**
 * Reads CBOR (RFC 8949) strictly, item by item and without copying: shortest form only, definite lengths only, no duplicate keys, well-formed
 * UTF-8. A length is compared with the bytes that are left before anything is allocated; nesting and the number of items are limited.
 */
import { fromUTF8 } from "../bytes.js";
import { SealwireError } from "../errors.js";
import type { CBORKey, CBORMap, CBORValue } from "./cbor.js";

/** The major types (RFC 8949 section 3.1). */
export const MAJOR = { unsigned: 0, negative: 1, bytes: 2, text: 3, array: 4, map: 5, tag: 6, simple: 7 } as const;

/** Deepest nesting of arrays and maps. */
const MAXIMUM_DEPTH = 8;
/** Most items in all: an empty array is one byte on the wire, and many more as an object. */
const MAXIMUM_ITEMS = 1024;

const NULL = 0xf6;

export class CBORReader {
  readonly #bytes: Uint8Array;
  #offset: number;
  readonly #end: number;
  #items = 0;

  /** Reads `bytes` from `start` to `end`; they must not change meanwhile. */
  constructor(bytes: Uint8Array, start = 0, end = bytes.byteLength) {
    this.#bytes = bytes;
    this.#offset = start;
    this.#end = end;
  }

  /** Where the next item begins. */
  get offset(): number {
    return this.#offset;
  }

  get atEnd(): boolean {
    return this.#offset === this.#end;
  }

  /** @throws SealwireError `CBOR_INVALID` when bytes are left over */
  finish(): void {
    if (!this.atEnd) throw invalid("bytes are left over after the value");
  }

  /** Any value. Byte strings are copies. @throws SealwireError `CBOR_INVALID` */
  value(): CBORValue {
    return this.item(0);
  }

  /** A byte string, as a view of the input. */
  bytes(): Uint8Array {
    return this.take(this.head(MAJOR.bytes, "a byte string"));
  }

  /** A byte string as {@link bytes}, or `null`. */
  bytesOrNull(): Uint8Array | null {
    if (this.#bytes[this.#offset] !== NULL || this.atEnd) return this.bytes();
    this.#offset++;
    return null;
  }

  /** The head of an array. @returns the number of its items, which follow */
  array(): number {
    const count = this.head(MAJOR.array, "an array");
    this.enter(count, 1);
    return count;
  }

  /** A map, with its content. */
  map(): CBORMap {
    return this.entries(this.head(MAJOR.map, "a map"), 1);
  }

  /** The head of a map. @returns the number of its entries, whose keys and values follow: that no key is there twice is for the caller to see */
  mapHead(): number {
    const count = this.head(MAJOR.map, "a map");
    this.enter(2 * count, 1);
    return count;
  }

  unsigned(): number {
    return this.head(MAJOR.unsigned, "an unsigned integer");
  }

  /** The number of a tag, which is skipped, or `undefined` when the next item has none. */
  tag(): number | undefined {
    if (this.atEnd || this.#bytes[this.#offset]! >> 5 !== MAJOR.tag) return undefined;
    return this.head(MAJOR.tag, "a tag");
  }

  private head(majorType: number, what: string): number {
    const initial = this.byte();
    if (initial >> 5 !== majorType) throw invalid(`${what} is expected here`);
    return this.argument(initial & 0x1f);
  }

  private item(depth: number): CBORValue {
    const initial = this.byte();
    const majorType = initial >> 5;
    if (majorType === MAJOR.simple) return simple(initial);
    const argument = this.argument(initial & 0x1f);
    switch (majorType) {
      case MAJOR.unsigned:
        return argument;
      case MAJOR.negative:
        if (argument === Number.MAX_SAFE_INTEGER) throw invalid("an integer is below -2^53 + 1");
        return -1 - argument;
      case MAJOR.bytes:
        return this.take(argument).slice();
      case MAJOR.text: {
        const text = fromUTF8(this.take(argument));
        if (text === undefined) throw invalid("a text string is not UTF-8");
        return text;
      }
      case MAJOR.array:
        return this.items(argument, depth + 1);
      case MAJOR.map:
        return this.entries(argument, depth + 1);
      default:
        throw invalid("a tag is not expected here");
    }
  }

  private items(count: number, depth: number): CBORValue[] {
    this.enter(count, depth);
    const items: CBORValue[] = [];
    while (count-- > 0) items.push(this.item(depth));
    return items;
  }

  private entries(count: number, depth: number): CBORMap {
    this.enter(2 * count, depth);
    const map: CBORMap = new Map<CBORKey, CBORValue>();
    while (count-- > 0) {
      const key = this.item(depth);
      if (typeof key !== "number" && typeof key !== "string")
        throw invalid("a map key is neither an integer nor a text");
      if (map.has(key)) throw invalid("a map key is there twice");
      map.set(key, this.item(depth));
    }
    return map;
  }

  /** Each item takes at least one byte, so a count beyond what is left is a lie. */
  private enter(items: number, depth: number): void {
    if (depth > MAXIMUM_DEPTH) throw invalid(`it is nested deeper than ${MAXIMUM_DEPTH}`);
    if (items > this.#end - this.#offset) throw invalid("it is cut short");
    this.#items += items;
    if (this.#items > MAXIMUM_ITEMS) throw invalid(`it has more than ${MAXIMUM_ITEMS} items`);
  }

  private argument(information: number): number {
    if (information < 24) return information;
    if (information > 27) throw invalid("a length is indefinite or reserved");
    const size = 1 << (information - 24);
    if (size > this.#end - this.#offset) throw invalid("it is cut short");
    let argument = 0;
    for (let i = 0; i < size; i++) argument = argument * 256 + this.#bytes[this.#offset++]!;
    if (!Number.isSafeInteger(argument)) throw invalid("a number is beyond 2^53 - 1");
    const smallest = size === 1 ? 24 : 2 ** (4 * size);
    if (argument < smallest) throw invalid("a number is not in its shortest form");
    return argument;
  }

  private byte(): number {
    if (this.atEnd) throw invalid("it is cut short");
    return this.#bytes[this.#offset++]!;
  }

  private take(count: number): Uint8Array {
    if (count > this.#end - this.#offset) throw invalid("it is cut short");
    const start = this.#offset;
    this.#offset += count;
    return this.#bytes.subarray(start, this.#offset);
  }
}

function simple(initial: number): CBORValue {
  if (initial === 0xf4) return false;
  if (initial === 0xf5) return true;
  if (initial === NULL) return null;
  throw invalid("a floating-point number or simple value is not expected here");
}

function invalid(what: string): SealwireError {
  return new SealwireError("CBOR_INVALID", `This is not the CBOR that was expected: ${what}.`);
}
