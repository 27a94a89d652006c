/**
 * A counter that never gives a number twice, for one write in many numbers: a block of numbers is reserved in storage before the first of
 * them is used. What a power cut leaves of a block is skipped.
 *
 * A stored record says whose numbers they are: another name, and it is another counter. Record: format (1 byte, 1), length of the name
 * (1), name, first number that is not reserved (6, big-endian), CRC-32 of these (4). It is meant for an `EncryptedStore`, which
 * authenticates it; the CRC finds damage where the storage does not.
 */
import { equal } from "../bytes.js";
import { SealwireError } from "../errors.js";
import type { KeyValueStorage } from "../platform.js";
import { crc32 } from "./crc32.js";

const FORMAT = 1;
const NUMBER = 6;
const CRC = 4;
const OVERHEAD = 2 + NUMBER + CRC;
const MAXIMUM_NAME = 64;

/** What a record says. */
export interface ReservedBlock {
  readonly name: Uint8Array;
  /** Numbers from this one on were never used. */
  readonly end: number;
}

export interface BlockCounterOptions {
  /** Without one nothing is reserved: the name must then be a new one at every start. */
  readonly storage: KeyValueStorage | undefined;
  readonly key: string;
  /** At most 64 bytes. */
  readonly name: Uint8Array;
  /** The next number. */
  readonly next: number;
  /** Numbers below this one are reserved already. */
  readonly end: number;
  /** Numbers that one write reserves. */
  readonly blockSize: number;
  /** The last number there is, at most 2^48 - 2. */
  readonly maximum: number;
  /** Called after each reservation. */
  readonly onReserved?: ((block: ReservedBlock) => void) | undefined;
}

export class BlockCounter {
  readonly #options: BlockCounterOptions;
  #next: number;
  #end: number;

  constructor(options: BlockCounterOptions) {
    this.#options = options;
    this.#next = options.next;
    this.#end = options.end;
  }

  /**
   * Reads what is stored.
   * @returns `undefined` when there is nothing, or it is damaged or cannot be read
   */
  static read(storage: KeyValueStorage, key: string): ReservedBlock | undefined {
    let stored: ArrayBuffer | undefined;
    try {
      stored = storage.read(key);
    } catch {
      // Whoever lost a counter must not go on with it, whatever the reason is.
      return undefined;
    }
    return decodeStored(stored);
  }

  /** The number that {@link take} gives next. */
  get next(): number {
    return this.#next;
  }

  /** Numbers from this one on are not reserved. */
  get end(): number {
    return this.#end;
  }

  /**
   * Takes the next number; a block is reserved when the last one is used up.
   * @returns the number, or `undefined` when there is none any more
   * @throws SealwireError as {@link reserve}: nothing was taken
   */
  take(): number | undefined {
    const { maximum } = this.#options;
    if (this.#next > maximum) return undefined;
    if (this.#next >= this.#end) this.reserve();
    return this.#next > maximum ? undefined : this.#next++;
  }

  /**
   * Reserves the block from the next number on, and so replaces what is stored. Numbers that another object reserved under the same name
   * since are left to it.
   * @throws SealwireError `STORAGE_FAILED`; `INVALID_STATE` when what this counter reserved is not stored any more: it was wiped, or another
   *   counter took its place, and nobody knows what was used since
   */
  reserve(): void {
    const { storage, key, name, blockSize, maximum, onReserved } = this.#options;
    if (storage) this.skipForeign(storage);
    if (this.#next > maximum) return;
    const end = Math.min(this.#next + blockSize, maximum + 1);
    storage?.write(key, encode({ name, end }));
    this.#end = end;
    onReserved?.({ name, end });
  }

  private skipForeign(storage: KeyValueStorage): void {
    const { key, name } = this.#options;
    const isNew = this.#end === 0;
    // A new name replaces whatever is there, damaged or not. Who has reserved before must find that again, and tries later if it cannot be read.
    const stored = isNew ? BlockCounter.read(storage, key) : decodeStored(storage.read(key));
    if (stored && equal(stored.name, name)) this.#next = Math.max(this.#next, stored.end);
    else if (!isNew)
      throw new SealwireError(
        "INVALID_STATE",
        "What was reserved of a counter is not in storage any more: it was wiped, or another object uses it. Start again.",
      );
  }
}

function decodeStored(stored: ArrayBuffer | undefined): ReservedBlock | undefined {
  return stored && decode(new Uint8Array(stored));
}

function encode({ name, end }: ReservedBlock): Uint8Array {
  if (name.byteLength > MAXIMUM_NAME)
    throw new SealwireError("INVALID_ARGUMENT", `The name of a counter has at most ${MAXIMUM_NAME} bytes.`);
  const bytes = new Uint8Array(OVERHEAD + name.byteLength);
  const view = new DataView(bytes.buffer);
  bytes[0] = FORMAT;
  bytes[1] = name.byteLength;
  bytes.set(name, 2);
  const at = 2 + name.byteLength;
  view.setUint16(at, Math.floor(end / 0x1_0000_0000));
  view.setUint32(at + 2, end >>> 0);
  view.setUint32(at + NUMBER, crc32(bytes.subarray(0, at + NUMBER)));
  return bytes;
}

function decode(bytes: Uint8Array): ReservedBlock | undefined {
  const length = bytes[1] ?? 0;
  if (bytes[0] !== FORMAT || length > MAXIMUM_NAME || bytes.byteLength !== OVERHEAD + length) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const at = 2 + length;
  if (view.getUint32(at + NUMBER) !== crc32(bytes.subarray(0, at + NUMBER))) return undefined;
  return { name: bytes.slice(2, at), end: view.getUint16(at) * 0x1_0000_0000 + view.getUint32(at + 2) };
}
