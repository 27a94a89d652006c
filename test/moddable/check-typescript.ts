/**
 * The TypeScript sources under the options that the SDK compiles apps with, TypeScript 6 and 7. (Apps are built from what the package compiled; a
 * team may compile the sources as well.)
 */
import { execFile } from "node:child_process";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { packageFolder } from "../../tools/paths.js";
import { buildApp } from "../../tools/moddable/sdk.js";
import type { CheckContext } from "./check-step.js";

const run = promisify(execFile);
/** Beside the one of this package. */
const seven = "typescript@7.0.2";

export async function checkTypeScript(context: CheckContext): Promise<void> {
  const manifest = join(packageFolder, "examples", "telemetry", "manifest.json");
  const { modules } = await buildApp(context.sdk, { manifest, output: context.output, debug: false });
  const base = join(modules, "tsconfig-base.json");
  // The names that an app imports are those of the SDK's configuration; the sources import each other by their paths.
  const { compilerOptions } = JSON.parse(readFileSync(base, "utf8")) as { compilerOptions: Record<string, unknown> };
  const folders = ["src", ...["mbedtls", "moddable", "simulator", "esp32", "esp8266"].map((host) => `hosts/${host}`)];
  const files = folders.flatMap((folder) => sourcesIn(join(packageFolder, folder)));
  const project = join(context.output, "all-sources-tsconfig.json");
  writeFileSync(
    project,
    JSON.stringify({ compilerOptions: { ...compilerOptions, noEmit: true, rootDir: "/" }, files }),
  );
  const own = join(packageFolder, "node_modules/.bin/tsc");
  const compilers: [string, string[]][] = [
    [own, []],
    ["npm", ["exec", "--yes", `--package=${seven}`, "--", "tsc"]],
  ];
  for (const [program, parameters] of compilers) {
    const options = { cwd: context.output, maxBuffer: 1 << 26 };
    const { stdout: version } = await run(program, [...parameters, "--version"], options);
    await run(program, [...parameters, "-p", project], options).catch((error: unknown) => {
      throw new Error(`TypeScript ${version.trim()}:\n${(error as { stdout?: string }).stdout ?? String(error)}`);
    });
    context.say(`  ${version.trim()}: ${files.length} files without an error`);
  }
}

function sourcesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts") && !name.endsWith(".d.ts") && existsSync(join(folder, name)))
    .map((name) => join(folder, name));
}
