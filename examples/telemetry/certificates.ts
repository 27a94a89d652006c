/** Certificates one after the other, as the back end sends a chain. */

/** @returns DER of each; nothing for bytes that are no such sequence */
export function certificatesIn(bytes: Uint8Array): Uint8Array[] {
  const found: Uint8Array[] = [];
  for (let offset = 0; offset < bytes.byteLength;) {
    // A certificate is a SEQUENCE of 256 bytes to 64 KB: tag, 0x82, two bytes of length.
    if (bytes[offset] !== 0x30 || bytes[offset + 1] !== 0x82) return [];
    const end = offset + 4 + (bytes[offset + 2]! << 8) + bytes[offset + 3]!;
    if (!(end <= bytes.byteLength)) return [];
    found.push(bytes.slice(offset, end));
    offset = end;
  }
  return found;
}
