/** Files that other runs may read or write at the same time: each appears whole, or not at all. */
import { randomBytes } from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";
import { CommandFailure, exitCodes, reasonOf } from "./failure.js";

/** The text of a file, or `undefined` when it does not exist. */
export function readFile(file: string): string | undefined {
  try {
    return fs.readFileSync(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw failure("read", file, error);
  }
}

type Content = string | Uint8Array | Iterable<string>;

/** Writes a file that nobody sees half written; the last of several writers wins. @param content at once, or piece by piece */
export function replaceFile(file: string, content: Content, mode = 0o644): void {
  write(file, content, mode, (temporary) => {
    fs.renameSync(temporary, file);
  });
}

/**
 * Writes a file unless it is there already: of several writers the first wins.
 * @returns what is in the file now
 * @throws CommandFailure with exit code 3
 */
export function createFile(file: string, text: string, mode: number): string {
  for (;;) {
    write(file, text, mode, (temporary) => {
      try {
        fs.linkSync(temporary, file);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
      }
    });
    const found = readFile(file);
    // Another may have taken it away in between: then it is not ours because it was there.
    if (found !== undefined) return found;
    if (fs.lstatSync(file, { throwIfNoEntry: false })?.isSymbolicLink())
      throw failure("write", file, new Error("it is a link that leads nowhere"));
  }
}

/** Makes a folder, and those above it. */
export function createFolder(folder: string, mode = 0o755): void {
  try {
    fs.mkdirSync(folder, { recursive: true, mode });
  } catch (error) {
    throw failure("make the folder", folder, error);
  }
}

function write(file: string, content: Content, mode: number, publish: (temporary: string) => void): void {
  const temporary = path.join(path.dirname(file), `.${path.basename(file)}.${randomBytes(6).toString("hex")}`);
  try {
    const descriptor = fs.openSync(temporary, "wx", mode);
    try {
      const isWhole = typeof content === "string" || content instanceof Uint8Array;
      for (const part of isWhole ? [content] : content) fs.writeFileSync(descriptor, part);
      fs.fsyncSync(descriptor);
    } finally {
      fs.closeSync(descriptor);
    }
    publish(temporary);
  } catch (error) {
    throw failure("write", file, error);
  } finally {
    fs.rmSync(temporary, { force: true });
  }
}

function failure(action: string, file: string, error: unknown): CommandFailure {
  return new CommandFailure(exitCodes.environment, "STORAGE_FAILED", `Cannot ${action} ${file}: ${reasonOf(error)}.`, {
    cause: error,
  });
}
