/** Puts the packed tarball where `npm install` would put it, without a network. */
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = resolve(fileURLToPath(import.meta.url), "../../../../..");

interface Manifest {
  readonly dependencies?: Record<string, string>;
  readonly bin?: { readonly sealwire: string };
}

/** @param folder of the user @returns the folder of the package in its node_modules */
export function installPackage(folder: string): string {
  const modules = join(folder, "node_modules");
  const installed = join(modules, "sealwire");
  mkdirSync(installed, { recursive: true });
  const packed = execFileSync("npm", ["pack", "--ignore-scripts", "--json", "--pack-destination", folder], {
    cwd: root,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
  });
  const [{ filename }] = JSON.parse(packed) as [{ filename: string }];
  execFileSync("tar", ["-xzf", join(folder, filename), "-C", installed, "--strip-components=1"]);
  rmSync(join(folder, filename));
  const { dependencies = {}, bin } = manifestOf(installed);
  // The dependencies, with theirs, and no development dependency of ours.
  const wanted = new Set<string>();
  const add = (name: string): void => {
    if (wanted.has(name)) return;
    wanted.add(name);
    Object.keys(manifestOf(join(root, "node_modules", name)).dependencies ?? {}).forEach(add);
  };
  Object.keys(dependencies).forEach(add);
  for (const name of wanted) {
    const link = join(modules, name);
    mkdirSync(resolve(link, ".."), { recursive: true });
    symlinkSync(join(root, "node_modules", name), link);
  }
  const program = join(installed, bin!.sealwire);
  chmodSync(program, 0o755);
  mkdirSync(join(modules, ".bin"));
  symlinkSync(program, join(modules, ".bin", "sealwire"));
  return installed;
}

function manifestOf(folder: string): Manifest {
  return JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as Manifest;
}
