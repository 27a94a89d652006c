/** A file system with a few kilobytes, as the one that a command writes to. */
import { spawn, spawnSync } from "node:child_process";
import * as fs from "node:fs";
import type { CommandResult } from "./run-command.js";

/** A user namespace of its own lets an ordinary user mount, where the system permits it; root may without. */
const ways: readonly (readonly string[])[] = [
  ["unshare", "--map-root-user", "--mount"],
  ["unshare", "--mount"],
];

function wayThatWorks(): readonly string[] | undefined {
  return ways.find(([program, ...args]) => {
    const probe = [...args, "sh", "-c", "mount -t tmpfs -o size=64k tmpfs /mnt"];
    return spawnSync(program!, probe, { stdio: "ignore" }).status === 0;
  });
}

/** Skips the test where no file system can be mounted. */
export function requireMount(context: Mocha.Context): void {
  if (wayThatWorks() !== undefined) return;
  console.log("      No file system can be mounted here (unshare --mount): the disk cannot be filled.");
  context.skip();
}

/**
 * Runs shell commands with a small file system at a folder. It is gone with the commands.
 * @param kilobytes its size
 */
export function onSmallDisk(folder: string, kilobytes: number, script: string): Promise<CommandResult> {
  const [program, ...args] = wayThatWorks()!;
  fs.mkdirSync(folder, { recursive: true });
  const mount = 'mount -t tmpfs -o "size=$2k" tmpfs "$1" && cd "$1" && eval "$3"';
  const child = spawn(program!, [...args, "sh", "-c", mount, "sh", folder, String(kilobytes), script], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, NODE_OPTIONS: undefined },
  });
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (chunk) => (stdout += String(chunk)));
  child.stderr.on("data", (chunk) => (stderr += String(chunk)));
  return new Promise((resolve) => child.once("close", (exitCode) => resolve({ exitCode, stdout, stderr })));
}
