/** What outlives the program. */
import type { BufferLike } from "./transport.js";

/**
 * Key-value storage: the ECMA-419 domain of section 23 with format `"buffer"`. Survives power loss; a write of one key is atomic
 * (after a power cut the key has its old or its new value). Keys are ASCII.
 */
export interface KeyValueStorage {
  /** Longest key, in bytes (15 on ESP-IDF's NVS). */
  readonly maximumKeyLength: number;
  /** Largest value, in bytes. */
  readonly maximumValueLength: number;
  /** Bytes for all keys and values together, as far as the host can tell. */
  readonly capacity: number;
  /** @returns a fresh copy of the value, or `undefined` when the key is not there */
  read(key: string): ArrayBuffer | undefined;
  /** Durable when it returns. @throws SealwireError `STORAGE_FAILED` or `STORAGE_VALUE_TOO_LARGE`, the old value is kept */
  write(key: string, value: BufferLike): void;
  /** Durable when it returns. @returns whether the key was there */
  delete(key: string): boolean;
  /** The keys, in no particular order; the storage must not be changed while iterating. */
  [Symbol.iterator](): Iterator<string>;
}

/**
 * Memory that survives deep sleep and restart but not power loss (RTC memory). Its content at power-on is random: who uses it
 * must authenticate it. Writing does not wear it.
 */
export interface RetainedMemory {
  readonly byteLength: number;
  /** Copies bytes from `offset` into `buffer`. */
  read(offset: number, buffer: Uint8Array): void;
  /** Copies `bytes` to `offset`. */
  write(offset: number, bytes: Uint8Array): void;
}

/** Where the provisioning record lies until the vault has imported it. */
export interface ProvisioningPartition {
  /** @returns a fresh copy of the record, or `undefined` when there is none */
  read(): Uint8Array | undefined;
  /** Destroys the record. */
  erase(): void;
}
