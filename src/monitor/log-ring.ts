/**
 * The newest lines of a log, in a fixed number of bytes.
 *
 * One entry: level (1 byte), seconds since the start of its program (4 bytes, big-endian), length of the text (1 byte), the text in ASCII. When there is no
 * room for a new one the oldest go.
 */

export const LOG_LEVELS = ["error", "warning", "info", "debug"] as const;

export type LogLevel = (typeof LOG_LEVELS)[number];

export interface LogEntry {
  readonly level: LogLevel;
  /** Since the program that wrote it started. */
  readonly seconds: number;
  readonly text: string;
}

const HEAD = 6;
const LONGEST = 200;

export class LogRing {
  #bytes: Uint8Array;
  #length = 0;
  #dropped = 0;

  /** @param capacity bytes that are kept */
  constructor(capacity: number) {
    this.#bytes = new Uint8Array(capacity);
  }

  /** Lines that had to go. */
  get dropped(): number {
    return this.#dropped;
  }

  get byteLength(): number {
    return this.#length;
  }

  /** Takes over the entries of an earlier life. Damaged ones, and what follows them, are left out. */
  restore(saved: Uint8Array): void {
    for (let offset = 0; isWhole(saved, offset);) {
      const end = offset + HEAD + saved[offset + 5]!;
      this.append(saved.subarray(offset, end));
      offset = end;
    }
  }

  add(level: LogLevel, seconds: number, text: string): void {
    const length = Math.min(text.length, LONGEST);
    const entry = new Uint8Array(HEAD + length);
    entry[0] = LOG_LEVELS.indexOf(level);
    new DataView(entry.buffer).setUint32(1, seconds);
    entry[5] = length;
    for (let i = 0; i < length; i++) entry[HEAD + i] = text.charCodeAt(i) & 0x7f;
    this.append(entry);
  }

  /** The oldest first. */
  entries(): LogEntry[] {
    const entries: LogEntry[] = [];
    const bytes = this.#bytes.subarray(0, this.#length);
    for (let offset = 0; isWhole(bytes, offset);) {
      const end = offset + HEAD + bytes[offset + 5]!;
      const seconds = new DataView(bytes.buffer, bytes.byteOffset + offset).getUint32(1);
      const text = String.fromCharCode(...bytes.subarray(offset + HEAD, end));
      entries.push({ level: LOG_LEVELS[bytes[offset]!]!, seconds, text });
      offset = end;
    }
    return entries;
  }

  /** The newest entries that fit into `maximum` bytes; `undefined` when there is none. */
  save(maximum: number): Uint8Array | undefined {
    let offset = 0;
    while (this.#length - offset > maximum && offset < this.#length) offset += HEAD + this.#bytes[offset + 5]!;
    return offset >= this.#length ? undefined : this.#bytes.slice(offset, this.#length);
  }

  private append(entry: Uint8Array): void {
    const capacity = this.#bytes.byteLength;
    if (entry.byteLength > capacity) {
      this.#dropped++;
      return;
    }
    let offset = 0;
    while (this.#length - offset + entry.byteLength > capacity) {
      offset += HEAD + this.#bytes[offset + 5]!;
      this.#dropped++;
    }
    if (offset > 0) this.#bytes.copyWithin(0, offset, this.#length);
    this.#length -= offset;
    this.#bytes.set(entry, this.#length);
    this.#length += entry.byteLength;
  }
}

/** Whether a whole entry lies at `offset`. */
function isWhole(bytes: Uint8Array, offset: number): boolean {
  return (
    offset + HEAD <= bytes.byteLength &&
    bytes[offset]! < LOG_LEVELS.length &&
    bytes[offset + 5]! <= LONGEST &&
    offset + HEAD + bytes[offset + 5]! <= bytes.byteLength
  );
}
