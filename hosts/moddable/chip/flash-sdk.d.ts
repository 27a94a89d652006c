/** A partition of the flash: the module `flash` of the Moddable SDK. Offsets and sectors are relative to it. */
export class Flash {
  /** @throws Error when there is no such partition */
  constructor(partition: string);
  readonly byteLength: number;
  /** Bytes of a sector. */
  readonly blockSize: number;
  read(offset: number, byteLength: number): ArrayBuffer;
  write(offset: number, byteLength: number, bytes: ArrayBuffer | Uint8Array): void;
  erase(sector: number): void;
}
