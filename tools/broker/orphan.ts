/** A Mosquitto whose `sealwire broker run` was killed goes on alone, follows no source any more, and keeps the port: the next run ends it. */
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { CommandFailure, exitCodes } from "../failure.js";
import { readFile, replaceFile } from "../files.js";

/** Milliseconds in which it must end before it is killed, and once more until it is given up: nothing ends a process that waits for a disk. */
const stopTime = 3_000;

function pidFile(folder: string): string {
  return path.join(folder, "mosquitto.pid");
}

/** Notes the process that runs over the state in a folder. */
export function noteServer(folder: string, pid: number | undefined): void {
  if (pid === undefined) fs.rmSync(pidFile(folder), { force: true });
  else replaceFile(pidFile(folder), `${pid}\n`, 0o600);
}

/**
 * Ends the process that was noted, if it still runs with the configuration in this folder. The folder must be claimed.
 *
 * @throws CommandFailure when it does not end
 */
export async function endOrphan(folder: string): Promise<void> {
  const pid = Number(readFile(pidFile(folder)));
  const isOurs = (): boolean => commandOf(pid).includes(path.resolve(folder, "mosquitto.conf"));
  if (Number.isSafeInteger(pid) && pid > 0 && isOurs()) {
    signal(pid, "SIGTERM");
    for (const begun = performance.now(); isOurs();) {
      const waited = performance.now() - begun;
      if (waited > 2 * stopTime)
        throw new CommandFailure(
          exitCodes.environment,
          "TIMEOUT",
          `The Mosquitto of an earlier run, process ${pid}, does not end.`,
        );
      if (waited > stopTime) signal(pid, "SIGKILL");
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
  noteServer(folder, undefined);
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    // It has just ended.
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/** What the process was started with; nothing when there is none. */
function commandOf(pid: number): string {
  try {
    return fs.readFileSync(`/proc/${pid}/cmdline`, "utf8");
  } catch {
    if (fs.existsSync("/proc/self/cmdline")) return "";
    const { error, stdout } = spawnSync("ps", ["-o", "command=", "-p", String(pid)], { encoding: "utf8" });
    // Without ps it cannot be told whose it is: then it is left alone.
    return error === undefined ? stdout : "";
  }
}
