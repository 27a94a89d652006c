/** Key-value storage of the Node host: a folder with one file per key, every write atomic and durable. */
import { toBytes } from "../../src/bytes.js";
import { SealwireError, toSealwireError } from "../../src/errors.js";
import type { BufferLike, KeyValueStorage } from "../../src/platform.js";

/** What a host gives: the file system, and a power cut. Everything throws an Error that tells the operating system's reason. */
export interface Files {
  /** Makes a folder, with those above it. */
  folder(path: string): void;
  /** A file's bytes; `undefined` when there is none. */
  read(path: string): ArrayBuffer | undefined;
  /** Replaces a file, which holds the old or the new bytes at any moment; durable on return. `cut` kills the process half-way. */
  write(path: string, bytes: BufferLike, cut?: boolean): void;
  /** Durable on return. @returns whether the file was there */
  remove(path: string): boolean;
  /** The names in a folder, each followed by a line feed. */
  list(path: string): string;
  /** Bytes that the values (`*.value`) in a folder take, with {@link entryOverhead} for each; the file `except` is left out. */
  used(folder: string, except: string): number;
  /** Ends the process as a power cut does. */
  kill(): never;
}

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

/** Ends the name of a file that holds a value. */
export const suffix = ".value";
/** Ends the name of a file that is being written. */
export const unfinished = ".tmp";
/** What an entry costs beside its bytes: as in NVS. */
export const entryOverhead = 32;

export class FolderStorage implements KeyValueStorage {
  readonly maximumKeyLength = 15;
  readonly maximumValueLength: number;
  readonly capacity: number;
  readonly #files: Files;
  readonly #folder: string;
  readonly #fault: StorageFault | undefined;
  #writes = 0;

  /** @throws SealwireError `STORAGE_FAILED` when the folder cannot be used */
  constructor(files: Files, folder: string, options: StorageOptions = {}) {
    this.#files = files;
    this.#folder = folder;
    this.capacity = options.capacity ?? 65_536;
    this.maximumValueLength = options.maximumValueLength ?? 4000;
    this.#fault = options.fault;
    try {
      files.folder(folder);
      // A write that was interrupted never happened.
      for (const name of files.list(folder).split("\n"))
        if (name.endsWith(unfinished)) files.remove(`${folder}/${name}`);
    } catch (error) {
      throw toSealwireError(error, "STORAGE_FAILED", "The storage cannot be opened.");
    }
  }

  read(key: string): ArrayBuffer | undefined {
    const path = this.#path(key);
    try {
      return this.#files.read(path);
    } catch (error) {
      throw toSealwireError(error, "STORAGE_FAILED", `The stored value ${key} cannot be read.`);
    }
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
    try {
      if (this.#files.used(this.#folder, path) + entryOverhead + key.length + byteLength > this.capacity)
        throw new SealwireError("STORAGE_FAILED", `The storage is full: it holds ${this.capacity} bytes.`);
      const action = this.#nextFault();
      this.#files.write(path, value, action === "kill-between");
      if (action === "kill-after") this.#files.kill();
    } catch (error) {
      throw toSealwireError(error, "STORAGE_FAILED", `The value ${key} cannot be stored.`);
    }
  }

  delete(key: string): boolean {
    const path = this.#path(key);
    try {
      const action = this.#nextFault();
      if (action === "kill-between") this.#files.kill();
      const found = this.#files.remove(path);
      if (action === "kill-after") this.#files.kill();
      return found;
    } catch (error) {
      throw toSealwireError(error, "STORAGE_FAILED", `The value ${key} cannot be deleted.`);
    }
  }

  [Symbol.iterator](): Iterator<string> {
    let names;
    try {
      names = this.#files.list(this.#folder);
    } catch (error) {
      throw toSealwireError(error, "STORAGE_FAILED", "The storage cannot be read.");
    }
    return names
      .split("\n")
      .filter((name) => name.endsWith(suffix))
      .map((name) => decodeURIComponent(name.slice(0, -suffix.length)))
      [Symbol.iterator]();
  }

  /** Counts a write and does what the fault says of its beginning. @returns what it says of the rest */
  #nextFault(): StorageFault["action"] | undefined {
    this.#writes++;
    const action = this.#writes === this.#fault?.atWrite ? this.#fault.action : undefined;
    if (action === "fail") throw new SealwireError("STORAGE_FAILED", "The storage failed (injected fault).");
    if (action === "kill-before") this.#files.kill();
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
