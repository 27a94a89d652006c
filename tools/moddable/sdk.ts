/** The Moddable SDK of this machine: where it is, and its builds. */
import { execFile } from "node:child_process";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { basename, delimiter, dirname, join } from "node:path";
import { promisify } from "node:util";
import { CommandFailure, exitCodes } from "../failure.js";
import { packageFolder } from "../paths.js";

const run = promisify(execFile);
const maxBuffer = 1 << 26;

/** The platform of the desktop simulator. */
export const desktop = process.platform === "darwin" ? "mac" : "lin";

/** How to get it. */
export const installSDK =
  "The environment variable MODDABLE names no Moddable SDK. Get version 8.2.3 from https://github.com/Moddable-OpenSource/moddable " +
  "and build its tools as its documentation says; then `export MODDABLE=<its folder>`.";

export interface SDK {
  readonly folder: string;
  /** For its tools: with them, and the TypeScript compiler of this package or the app, in PATH. */
  readonly environment: NodeJS.ProcessEnv;
}

/** @returns `undefined` when there is none */
export function findSDK(): SDK | undefined {
  const folder = process.env["MODDABLE"];
  if (folder === undefined || folder === "") return undefined;
  const tools = join(folder, "build", "bin", desktop, "release");
  if (!existsSync(join(tools, "mcconfig"))) return undefined;
  const path = [tools, join(packageFolder, "node_modules", ".bin"), process.env["PATH"] ?? ""].join(delimiter);
  return { folder, environment: { ...process.env, PATH: path } };
}

/** @throws CommandFailure that says how to get it */
export function needSDK(): SDK {
  const sdk = findSDK();
  if (sdk === undefined) throw new CommandFailure(exitCodes.environment, "UNSUPPORTED", installSDK);
  return sdk;
}

export interface BuildOptions {
  /** Of the app. */
  readonly manifest: string;
  /** Where everything that is built goes; made when it is not there. */
  readonly output: string;
  readonly debug: boolean;
}

/** What came of a build. */
export interface AppBuild {
  /** The app, for the simulator. */
  readonly app: string;
  /** Its compiled modules, `*.xsb`, by their names. */
  readonly modules: string;
  /** What the SDK's linker said of objects and variables that were made while the app was built, and can still be changed. */
  readonly warnings: readonly string[];
  readonly seconds: number;
}

/**
 * Builds an app for the desktop simulator, with `-t build`: the default target of a debug build also ends every simulator that runs.
 * @throws CommandFailure with the last lines of what mcconfig wrote
 */
export async function buildApp(sdk: SDK, { manifest, output, debug }: BuildOptions): Promise<AppBuild> {
  mkdirSync(output, { recursive: true });
  const begin = performance.now();
  const parameters = [...(debug ? ["-d"] : []), "-m", "-p", desktop, "-t", "build", "-o", output, manifest];
  let said = "";
  try {
    const result = await run("mcconfig", parameters, { env: sdk.environment, cwd: dirname(manifest), maxBuffer });
    said = `${result.stdout}${result.stderr}`;
  } catch (error) {
    const { stdout = "", stderr = "", message } = error as Error & { stdout?: string; stderr?: string };
    const lines = `${stdout}${stderr}`.split("\n").filter((line) => line !== "" && !line.startsWith("### warning"));
    const last = lines.slice(-20).join("\n") || message;
    throw new CommandFailure(exitCodes.failed, "UNSUPPORTED", `mcconfig failed for ${manifest}:\n${last}`);
  }
  const kind = debug ? "debug" : "release";
  const name = basename(dirname(manifest));
  const folder = (part: string): string => join(output, part, desktop, "mc", kind, name);
  return {
    app: join(folder("bin"), "mc.so"),
    modules: join(folder("tmp"), "modules"),
    warnings: said.split("\n").flatMap((line) => /^### warning: (.*)/.exec(line)?.[1] ?? []),
    seconds: (performance.now() - begin) / 1000,
  };
}

/** Version of the SDK, such as `8.2.3`; `unknown` when it does not tell. */
export function versionOf(sdk: SDK): string {
  const file = join(sdk.folder, "tools", "VERSION");
  return existsSync(file) ? readFileSync(file, "utf8").trim() : "unknown";
}
