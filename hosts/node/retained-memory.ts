/** RTC memory in a file. A power cut leaves random bytes, as on a chip. */
import { randomFillSync } from "node:crypto";
import { closeSync, openSync, readSync, writeSync } from "node:fs";
import { SealwireError } from "../../src/errors.js";
import type { RetainedMemory, WakeCause } from "../../src/platform.js";
import type { DeviceFolder } from "./device-folder.js";

const name = "retained";

export class FileRetainedMemory implements RetainedMemory {
  readonly byteLength: number;
  readonly #path: string;

  constructor(folder: DeviceFolder, byteLength: number, wakeCause: WakeCause) {
    if (!Number.isInteger(byteLength) || byteLength < 0)
      throw new SealwireError("INVALID_ARGUMENT", "retainedBytes must be a whole number of bytes.");
    this.byteLength = byteLength;
    this.#path = folder.join(name);
    const lost = wakeCause === "power" || folder.read(name)?.byteLength !== byteLength;
    if (lost) folder.write(name, randomFillSync(new Uint8Array(byteLength)));
  }

  read(offset: number, buffer: Uint8Array): void {
    this.#check(offset, buffer.byteLength);
    this.#access("r", (file) => readSync(file, buffer, 0, buffer.byteLength, offset));
  }

  /** No fsync: like memory it survives the process, and need not survive the machine. */
  write(offset: number, bytes: Uint8Array): void {
    this.#check(offset, bytes.byteLength);
    this.#access("r+", (file) => writeSync(file, bytes, 0, bytes.byteLength, offset));
  }

  #check(offset: number, byteLength: number): void {
    if (!Number.isInteger(offset) || offset < 0 || offset + byteLength > this.byteLength)
      throw new SealwireError("INVALID_ARGUMENT", `Retained memory has ${this.byteLength} bytes.`);
  }

  #access(flags: "r" | "r+", action: (file: number) => void): void {
    try {
      const file = openSync(this.#path, flags);
      try {
        action(file);
      } finally {
        closeSync(file);
      }
    } catch (error) {
      throw new SealwireError("STORAGE_FAILED", "Retained memory cannot be used.", { cause: error });
    }
  }
}
