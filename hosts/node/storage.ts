/** Key-value storage in a folder, on Node's file system. */
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { toBytes } from "../../src/bytes.js";
import {
  entryOverhead,
  type Files,
  FolderStorage as SharedFolderStorage,
  type StorageOptions,
  suffix,
} from "../files/folder-storage.js";
import { syncFolder, writeFileAtomically } from "./files.js";

export type { StorageFault, StorageOptions } from "../files/folder-storage.js";

const kill = (): never => {
  process.kill(process.pid, "SIGKILL");
  // The signal is on its way.
  for (;;);
};

const files: Files = {
  folder: (path) => void mkdirSync(path, { recursive: true, mode: 0o700 }),
  read(path) {
    try {
      return new Uint8Array(readFileSync(path)).buffer;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw error;
    }
  },
  write: (path, bytes, cut) => writeFileAtomically(path, toBytes(bytes), cut ? kill : undefined),
  remove(path) {
    const found = statSync(path, { throwIfNoEntry: false }) !== undefined;
    if (found) {
      rmSync(path);
      syncFolder(dirname(path));
    }
    return found;
  },
  list: (path) =>
    readdirSync(path)
      .map((name) => `${name}\n`)
      .join(""),
  used(folder, except) {
    let used = 0;
    for (const name of readdirSync(folder)) {
      const path = join(folder, name);
      if (!name.endsWith(suffix) || path === except) continue;
      used += entryOverhead + decodeURIComponent(name.slice(0, -suffix.length)).length + statSync(path).size;
    }
    return used;
  },
  kill,
};

export class FolderStorage extends SharedFolderStorage {
  /** @throws SealwireError `STORAGE_FAILED` when the folder cannot be used */
  constructor(folder: string, options?: StorageOptions) {
    super(files, folder, options);
  }
}
