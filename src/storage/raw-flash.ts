/** NOR flash as a chip offers it: a program only clears bits, and only an erase of a whole sector sets them. */
export interface RawFlash {
  readonly sectors: number;
  /** Bytes of a sector: 4096 on the chips in use, a multiple of 4. */
  readonly sectorLength: number;
  /** Copies the bytes from `offset` into `buffer`. */
  read(offset: number, buffer: Uint8Array): void;
  /** Clears the bits that are 0 in `bytes`, the lowest address first. `offset` and length are multiples of 4. */
  program(offset: number, bytes: Uint8Array): void;
  /** Sets all bits of a sector. Each erase wears it: some 100,000 are promised. */
  erase(sector: number): void;
}
