/** Finds an installed program the way a shell does. */
import * as fs from "node:fs";
import * as path from "node:path";

/** Folders of servers, which are not in the PATH of every user. */
const serverFolders = ["/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin", "/opt/local/sbin"];

/** The folders in which programs are looked up. */
export function programFolders(environment: NodeJS.ProcessEnv = process.env): string[] {
  return [...(environment["PATH"] ?? "").split(path.delimiter).filter((folder) => folder !== ""), ...serverFolders];
}

/** The first executable file of this name in the folders, or `undefined`. */
export function findProgram(name: string, folders: readonly string[] = programFolders()): string | undefined {
  const names = process.platform === "win32" ? [`${name}.exe`] : [name];
  for (const folder of folders)
    for (const file of names.map((file) => path.join(folder, file))) if (isExecutable(file)) return file;
  return undefined;
}

/** Whether this is a file that can be run. */
export function isExecutable(file: string): boolean {
  try {
    fs.accessSync(file, fs.constants.X_OK);
    return fs.statSync(file).isFile();
  } catch {
    return false;
  }
}
