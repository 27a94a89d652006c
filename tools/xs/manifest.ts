/** What the manifests preload, as compiled files: the host program keeps these modules in flash, and no others. */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { optionalRooms } from "../rooms.js";
import { root } from "./paths.js";

interface Manifest {
  readonly modules: Readonly<Record<string, string>>;
  readonly preload?: readonly string[];
}

/** @param file a manifest.json, relative to the package @returns compiled modules, sorted */
export function preloadedModules(file: string): string[] {
  const manifest = JSON.parse(readFileSync(join(root, file), "utf8")) as Manifest;
  const modules = (manifest.preload ?? []).flatMap((name) => {
    const path = manifest.modules[name];
    if (path === undefined) throw new Error(`${file} preloads ${name}, but has no such module.`);
    // The names under which the SDK's apps import: the XS host maps them itself.
    if (path.includes("/names/")) return [];
    const source = relative(root, join(root, dirname(file), path)).replace(/^dist\//, "");
    if (!source.endsWith("/*")) return [`${join(root, "dist", source)}.js`];
    // By the sources: what was compiled from a file that is gone may still be there.
    return readdirSync(join(root, dirname(source)))
      .filter((entry) => /\.[jt]s$/.test(entry) && !entry.endsWith(".d.ts"))
      .map((entry) => join(root, "dist", dirname(source), entry.replace(/\.ts$/, ".js")));
  });
  return [...new Set(modules)].sort();
}

/** The module's own, those of the optional rooms, and the host's. */
export const preloadManifests: readonly string[] = [
  "manifest.json",
  ...optionalRooms().map((room) => `src/${room}/manifest.json`),
  "hosts/xs/manifest.json",
];

/**
 * Options of the host program that preload what the firmware module's and the host's manifests say.
 * @param more manifests of a firmware
 */
export function preloadOptions(...more: readonly string[]): string[] {
  return [...preloadManifests, ...more].flatMap(preloadedModules).flatMap((module) => ["--preload", module]);
}
