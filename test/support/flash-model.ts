/** A model of NOR flash in RAM: a program only clears bits, only an erase of a sector sets them, and power fails at any byte. */
import type { RawFlash } from "../../src/storage/index.js";
import { PowerCut } from "./memory-storage.js";

export class FlashModel implements RawFlash {
  readonly sectors: number;
  readonly sectorLength: number;
  readonly bytes: Uint8Array;
  /** How often each sector was erased. */
  readonly erases: number[];
  /** Steps so far, at each of which power can fail: a byte programmed, or a quarter of a sector erased. */
  steps = 0;
  #cutAt = Infinity;
  #dead = false;

  constructor({ sectors = 4, sectorLength = 4096, bytes = new Uint8Array(0) } = {}) {
    this.sectors = sectors;
    this.sectorLength = sectorLength;
    // What a flash holds at first is not known.
    this.bytes = bytes.byteLength > 0 ? bytes : new Uint8Array(sectors * sectorLength).fill(0x5a);
    this.erases = new Array<number>(sectors).fill(0);
  }

  /** Power fails at the `n`-th step from now (1: the next). The byte at that step is half written. */
  cutAt(n: number): void {
    this.#cutAt = this.steps + n;
  }

  /** Whether power failed. Nothing works until {@link afterReboot}. */
  get dead(): boolean {
    return this.#dead;
  }

  afterReboot(): FlashModel {
    const { sectors, sectorLength, bytes } = this;
    return new FlashModel({ sectors, sectorLength, bytes: bytes.slice() });
  }

  read(offset: number, buffer: Uint8Array): void {
    this.#alive();
    buffer.set(this.bytes.subarray(offset, offset + buffer.byteLength));
  }

  program(offset: number, bytes: Uint8Array): void {
    this.#alive();
    if (offset % 4 !== 0 || bytes.byteLength % 4 !== 0) throw new Error("The flash is programmed in words.");
    for (const [i, byte] of bytes.entries()) {
      // A cut leaves some of the bits of a byte cleared, and not yet others.
      if (this.#step()) {
        this.bytes[offset + i]! &= byte | 0x0f;
        throw new PowerCut();
      }
      this.bytes[offset + i]! &= byte;
    }
  }

  erase(sector: number): void {
    this.#alive();
    const quarter = this.sectorLength / 4;
    for (let i = 0; i < 4; i++) {
      const at = sector * this.sectorLength + i * quarter;
      if (this.#step()) {
        // Half of the bytes are erased, and the others not: not even in order.
        for (let j = 0; j < quarter; j += 2) this.bytes[at + j] = 0xff;
        throw new PowerCut();
      }
      this.bytes.fill(0xff, at, at + quarter);
    }
    this.erases[sector]!++;
  }

  #step(): boolean {
    this.steps++;
    this.#dead = this.steps >= this.#cutAt;
    return this.#dead;
  }

  #alive(): void {
    if (this.#dead) throw new PowerCut();
  }
}
