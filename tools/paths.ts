/** Where things lie, in a clone and when installed from the packed tarball. */
import * as fs from "node:fs";
import * as path from "node:path";
import { fileURLToPath } from "node:url";

/** The folder of the package: this file is `dist/tools/paths.js` in it. */
export const packageFolder = fileURLToPath(new URL("../../", import.meta.url));

/** Version of the package. */
export function packageVersion(): string {
  const text = fs.readFileSync(path.join(packageFolder, "package.json"), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}

/**
 * Where the development PKI is kept when the user names no folder: `certs/dev` of a clone.
 * @returns `undefined` when the package is installed: its folder is not the user's to write to, and an update would wipe it
 */
export function developmentPKIFolder(folder = packageFolder): string | undefined {
  if (path.resolve(folder).split(path.sep).includes("node_modules")) return undefined;
  try {
    fs.accessSync(folder, fs.constants.W_OK);
  } catch {
    return undefined;
  }
  return path.join(folder, "certs", "dev");
}

/** A path as a person would write it: relative when it is below the current folder. */
export function shownPath(file: string): string {
  const relative = path.relative(process.cwd(), file);
  return relative === "" || relative.startsWith("..") || path.isAbsolute(relative) ? file : relative;
}
