/** Keeps two runs from using one folder, or changing one file, at the same time. */
import { randomBytes } from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";
import { CommandFailure, exitCodes } from "./failure.js";
import { createFile, readFile } from "./files.js";

/** Holds the process identifier of the run that uses the folder. */
const fileName = "in-use";

/** Milliseconds that a change of a file may have to wait for others. */
const longestWait = 15_000;

/**
 * Claims a folder for this process.
 * @returns gives it back
 * @throws CommandFailure with exit code 3 when another process that still runs has it
 */
export function claimFolder(folder: string): () => void {
  const file = path.join(folder, fileName);
  const claimed = claim(file);
  if (typeof claimed === "string")
    throw new CommandFailure(
      exitCodes.environment,
      "INVALID_STATE",
      `The folder ${folder} is in use by process ${claimed.trim().slice(0, 20)}; if that is no sealwire command, delete ${file}.`,
    );
  return claimed;
}

/**
 * Reads and replaces a file, while no other process does so.
 * @throws CommandFailure with exit code 3 when others keep it for too long
 */
export function exclusively<T>(file: string, work: () => T): T {
  const lock = path.join(path.dirname(file), `.${path.basename(file)}.in-use`);
  const end = performance.now() + longestWait;
  for (;;) {
    const claimed = claim(lock);
    if (typeof claimed === "string") {
      if (performance.now() > end)
        throw new CommandFailure(
          exitCodes.environment,
          "INVALID_STATE",
          `The file ${file} is being changed by process ${claimed.trim().slice(0, 20)}; if that is no sealwire command, delete ${lock}.`,
        );
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
      continue;
    }
    try {
      return work();
    } finally {
      claimed();
    }
  }
}

/** @returns gives it back; or who has it, a process that runs */
function claim(file: string): (() => void) | string {
  const own = `${process.pid}\n`;
  for (;;) {
    const holder = createFile(file, own, 0o600);
    if (holder === own)
      return () => {
        if (readFile(file) === own) fs.rmSync(file, { force: true });
      };
    if (isRunning(Number(holder))) return holder;
    takeAway(file, holder);
  }
}

/** Of somebody who ended without giving it back: only what was seen, since another may have claimed it by now. */
function takeAway(file: string, seen: string): void {
  const taken = `${file}.${randomBytes(6).toString("hex")}`;
  try {
    fs.renameSync(file, taken);
    if (readFile(taken) !== seen) fs.linkSync(taken, file);
  } catch (error) {
    if (!["ENOENT", "EEXIST"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
  } finally {
    fs.rmSync(taken, { force: true });
  }
}

/** Whether a process that still runs has the folder. */
export function isClaimed(folder: string): boolean {
  return isRunning(Number(readFile(path.join(folder, fileName))));
}

function isRunning(pid: number): boolean {
  if (!Number.isSafeInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
