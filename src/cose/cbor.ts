/**
 * The part of CBOR (RFC 8949) that Sealwire's records need: integers up to 2^53 - 1, byte and text strings, arrays, maps with
 * integer or text keys, false, true and null.
 *
 * Encoding is deterministic (RFC 8949 section 4.2.1). Decoding is strict, see {@link CBORReader}; the order of map keys is not checked, since
 * peers differ there, and what is authenticated is authenticated as the bytes that came.
 */
import { concat, toUTF8 } from "../bytes.js";
import { SealwireError } from "../errors.js";
import { CBORReader, MAJOR } from "./cbor-reader.js";
import { CBORWriter, headLength } from "./cbor-writer.js";

export type CBORKey = number | string;
export type CBORMap = Map<CBORKey, CBORValue>;
export type CBORValue = number | boolean | null | string | Uint8Array | readonly CBORValue[] | CBORMap;

/** @throws SealwireError `INVALID_ARGUMENT` for a number that is not a safe integer */
export function encodeCBOR(value: CBORValue): Uint8Array {
  if (typeof value === "number") {
    if (!Number.isSafeInteger(value))
      throw new SealwireError("INVALID_ARGUMENT", `CBOR: ${value} is not a safe integer.`);
    return value < 0 ? head(MAJOR.negative, -1 - value) : head(MAJOR.unsigned, value);
  }
  if (typeof value === "boolean") return Uint8Array.of(value ? 0xf5 : 0xf4);
  if (value === null) return Uint8Array.of(0xf6);
  if (typeof value === "string") {
    const bytes = toUTF8(value);
    return concat(head(MAJOR.text, bytes.byteLength), bytes);
  }
  if (value instanceof Uint8Array) return concat(head(MAJOR.bytes, value.byteLength), value);
  if (value instanceof Map) {
    const entries = [...value].map(([key, item]) => ({ key: encodeCBOR(key), item: encodeCBOR(item) }));
    entries.sort((a, b) => compare(a.key, b.key));
    return concat(head(MAJOR.map, entries.length), ...entries.flatMap(({ key, item }) => [key, item]));
  }
  return concat(head(MAJOR.array, value.length), ...value.map(encodeCBOR));
}

/** @throws SealwireError `CBOR_INVALID` */
export function decodeCBOR(bytes: Uint8Array): CBORValue {
  const reader = new CBORReader(bytes);
  const value = reader.value();
  reader.finish();
  return value;
}

function head(majorType: number, argument: number): Uint8Array {
  const bytes = new Uint8Array(headLength(argument));
  new CBORWriter(bytes).head(majorType, argument);
  return bytes;
}

/** Bytewise lexicographic order of encoded keys (RFC 8949 section 4.2.1). */
function compare(a: Uint8Array, b: Uint8Array): number {
  const shared = Math.min(a.byteLength, b.byteLength);
  for (let i = 0; i < shared; i++) if (a[i] !== b[i]) return a[i]! - b[i]!;
  return a.byteLength - b.byteLength;
}
