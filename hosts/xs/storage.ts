/** Key-value storage in a folder: one file per key, every write atomic and durable. The same files as on the Node host. */
import { toBytes } from "../../src/bytes.js";
import { SealwireError, toSealwireError } from "../../src/errors.js";
import type { BufferLike, KeyValueStorage } from "../../src/platform.js";
import * as file from "./native/file.js";
import { kill } from "./native/system.js";

/** A fault for tests: at the n-th write or delete, counted from 1, the write fails or the process is killed. */
export interface StorageFault {
  readonly atWrite: number;
  /** `kill-before`: nothing was written; `kill-between`: the new value is there, not yet in place; `kill-after`: it is. */
  readonly action: "fail" | "kill-before" | "kill-between" | "kill-after";
}

export interface StorageOptions {
  /** 65536 when left out. */
  readonly capacity?: number;
  /** 4000 when left out, as in ESP-IDF's NVS. */
  readonly maximumValueLength?: number;
  readonly fault?: StorageFault | undefined;
}

const suffix = ".value";
/** What an entry costs beside its bytes: as in NVS. */
const entryOverhead = 32;

export class FolderStorage implements KeyValueStorage {
  readonly maximumKeyLength = 15;
  readonly maximumValueLength: number;
  readonly capacity: number;
  readonly #folder: string;
  readonly #fault: StorageFault | undefined;
  #writes = 0;

  /** @throws SealwireError `STORAGE_FAILED` when the folder cannot be used */
  constructor(folder: string, options: StorageOptions = {}) {
    this.#folder = folder;
    this.capacity = options.capacity ?? 65_536;
    this.maximumValueLength = options.maximumValueLength ?? 4000;
    this.#fault = options.fault;
    attempt("The storage cannot be opened.", () => {
      file.folder(folder);
      // A write that was interrupted never happened.
      for (const name of file.list(folder).split("\n")) if (name.endsWith(".tmp")) file.remove(`${folder}/${name}`);
    });
  }

  read(key: string): ArrayBuffer | undefined {
    const path = this.#path(key);
    return attempt(`The stored value ${key} cannot be read.`, () => file.read(path));
  }

  write(key: string, value: BufferLike): void {
    const path = this.#path(key);
    const { byteLength } = toBytes(value);
    if (byteLength > this.maximumValueLength)
      throw new SealwireError(
        "STORAGE_VALUE_TOO_LARGE",
        `The value ${key} has ${byteLength} bytes; the storage takes ${this.maximumValueLength}.`,
      );
    // No helper functions here: the stack of a chip is small, and this is called at its deepest.
    const action = this.#nextFault();
    try {
      if (file.used(this.#folder, path) + entryOverhead + key.length + byteLength > this.capacity)
        throw new SealwireError("STORAGE_FAILED", `The storage is full: it holds ${this.capacity} bytes.`);
      file.write(path, value, action === "kill-between");
    } catch (error) {
      throw toSealwireError(error, "STORAGE_FAILED", `The value ${key} cannot be stored.`);
    }
    if (action === "kill-after") kill();
  }

  delete(key: string): boolean {
    const path = this.#path(key);
    return attempt(`The value ${key} cannot be deleted.`, () => {
      const action = this.#nextFault();
      if (action === "kill-between") kill();
      const found = file.remove(path);
      if (action === "kill-after") kill();
      return found;
    });
  }

  [Symbol.iterator](): Iterator<string> {
    return this.#keys()[Symbol.iterator]();
  }

  #keys(): string[] {
    const names = attempt("The storage cannot be read.", () => file.list(this.#folder));
    return names
      .split("\n")
      .filter((name) => name.endsWith(suffix))
      .map((name) => decodeURIComponent(name.slice(0, -suffix.length)));
  }

  /** Counts a write and does what the fault says of its beginning. @returns what it says of the rest */
  #nextFault(): StorageFault["action"] | undefined {
    this.#writes++;
    const action = this.#writes === this.#fault?.atWrite ? this.#fault.action : undefined;
    if (action === "fail") throw new SealwireError("STORAGE_FAILED", "The storage failed (injected fault).");
    if (action === "kill-before") kill();
    return action;
  }

  /** Some file systems do not tell upper from lower case, and a dot may begin a hidden file: both are escaped. */
  #path(key: string): string {
    if (!/^[\x21-\x7e]+$/.test(key) || key.length > this.maximumKeyLength)
      throw new SealwireError("INVALID_ARGUMENT", `A key has 1 to ${this.maximumKeyLength} ASCII characters.`);
    const name = key.replace(/[^a-z0-9_-]/g, (character) => `%${character.charCodeAt(0).toString(16)}`);
    return `${this.#folder}/${name}${suffix}`;
  }
}

function attempt<T>(message: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw toSealwireError(error, "STORAGE_FAILED", message);
  }
}
