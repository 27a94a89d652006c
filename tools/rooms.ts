/** The rooms of `src/` that a firmware pays for only when it includes them. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { packageFolder } from "./paths.js";

const source = join(packageFolder, "src");

/** Names of the rooms that have a manifest of their own. */
export function optionalRooms(): string[] {
  return readdirSync(source).filter((room) => existsSync(join(source, room, "manifest.json")));
}

/** @param manifest a manifest.json @returns the optional rooms that an app with it holds, sorted */
export function includedRooms(manifest: string): string[] {
  const { include = [] } = JSON.parse(readFileSync(manifest, "utf8")) as { include?: readonly string[] };
  const files = include.filter((path) => path.startsWith(".")).map((path) => join(manifest, "..", path));
  const own = optionalRooms().filter((room) => files.includes(join(source, room, "manifest.json")));
  const within = files.filter((file) => !relative(source, file).startsWith("..")).flatMap(includedRooms);
  return [...new Set([...own, ...within])].sort();
}
