/** Storage and retained memory of a simulated chip, in RAM, with the faults that a test injects. */
import { SealwireError } from "../../src/errors.js";
import { toBytes } from "../../src/bytes.js";
import type { BufferLike, KeyValueStorage, RetainedMemory } from "../../src/platform.js";

/** What {@link MemoryStorage} throws when the power is cut, and at each write after it: whoever catches it goes on without power. */
export class PowerCut extends Error {}

/** Where the power is cut at a write: the key has its old value, or its new one already. */
export type CutPoint = "before" | "after";

export class MemoryStorage implements KeyValueStorage {
  readonly maximumKeyLength = 15;
  readonly maximumValueLength: number;
  readonly capacity: number;
  /** Writes and deletions since the beginning. */
  writes = 0;
  /** Whether the power was cut. */
  dead = false;
  /** Refuses every value, as a flash without a free page; what is there can be read and deleted. */
  full = false;
  #values: Map<string, Uint8Array>;
  #fault: { readonly at: number; readonly how: CutPoint | "fail" } | undefined;

  constructor({ maximumValueLength = 4000, capacity = 65536, values = new Map<string, Uint8Array>() } = {}) {
    this.maximumValueLength = maximumValueLength;
    this.capacity = capacity;
    this.#values = values;
  }

  /** Cuts the power at, or refuses, the `n`-th write from now (1: the next). */
  failAt(n: number, how: CutPoint | "fail"): void {
    this.#fault = { at: this.writes + n, how };
  }

  /** The storage as a new start of the device finds it. */
  afterReboot(): MemoryStorage {
    const { maximumValueLength, capacity } = this;
    return new MemoryStorage({ maximumValueLength, capacity, values: new Map(this.#values) });
  }

  read(key: string): ArrayBuffer | undefined {
    return this.#values.get(key)?.slice().buffer;
  }

  write(key: string, value: BufferLike): void {
    if (key.length === 0 || key.length > this.maximumKeyLength)
      throw new SealwireError(
        "INVALID_ARGUMENT",
        `The key "${key}" must have 1 to ${this.maximumKeyLength} characters.`,
      );
    if (value.byteLength > this.maximumValueLength)
      throw new SealwireError("STORAGE_VALUE_TOO_LARGE", `A value of ${value.byteLength} bytes is too large.`);
    if (this.full) throw new SealwireError("STORAGE_FAILED", "The storage is full.");
    this.#change(() => this.#values.set(key, toBytes(value).slice()));
  }

  delete(key: string): boolean {
    const there = this.#values.has(key);
    if (there) this.#change(() => this.#values.delete(key));
    return there;
  }

  [Symbol.iterator](): Iterator<string> {
    return this.#values.keys();
  }

  #change(apply: () => void): void {
    if (this.dead) throw new PowerCut();
    this.writes++;
    const how = this.#fault?.at === this.writes ? this.#fault.how : undefined;
    if (how === "fail") throw new SealwireError("STORAGE_FAILED", "The storage failed, as the test asked it to.");
    this.dead = how !== undefined;
    if (how !== "before") apply();
    if (this.dead) throw new PowerCut();
  }
}

export class MemoryRetained implements RetainedMemory {
  readonly bytes: Uint8Array;

  constructor(byteLength = 4096) {
    this.bytes = new Uint8Array(byteLength);
    this.losePower();
  }

  get byteLength(): number {
    return this.bytes.byteLength;
  }

  read(offset: number, buffer: Uint8Array): void {
    buffer.set(this.bytes.subarray(offset, offset + buffer.byteLength));
  }

  write(offset: number, bytes: Uint8Array): void {
    this.bytes.set(bytes, offset);
  }

  /** RTC memory is random after power-on. */
  losePower(): void {
    for (let i = 0; i < this.bytes.byteLength; i++) this.bytes[i] = Math.floor(Math.random() * 256);
  }
}
