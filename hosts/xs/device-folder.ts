/**
 * What of a simulated device outlives its process, one folder per device, with the files of the Node host: `mac`, `retained`,
 * `wake`, `provisioning.bin` and `storage/`.
 */
import { fromUTF8, toUTF8 } from "../../src/bytes.js";
import { SealwireError } from "../../src/errors.js";
import type { ProvisioningPartition, RetainedMemory, WakeCause } from "../../src/platform.js";
import * as file from "./native/file.js";

/** The burnt-in MAC address: locally administered, unicast, and the same for ever. */
export function readMAC(folder: string): Uint8Array {
  const path = `${folder}/mac`;
  file.ensure(path, 6);
  const address = new Uint8Array(file.read(path)!);
  const first = (address[0]! & 0xfc) | 0x02;
  if (first !== address[0]) {
    address[0] = first;
    file.write(path, address);
  }
  return address;
}

/** Why this process starts. The note is taken away: a process that ends without a word had its power cut. */
export function takeWakeCause(folder: string): WakeCause {
  const note = file.read(`${folder}/wake`);
  if (note === undefined) return "power";
  file.remove(`${folder}/wake`);
  const text = fromUTF8(new Uint8Array(note)) ?? "";
  return text.includes('"sleep"') ? "sleep" : text.includes('"restart"') ? "restart" : "power";
}

/** Notes why the next process will start. */
export function notePowerDown(folder: string, cause: "sleep" | "restart", milliseconds: number): void {
  file.write(`${folder}/wake`, toUTF8(JSON.stringify({ cause, milliseconds })));
}

/** Makes the file of the retained memory, if it shall have one. A power cut leaves random bytes, as on a chip. */
export function prepareRetained(folder: string, byteLength: number, wakeCause: WakeCause): void {
  if (!Number.isInteger(byteLength) || byteLength < 0)
    throw new SealwireError("INVALID_ARGUMENT", "retainedBytes must be a whole number of bytes.");
  if (byteLength > 0) file.ensure(retainedPath(folder), byteLength, wakeCause === "power");
}

const retainedPath = (folder: string): string => `${folder}/retained`;

/** RTC memory in a file that {@link prepareRetained} made. */
export class FileRetainedMemory implements RetainedMemory {
  readonly byteLength: number;
  readonly #path: string;

  constructor(folder: string, byteLength: number) {
    this.byteLength = byteLength;
    this.#path = retainedPath(folder);
  }

  read(offset: number, buffer: Uint8Array): void {
    this.#access(offset, buffer, false);
  }

  write(offset: number, bytes: Uint8Array): void {
    this.#access(offset, bytes, true);
  }

  #access(offset: number, bytes: Uint8Array, writing: boolean): void {
    if (!Number.isInteger(offset) || offset < 0 || offset + bytes.byteLength > this.byteLength)
      throw new SealwireError("INVALID_ARGUMENT", `Retained memory has ${this.byteLength} bytes.`);
    try {
      file.access(this.#path, offset, bytes, writing);
    } catch (error) {
      throw new SealwireError("STORAGE_FAILED", "Retained memory cannot be used.", { cause: error });
    }
  }
}

/** The provisioning partition. Erasing overwrites the file before it is removed. */
export class FileProvisioning implements ProvisioningPartition {
  readonly #path: string;

  constructor(folder: string) {
    this.#path = `${folder}/provisioning.bin`;
  }

  read(): Uint8Array | undefined {
    const record = file.read(this.#path);
    return record && new Uint8Array(record);
  }

  erase(): void {
    const size = file.size(this.#path);
    if (size > 0) file.access(this.#path, 0, new Uint8Array(size), true);
    file.remove(this.#path);
  }
}
