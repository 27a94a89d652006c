/** RTC memory in a file. A power cut leaves random bytes, as on a chip. */
import { randomFillSync } from "node:crypto";
import { closeSync, fstatSync, ftruncateSync, openSync, readSync, writeSync } from "node:fs";
import { SealwireError } from "../../src/errors.js";
import type { RetainedMemory, WakeCause } from "../../src/platform.js";
import type { DeviceFolder } from "./device-folder.js";

const name = "retained";

export class FileRetainedMemory implements RetainedMemory {
  readonly byteLength: number;
  readonly #file: number;

  constructor(folder: DeviceFolder, byteLength: number, wakeCause: WakeCause) {
    if (!Number.isInteger(byteLength) || byteLength < 0)
      throw new SealwireError("INVALID_ARGUMENT", "retainedBytes must be a whole number of bytes.");
    this.byteLength = byteLength;
    try {
      this.#file = openSync(folder.join(name), "a+", 0o600);
      closeSync(this.#file);
      this.#file = openSync(folder.join(name), "r+");
      const lost = wakeCause === "power" || fstatSync(this.#file).size !== byteLength;
      if (!lost) return;
      ftruncateSync(this.#file, byteLength);
      this.write(0, randomFillSync(new Uint8Array(byteLength)));
    } catch (error) {
      throw new SealwireError("STORAGE_FAILED", `Cannot use the device folder ${folder.path}.`, { cause: error });
    }
  }

  read(offset: number, buffer: Uint8Array): void {
    this.#check(offset, buffer.byteLength);
    attempt(() => readSync(this.#file, buffer, 0, buffer.byteLength, offset));
  }

  /** No fsync: like memory it survives the process, and need not survive the machine. */
  write(offset: number, bytes: Uint8Array): void {
    this.#check(offset, bytes.byteLength);
    attempt(() => writeSync(this.#file, bytes, 0, bytes.byteLength, offset));
  }

  #check(offset: number, byteLength: number): void {
    if (!Number.isInteger(offset) || offset < 0 || offset + byteLength > this.byteLength)
      throw new SealwireError("INVALID_ARGUMENT", `Retained memory has ${this.byteLength} bytes.`);
  }
}

function attempt(action: () => void): void {
  try {
    action();
  } catch (error) {
    throw new SealwireError("STORAGE_FAILED", "Retained memory cannot be used.", { cause: error });
  }
}
