/** Keeps two runs from using one folder at the same time. */
import * as fs from "node:fs";
import * as path from "node:path";
import { CommandFailure, exitCodes } from "./failure.js";
import { createFile, readFile } from "./files.js";

/** Holds the process identifier of the run that uses the folder. */
const fileName = "in-use";

/**
 * Claims a folder for this process.
 * @returns gives it back
 * @throws CommandFailure with exit code 3 when another process that still runs has it
 */
export function claimFolder(folder: string): () => void {
  const file = path.join(folder, fileName);
  const own = `${process.pid}\n`;
  for (let attempt = 1; ; attempt++) {
    const holder = createFile(file, own, 0o600);
    if (holder === own)
      return () => {
        if (readFile(file) === own) fs.rmSync(file, { force: true });
      };
    if (attempt > 1 || isRunning(Number(holder)))
      throw new CommandFailure(
        exitCodes.environment,
        "INVALID_STATE",
        `The folder ${folder} is in use by process ${holder.trim().slice(0, 20)}; if that is no sealwire command, delete ${file}.`,
      );
    // Whoever had it ended without giving it back.
    fs.rmSync(file, { force: true });
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
