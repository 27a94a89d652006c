/** Files that survive a crash at any moment. */
import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { dirname } from "node:path";

/** Ends the name of a file that is being written. */
export const unfinished = ".tmp";

/**
 * Replaces a file so that it holds the old or the new bytes, whenever the process or the machine stops; durable on return.
 * @param beforeRename called when the new bytes are durable, but not yet in place
 */
export function writeFileAtomically(path: string, bytes: Uint8Array, beforeRename?: () => void): void {
  const temporary = path + unfinished;
  try {
    const file = openSync(temporary, "w", 0o600);
    try {
      for (let offset = 0; offset < bytes.byteLength;) offset += writeSync(file, bytes, offset);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    beforeRename?.();
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
  syncFolder(dirname(path));
}

/** Makes renames and removals in a folder durable. */
export function syncFolder(path: string): void {
  if (process.platform === "win32") return; // Windows cannot open a folder, and needs no such thing.
  const folder = openSync(path, "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}
