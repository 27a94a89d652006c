/** Views, comparison, hexadecimal and UTF-8: XS has no TextEncoder, and its natives are not on every host. */
import type { BufferLike } from "./platform.js";
import { SealwireError } from "./errors.js";

/** A view of the bytes, without copying. */
export function toBytes(buffer: BufferLike): Uint8Array {
  return buffer instanceof Uint8Array ? buffer : new Uint8Array(buffer);
}

/** One array with all parts, in order. */
export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  let byteLength = 0;
  for (const part of parts) byteLength += part.byteLength;
  const result = new Uint8Array(byteLength);
  let offset = 0;
  for (const part of parts) {
    result.set(part, offset);
    offset += part.byteLength;
  }
  return result;
}

/** Whether two arrays hold the same bytes; the time it takes depends on their lengths only. */
export function equal(a: Uint8Array, b: Uint8Array): boolean {
  if (a.byteLength !== b.byteLength) return false;
  let difference = 0;
  for (let i = 0; i < a.byteLength; i++) difference |= (a[i] as number) ^ (b[i] as number);
  return difference === 0;
}

/** Overwrites with zeros, as far as JavaScript can: the engine may have copied the bytes before. */
export function wipe(bytes: Uint8Array | undefined): void {
  // An empty array of a preloaded module lies in flash: filling even nothing is refused there.
  if (bytes && bytes.byteLength > 0) bytes.fill(0);
}

/** Lower-case hexadecimal. */
export function toHex(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += (byte < 16 ? "0" : "") + byte.toString(16);
  return text;
}

/** @throws SealwireError `INVALID_ARGUMENT` when `text` is not pairs of hexadecimal digits */
export function fromHex(text: string): Uint8Array {
  if (text.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(text))
    throw new SealwireError("INVALID_ARGUMENT", "Hexadecimal text must be pairs of the digits 0-9 and a-f.");
  const bytes = new Uint8Array(text.length / 2);
  for (let i = 0; i < bytes.byteLength; i++) bytes[i] = Number.parseInt(text.slice(2 * i, 2 * i + 2), 16);
  return bytes;
}

/**
 * The number of bytes that {@link writeUTF8} will write. A lone surrogate counts as U+FFFD.
 *
 * The units of a string are UTF-16 everywhere but on the engine of the Moddable SDK, where each is a whole character: up to U+10FFFF.
 */
export function lengthOfUTF8(text: string): number {
  let byteLength = text.length;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) continue;
    if (unit < 0x800) byteLength += 1;
    else if (unit > 0xffff) byteLength += 3;
    else {
      byteLength += 2;
      // A surrogate pair is two units but four bytes.
      if (unit >= 0xd800 && unit < 0xdc00 && isLowSurrogate(text.charCodeAt(i + 1))) i++;
    }
  }
  return byteLength;
}

/**
 * Writes text as UTF-8 (RFC 3629) at `offset`. A lone surrogate becomes U+FFFD.
 * @returns the offset after the last byte; `target` must have room for {@link lengthOfUTF8} bytes
 */
export function writeUTF8(text: string, target: Uint8Array, offset: number): number {
  for (let i = 0; i < text.length; i++) {
    let code = text.charCodeAt(i);
    if (code < 0x80) {
      target[offset++] = code;
      continue;
    }
    if (code >= 0xd800 && code < 0xe000) {
      const low = text.charCodeAt(i + 1);
      if (code < 0xdc00 && isLowSurrogate(low)) {
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        i++;
      } else code = 0xfffd;
    }
    if (code < 0x800) target[offset++] = 0xc0 | (code >> 6);
    else {
      if (code < 0x10000) target[offset++] = 0xe0 | (code >> 12);
      else {
        target[offset++] = 0xf0 | (code >> 18);
        target[offset++] = 0x80 | ((code >> 12) & 0x3f);
      }
      target[offset++] = 0x80 | ((code >> 6) & 0x3f);
    }
    target[offset++] = 0x80 | (code & 0x3f);
  }
  return offset;
}

/** Text as UTF-8. */
export function toUTF8(text: string): Uint8Array {
  const bytes = new Uint8Array(lengthOfUTF8(text));
  writeUTF8(text, bytes, 0);
  return bytes;
}

/**
 * Reads UTF-8 strictly (RFC 3629).
 * @returns the text, or `undefined` when the bytes are not well-formed: overlong, surrogate, beyond U+10FFFF, cut short
 */
export function fromUTF8(bytes: Uint8Array, start = 0, end = bytes.byteLength): string | undefined {
  let text = "";
  let i = start;
  while (i < end) {
    // Eight ASCII characters at a time: each string that is made on the way costs more than the characters in it.
    if (i + 8 <= end) {
      const a = bytes[i]!;
      const b = bytes[i + 1]!;
      const c = bytes[i + 2]!;
      const d = bytes[i + 3]!;
      const e = bytes[i + 4]!;
      const f = bytes[i + 5]!;
      const g = bytes[i + 6]!;
      const h = bytes[i + 7]!;
      if ((a | b | c | d | e | f | g | h) < 0x80) {
        text += String.fromCharCode(a, b, c, d, e, f, g, h);
        i += 8;
        continue;
      }
    }
    const lead = bytes[i++] as number;
    if (lead < 0x80) {
      text += String.fromCharCode(lead);
      continue;
    }
    let following: number;
    let minimum: number;
    let code: number;
    if (lead >= 0xc2 && lead < 0xe0) {
      following = 1;
      minimum = 0x80;
      code = lead & 0x1f;
    } else if (lead >= 0xe0 && lead < 0xf0) {
      following = 2;
      minimum = 0x800;
      code = lead & 0x0f;
    } else if (lead >= 0xf0 && lead < 0xf5) {
      following = 3;
      minimum = 0x10000;
      code = lead & 0x07;
    } else return undefined;
    if (i + following > end) return undefined;
    while (following-- > 0) {
      const next = bytes[i++] as number;
      if ((next & 0xc0) !== 0x80) return undefined;
      code = (code << 6) | (next & 0x3f);
    }
    if (code < minimum || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) return undefined;
    text += String.fromCodePoint(code);
  }
  return text;
}

function isLowSurrogate(unit: number): boolean {
  return unit >= 0xdc00 && unit < 0xe000;
}
