/**
 * How {@link LogStore} writes on flash. All numbers are little-endian.
 *
 * Sector: head (16 bytes: magic, how often it was erased, CRC-32 of these, zero once the sector is in use), entries.
 * Entry: state (4 bytes: all ones while in force, any other value afterwards), length of the key (1), reserved (1), length of the value (2),
 * sequence number (4), CRC-32 of key and value (4), CRC-32 of the bytes from the lengths to here (4), key, value, ones up to a multiple of 4.
 */
import { crc32 } from "./crc32.js";

export const SECTOR_HEAD = 16;
export const ENTRY_HEAD = 20;
/** Where a sector's head says that it is in use. */
export const IN_USE_AT = 12;

/** ASCII "SWL1": has ones and zeros in every byte, so that neither an erase nor a retirement that was cut short leaves it. */
const MAGIC = 0x314c5753;
const IN_FORCE = 0xffffffff;

/** An entry whose head is whole. */
export interface EntryHead {
  /** Whether nothing has superseded it. */
  readonly inForce: boolean;
  readonly keyLength: number;
  readonly valueLength: number;
  readonly sequence: number;
  readonly contentCRC: number;
}

/** Bytes that an entry takes on flash. */
export function entryLength(keyLength: number, valueLength: number): number {
  return (ENTRY_HEAD + keyLength + valueLength + 3) & ~3;
}

export function encodeSectorHead(erases: number): Uint8Array {
  const bytes = new Uint8Array(SECTOR_HEAD).fill(0xff);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, MAGIC, true);
  view.setUint32(4, erases, true);
  view.setUint32(8, crc32(bytes.subarray(0, 8)), true);
  return bytes;
}

/** What a sector of a log says of itself. */
export interface SectorHead {
  readonly erases: number;
  /** Whether its entries count. Copies do not before all of them are there. */
  readonly inUse: boolean;
}

/** @returns `undefined` when the sector is not one of a log */
export function decodeSectorHead(bytes: Uint8Array): SectorHead | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  if (view.getUint32(0, true) !== MAGIC || view.getUint32(8, true) !== crc32(bytes.subarray(0, 8))) return undefined;
  return { erases: view.getUint32(4, true), inUse: view.getUint32(IN_USE_AT, true) === 0 };
}

export function encodeEntry(key: Uint8Array, value: Uint8Array, sequence: number): Uint8Array {
  const bytes = new Uint8Array(entryLength(key.byteLength, value.byteLength)).fill(0xff);
  const view = new DataView(bytes.buffer);
  bytes[4] = key.byteLength;
  bytes[5] = 0;
  view.setUint16(6, value.byteLength, true);
  view.setUint32(8, sequence, true);
  view.setUint32(12, crc32(value, crc32(key)), true);
  view.setUint32(16, crc32(bytes.subarray(4, 16)), true);
  bytes.set(key, ENTRY_HEAD);
  bytes.set(value, ENTRY_HEAD + key.byteLength);
  return bytes;
}

/** @returns `undefined` when the head is damaged, or was never finished */
export function decodeEntryHead(bytes: Uint8Array): EntryHead | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  if (view.getUint32(16, true) !== crc32(bytes.subarray(4, 16))) return undefined;
  return {
    inForce: view.getUint32(0, true) === IN_FORCE,
    keyLength: bytes[4]!,
    valueLength: view.getUint16(6, true),
    sequence: view.getUint32(8, true),
    contentCRC: view.getUint32(12, true),
  };
}

export function isBlank(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0xff);
}
