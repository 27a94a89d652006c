/** CRC-32 (ISO 3309, polynomial 0xEDB88320): finds accidental damage, no forgery. */

/** Continues a CRC over more bytes. @returns 0 to 2^32 - 1 */
export function crc32(bytes: Uint8Array, crc = 0): number {
  // Bit by bit: a table would cost 1 KB, and what is checked here is small.
  let register = ~crc;
  for (const byte of bytes) {
    register ^= byte;
    for (let bit = 0; bit < 8; bit++) register = (register >>> 1) ^ (0xedb88320 & -(register & 1));
  }
  return ~register >>> 0;
}
