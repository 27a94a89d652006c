/**
 * The provisioning record in a raw flash partition: a header, the record, and what was erased.
 *
 * Header, 16 bytes, big-endian: "SWPR", format (1 byte, 1), three zeros, length of the record (4), CRC-32 of the record (4).
 */
import { toUTF8 } from "../bytes.js";
import { SealwireError } from "../errors.js";
import { crc32 } from "../storage/index.js";

const MAGIC = 0x53575052;
const FORMAT = 1;

/** Bytes before the record. */
export const PROVISIONING_IMAGE_HEADER = 16;

/** The header of a record, for who writes the image. */
export function provisioningImageHeader(record: Uint8Array): Uint8Array {
  const header = new Uint8Array(PROVISIONING_IMAGE_HEADER);
  header.set(toUTF8("SWPR"));
  header[4] = FORMAT;
  const view = new DataView(header.buffer);
  view.setUint32(8, record.byteLength);
  view.setUint32(12, crc32(record));
  return header;
}

/**
 * The record in a partition.
 * @param header the first 16 bytes
 * @param read gives so many bytes that follow the header; called only for a length that fits
 * @param capacity bytes of the whole partition
 * @returns `undefined` when there is none: the partition is erased
 * @throws SealwireError `PROVISIONING_INVALID` when it is damaged
 */
export function readProvisioningImage(
  header: Uint8Array,
  read: (byteLength: number) => Uint8Array,
  capacity: number,
): Uint8Array | undefined {
  if (header.every((byte) => byte === 0xff) || header.every((byte) => byte === 0)) return undefined;
  const view = new DataView(header.buffer, header.byteOffset, header.byteLength);
  const damaged = (): SealwireError =>
    new SealwireError("PROVISIONING_INVALID", "The provisioning partition holds something else, or is damaged.");
  if (header.byteLength < PROVISIONING_IMAGE_HEADER || view.getUint32(0) !== MAGIC || header[4] !== FORMAT)
    throw damaged();
  const byteLength = view.getUint32(8);
  if (byteLength === 0 || byteLength > capacity - PROVISIONING_IMAGE_HEADER) throw damaged();
  const record = read(byteLength);
  if (record.byteLength !== byteLength || crc32(record) !== view.getUint32(12)) throw damaged();
  return record;
}
