/** Key-value storage of the XS host. It is native, as NVS is on a chip; what it refuses is told here. */
import { SealwireError, toSealwireError } from "../../src/errors.js";
import type { KeyValueStorage } from "../../src/platform.js";
import type { StorageOptions } from "../files/folder-storage.js";
import { NativeStorage, type Refusal } from "./native/storage.js";

export class XSStorage extends NativeStorage implements KeyValueStorage {
  /** @throws SealwireError `STORAGE_FAILED` when the folder cannot be used */
  constructor(folder: string, { capacity = 65_536, maximumValueLength = 4000, fault }: StorageOptions = {}) {
    try {
      super(folder, capacity, maximumValueLength, fault?.atWrite ?? 0, fault?.action);
    } catch (error) {
      throw toSealwireError(error, "STORAGE_FAILED", "The storage cannot be opened.");
    }
  }

  get maximumKeyLength(): number {
    return 15;
  }

  [Symbol.iterator](): Iterator<string> {
    const keys = this.keys();
    return (keys === "" ? [] : keys.split("\n"))[Symbol.iterator]();
  }

  protected override refuse(refusal: Refusal, key: string | undefined, reason: string): never {
    if (refusal === 1)
      throw new SealwireError("INVALID_ARGUMENT", `A key has 1 to ${this.maximumKeyLength} ASCII characters.`);
    if (refusal === 2)
      throw new SealwireError(
        "STORAGE_VALUE_TOO_LARGE",
        `The value ${key} is too long; the storage takes ${this.maximumValueLength} bytes.`,
      );
    if (refusal === 3)
      throw new SealwireError("STORAGE_FAILED", `The storage is full: it holds ${this.capacity} bytes.`);
    if (refusal === 4) throw new SealwireError("STORAGE_FAILED", "The storage failed (injected fault).");
    throw new SealwireError("STORAGE_FAILED", `The stored value ${key ?? ""} cannot be used: ${reason}.`);
  }
}
