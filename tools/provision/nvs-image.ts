/**
 * An ESP-IDF NVS partition that holds one blob, as Espressif's documentation of the format has it ("Non-Volatile Storage Library", Internals;
 * format version 2, blobs in chunks). The partition is for the tools to write and for the device to read and erase.
 *
 * A page is 4096 bytes: header (32), two bits of state for each entry (32), 126 entries of 32 bytes. An entry's head has a CRC-32 of its own, and its
 * data another; both start from a register of zero, not of ones.
 */
import { crc32 } from "node:zlib";
import { usageFailure } from "../failure.js";

const PAGE = 4096;
const ENTRY = 32;
const ENTRIES = 126;
const FIRST_ENTRY = 64;
const ACTIVE = 0xfffffffe;
const FULL = 0xfffffffc;
const VERSION_2 = 0xfe;
const ANY_CHUNK = 0xff;

const TYPE = { u8: 0x01, blobData: 0x42, blobIndex: 0x48 } as const;

/** NVS needs one page that is always empty, and works from three on. */
export const smallestNVSPartition = 3 * PAGE;

class Page {
  readonly bytes = Buffer.alloc(PAGE, 0xff);
  #entries = 0;

  constructor(sequence: number) {
    this.bytes.writeUInt32LE(ACTIVE, 0);
    this.bytes.writeUInt32LE(sequence, 4);
    this.bytes[8] = VERSION_2;
    this.bytes.writeUInt32LE(checksum(this.bytes.subarray(4, 28)), 28);
  }

  get free(): number {
    return ENTRIES - this.#entries;
  }

  close(): void {
    this.bytes.writeUInt32LE(FULL, 0);
  }

  /** @param value the last 8 bytes of the entry */
  add(namespace: number, type: number, chunk: number, key: string, value: Buffer, data?: Buffer): void {
    const span = 1 + Math.ceil((data?.byteLength ?? 0) / ENTRY);
    const at = FIRST_ENTRY + this.#entries * ENTRY;
    const head = this.bytes.subarray(at, at + ENTRY);
    head.set([namespace, type, span, chunk]);
    head.fill(0, 8, 24);
    head.write(key, 8, "latin1");
    head.set(value, 24);
    head.writeUInt32LE(checksum(Buffer.concat([head.subarray(0, 4), head.subarray(8)])), 4);
    if (data) this.bytes.set(data, at + ENTRY);
    for (let i = 0; i < span; i++, this.#entries++) {
      // 11 is empty, 10 is written.
      const bit = 2 * this.#entries;
      this.bytes[32 + (bit >> 3)]! &= ~(1 << (bit & 7));
    }
  }
}

export interface NVSImageOptions {
  /** At most 15 characters. */
  readonly namespace: string;
  readonly key: string;
  readonly blob: Uint8Array;
  /** Bytes of the partition: a multiple of 4096, at least 12,288. */
  readonly size: number;
}

/** @throws CommandFailure with exit code 2 when the blob does not fit */
export function nvsImage({ namespace, key, blob, size }: NVSImageOptions): Buffer {
  if (size < smallestNVSPartition || size % PAGE !== 0)
    throw usageFailure(`An NVS partition must be a multiple of ${PAGE} bytes, and at least ${smallestNVSPartition}.`);
  const image = Buffer.alloc(size, 0xff);
  const data = Buffer.from(blob.buffer, blob.byteOffset, blob.byteLength);
  let sequence = 0;
  let page = new Page(sequence);
  const finish = (): void => {
    image.set(page.bytes, sequence * PAGE);
  };
  const next = (): void => {
    page.close();
    finish();
    // The last page stays empty.
    if (++sequence >= size / PAGE - 1)
      throw usageFailure(`A record of ${blob.byteLength} bytes does not fit into an NVS partition of ${size} bytes.`);
    page = new Page(sequence);
  };
  const index = 1;
  page.add(0, TYPE.u8, ANY_CHUNK, namespace, valueOf({ u8: index }));
  let chunks = 0;
  for (let offset = 0; offset < data.byteLength || chunks === 0; chunks++) {
    // A head, and at least one entry behind it.
    if (page.free < 2) next();
    const chunk = data.subarray(offset, offset + (page.free - 1) * ENTRY);
    page.add(index, TYPE.blobData, chunks, key, valueOf({ u16: chunk.byteLength, checksum: checksum(chunk) }), chunk);
    offset += chunk.byteLength;
  }
  if (page.free < 1) next();
  page.add(index, TYPE.blobIndex, ANY_CHUNK, key, valueOf({ u32: data.byteLength, chunks }));
  finish();
  return image;
}

/** What is not named is left as erased flash. */
function valueOf(value: { u8?: number; u16?: number; u32?: number; checksum?: number; chunks?: number }): Buffer {
  const bytes = Buffer.alloc(8, 0xff);
  if (value.u8 !== undefined) bytes[0] = value.u8;
  if (value.u16 !== undefined) bytes.writeUInt16LE(value.u16);
  if (value.u32 !== undefined) bytes.writeUInt32LE(value.u32);
  if (value.checksum !== undefined) bytes.writeUInt32LE(value.checksum, 4);
  // Number of chunks, and that of the first.
  if (value.chunks !== undefined) bytes.set([value.chunks, 0], 4);
  return bytes;
}

function checksum(bytes: Buffer): number {
  return crc32(bytes, 0xffffffff);
}
