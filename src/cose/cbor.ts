/**
 * The part of CBOR (RFC 8949) that Sealwire's records need: integers up to 2^53 - 1, byte and text strings, arrays, maps with
 * integer or text keys, false, true and null.
 *
 * Encoding is deterministic (RFC 8949 section 4.2.1). Decoding is strict: shortest form only, definite lengths only, no
 * duplicate keys, well-formed UTF-8, nothing left over. Memory and recursion are bounded by the input itself: a length field is
 * compared with the bytes that are left before anything is allocated, and nesting is limited.
 */
import { concat, fromUTF8, toUTF8 } from "../bytes.js";
import { SealwireError } from "../errors.js";

export type CBORKey = number | string;
export type CBORMap = Map<CBORKey, CBORValue>;
export type CBORValue = number | boolean | null | string | Uint8Array | readonly CBORValue[] | CBORMap;

/** Deepest nesting of arrays and maps. */
const MAXIMUM_DEPTH = 8;

const UNSIGNED = 0;
const NEGATIVE = 1;
const BYTES = 2;
const TEXT = 3;
const ARRAY = 4;
const MAP = 5;
const SIMPLE = 7;

/** @throws SealwireError `INVALID_ARGUMENT` for a number that is not a safe integer */
export function encodeCBOR(value: CBORValue): Uint8Array {
  if (typeof value === "number") {
    if (!Number.isSafeInteger(value))
      throw new SealwireError("INVALID_ARGUMENT", `CBOR: ${value} is not a safe integer.`);
    return value < 0 ? head(NEGATIVE, -1 - value) : head(UNSIGNED, value);
  }
  if (typeof value === "boolean") return Uint8Array.of(value ? 0xf5 : 0xf4);
  if (value === null) return Uint8Array.of(0xf6);
  if (typeof value === "string") {
    const bytes = toUTF8(value);
    return concat(head(TEXT, bytes.byteLength), bytes);
  }
  if (value instanceof Uint8Array) return concat(head(BYTES, value.byteLength), value);
  if (value instanceof Map) {
    const entries = [...value].map(([key, item]) => ({ key: encodeCBOR(key), item: encodeCBOR(item) }));
    entries.sort((a, b) => compare(a.key, b.key));
    return concat(head(MAP, entries.length), ...entries.flatMap(({ key, item }) => [key, item]));
  }
  return concat(head(ARRAY, value.length), ...value.map(encodeCBOR));
}

/** @throws SealwireError `CBOR_INVALID` */
export function decodeCBOR(bytes: Uint8Array): CBORValue {
  const reader = new Reader(bytes);
  const value = reader.value(0);
  if (!reader.atEnd) throw invalid("bytes are left over after the value");
  return value;
}

function head(majorType: number, argument: number): Uint8Array {
  const type = majorType << 5;
  if (argument < 24) return Uint8Array.of(type | argument);
  if (argument < 0x100) return Uint8Array.of(type | 24, argument);
  if (argument < 0x10000) return Uint8Array.of(type | 25, argument >>> 8, argument);
  const long = argument > 0xffffffff;
  const bytes = new Uint8Array(long ? 9 : 5);
  const view = new DataView(bytes.buffer);
  bytes[0] = type | (long ? 27 : 26);
  if (long) view.setUint32(1, Math.floor(argument / 0x100000000));
  view.setUint32(long ? 5 : 1, argument >>> 0);
  return bytes;
}

/** Bytewise lexicographic order of encoded keys (RFC 8949 section 4.2.1). */
function compare(a: Uint8Array, b: Uint8Array): number {
  const shared = Math.min(a.byteLength, b.byteLength);
  for (let i = 0; i < shared; i++) if (a[i] !== b[i]) return a[i]! - b[i]!;
  return a.byteLength - b.byteLength;
}

function invalid(what: string): SealwireError {
  return new SealwireError("CBOR_INVALID", `This is not the CBOR that was expected: ${what}.`);
}

class Reader {
  readonly #bytes: Uint8Array;
  #offset = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get atEnd(): boolean {
    return this.#offset === this.#bytes.byteLength;
  }

  value(depth: number): CBORValue {
    const initial = this.#byte();
    const majorType = initial >> 5;
    if (majorType === SIMPLE) return simple(initial);
    const argument = this.#argument(initial & 0x1f);
    switch (majorType) {
      case UNSIGNED:
        return argument;
      case NEGATIVE:
        if (argument === Number.MAX_SAFE_INTEGER) throw invalid("an integer is below -2^53 + 1");
        return -1 - argument;
      case BYTES:
        return this.#take(argument).slice();
      case TEXT: {
        const text = fromUTF8(this.#take(argument));
        if (text === undefined) throw invalid("a text string is not UTF-8");
        return text;
      }
      case ARRAY:
        return this.#array(argument, depth + 1);
      case MAP:
        return this.#map(argument, depth + 1);
      default:
        throw invalid("a tag is not expected here");
    }
  }

  #array(count: number, depth: number): CBORValue[] {
    this.#enter(count, depth);
    const items: CBORValue[] = [];
    while (count-- > 0) items.push(this.value(depth));
    return items;
  }

  #map(count: number, depth: number): CBORMap {
    this.#enter(2 * count, depth);
    const map: CBORMap = new Map();
    while (count-- > 0) {
      const key = this.value(depth);
      if (typeof key !== "number" && typeof key !== "string")
        throw invalid("a map key is neither an integer nor a text");
      if (map.has(key)) throw invalid("a map key is there twice");
      map.set(key, this.value(depth));
    }
    return map;
  }

  /** Each item takes at least one byte, so a count beyond what is left is a lie. */
  #enter(items: number, depth: number): void {
    if (depth > MAXIMUM_DEPTH) throw invalid(`it is nested deeper than ${MAXIMUM_DEPTH}`);
    if (items > this.#bytes.byteLength - this.#offset) throw invalid("it is cut short");
  }

  #argument(information: number): number {
    if (information < 24) return information;
    if (information > 27) throw invalid("a length is indefinite or reserved");
    const size = 1 << (information - 24);
    let argument = 0;
    for (const byte of this.#take(size)) argument = argument * 256 + byte;
    if (!Number.isSafeInteger(argument)) throw invalid("a number is beyond 2^53 - 1");
    const smallest = size === 1 ? 24 : 2 ** (4 * size);
    if (argument < smallest) throw invalid("a number is not in its shortest form");
    return argument;
  }

  #byte(): number {
    return this.#take(1)[0]!;
  }

  #take(count: number): Uint8Array {
    if (count > this.#bytes.byteLength - this.#offset) throw invalid("it is cut short");
    const start = this.#offset;
    this.#offset += count;
    return this.#bytes.subarray(start, this.#offset);
  }
}

function simple(initial: number): CBORValue {
  if (initial === 0xf4) return false;
  if (initial === 0xf5) return true;
  if (initial === 0xf6) return null;
  throw invalid("a floating-point number or simple value is not expected here");
}
