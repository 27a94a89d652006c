/**
 * The part of CBOR (RFC 8949) that Sealwire's records need: integers up to 2^53 - 1, byte and text strings, arrays, maps with
 * integer or text keys, false, true and null.
 *
 * Encoding is deterministic (RFC 8949 section 4.2.1). Decoding is strict, see {@link CBORReader}; the order of map keys is not checked, since
 * peers differ there, and what is authenticated is authenticated as the bytes that came.
 */
import { SealwireError } from "../errors.js";
import { CBORReader, MAJOR } from "./cbor-reader.js";
import { bytesLength, CBORWriter, headLength, textLength } from "./cbor-writer.js";

export type CBORKey = number | string;
export type CBORMap = Map<CBORKey, CBORValue>;
export type CBORValue = number | boolean | null | string | Uint8Array | readonly CBORValue[] | CBORMap;

/**
 * Writes into one array of the right length: what is secret in `value` has no other copy that somebody would have to wipe.
 * @throws SealwireError `INVALID_ARGUMENT` for a number that is not a safe integer
 */
export function encodeCBOR(value: CBORValue): Uint8Array {
  const bytes = new Uint8Array(lengthOf(value));
  write(new CBORWriter(bytes), value);
  return bytes;
}

function lengthOf(value: CBORValue): number {
  if (typeof value === "number") {
    if (!Number.isSafeInteger(value))
      throw new SealwireError("INVALID_ARGUMENT", `CBOR: ${value} is not a safe integer.`);
    return headLength(value < 0 ? -1 - value : value);
  }
  if (typeof value === "boolean" || value === null) return 1;
  if (typeof value === "string") return textLength(value);
  if (value instanceof Uint8Array) return bytesLength(value.byteLength);
  if (value instanceof Map) {
    let length = headLength(value.size);
    for (const [key, item] of value) length += lengthOf(key) + lengthOf(item);
    return length;
  }
  let length = headLength(value.length);
  for (const item of value) length += lengthOf(item);
  return length;
}

function write(writer: CBORWriter, value: CBORValue): void {
  if (typeof value === "number")
    writer.head(value < 0 ? MAJOR.negative : MAJOR.unsigned, value < 0 ? -1 - value : value);
  else if (typeof value === "boolean") writer.raw(Uint8Array.of(value ? 0xf5 : 0xf4));
  else if (value === null) writer.raw(Uint8Array.of(0xf6));
  else if (typeof value === "string") writer.text(value);
  else if (value instanceof Uint8Array) writer.bytes(value);
  else if (value instanceof Map) {
    const entries = [...value].map(([key, item]) => ({ key: encodeCBOR(key), item }));
    entries.sort((a, b) => compare(a.key, b.key));
    writer.map(entries.length);
    for (const { key, item } of entries) write(writer.raw(key), item);
  } else {
    writer.array(value.length);
    for (const item of value) write(writer, item);
  }
}

/** @throws SealwireError `CBOR_INVALID` */
export function decodeCBOR(bytes: Uint8Array): CBORValue {
  const reader = new CBORReader(bytes);
  const value = reader.value();
  reader.finish();
  return value;
}

/** Bytewise lexicographic order of encoded keys (RFC 8949 section 4.2.1). */
function compare(a: Uint8Array, b: Uint8Array): number {
  const shared = Math.min(a.byteLength, b.byteLength);
  for (let i = 0; i < shared; i++) if (a[i] !== b[i]) return a[i]! - b[i]!;
  return a.byteLength - b.byteLength;
}
