/** Base64 (RFC 4648 section 4), as SCRAM needs it. */
import { SealwireError } from "../errors.js";

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

export function toBase64(bytes: Uint8Array): string {
  let text = "";
  for (let i = 0; i < bytes.byteLength; i += 3) {
    const group = (bytes[i]! << 16) | ((bytes[i + 1] ?? 0) << 8) | (bytes[i + 2] ?? 0);
    const characters = Math.min(4, bytes.byteLength - i + 1);
    for (let k = 0; k < 4; k++) text += k < characters ? ALPHABET.charAt((group >> (18 - 6 * k)) & 63) : "=";
  }
  return text;
}

/** @throws SealwireError `INVALID_ARGUMENT` unless it is whole groups, padded, without other characters */
export function fromBase64(text: string): Uint8Array {
  const padding = text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0;
  const digits = text.length - padding;
  if (text.length % 4 !== 0) throw invalid();
  const bytes = new Uint8Array((text.length / 4) * 3 - padding);
  let group = 0;
  for (let i = 0; i < text.length; i++) {
    const value = i < digits ? ALPHABET.indexOf(text.charAt(i)) : 0;
    if (value < 0) throw invalid();
    group = (group << 6) | value;
    if (i % 4 !== 3) continue;
    const offset = ((i - 3) / 4) * 3;
    for (let k = 0; k < 3; k++) if (offset + k < bytes.byteLength) bytes[offset + k] = (group >> (16 - 8 * k)) & 255;
    group = 0;
  }
  return bytes;
}

function invalid(): SealwireError {
  return new SealwireError("INVALID_ARGUMENT", "The text is not Base64.");
}
