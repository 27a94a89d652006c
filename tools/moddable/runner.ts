/** Runs an app of the Moddable simulator without its window. The runner is compiled when it is first needed. */
import { execFileSync, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { CommandFailure, exitCodes } from "../failure.js";
import { packageFolder } from "../paths.js";
import type { SDK } from "./sdk.js";

/** How a simulated device ends when it sleeps, and when it restarts: the same on all desktop hosts. */
export const deviceExit = { sleep: 80, restart: 81 } as const;

/** What `headless.c` needs. */
const installTools =
  "A C compiler, pkg-config and the GLib headers are needed: sudo apt-get install gcc pkg-config libglib2.0-dev";

/** @returns the program, compiled against this SDK @throws CommandFailure that says what is missing */
export function headlessRunner(sdk: SDK): string {
  const source = join(packageFolder, "hosts", "simulator", "runner", "headless.c");
  const headers = join(sdk.folder, "build", "simulators", "modules");
  const stamp = createHash("sha256")
    .update(readFileSync(source))
    .update(readFileSync(join(headers, "screen.h")));
  // Per user: the package's own folder may not be writable.
  const cache = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "sealwire");
  const program = join(cache, `headless-${stamp.digest("hex").slice(0, 16)}`);
  if (existsSync(program)) return program;
  mkdirSync(cache, { recursive: true });
  const temporary = `${program}.${process.pid}`;
  try {
    const flags = (kind: string): string[] =>
      execFileSync("pkg-config", [kind, "gio-2.0"], { encoding: "utf8" }).trim().split(/\s+/);
    const own = ["-O1", "-Wall", "-Wextra", "-rdynamic", "-I", headers, source, "-o", temporary];
    execFileSync("cc", [...flags("--cflags"), ...own, ...flags("--libs"), "-ldl"], {
      stdio: ["ignore", "pipe", "pipe"],
    });
  } catch (error) {
    const { stderr, message } = error as Error & { stderr?: Buffer };
    const reason = stderr?.toString().trim() || message;
    throw new CommandFailure(exitCodes.environment, "UNSUPPORTED", `${installTools} (${reason})`);
  }
  renameSync(temporary, program);
  return program;
}

export interface RunOptions {
  /** The device's folder: what outlives its process. */
  readonly folder: string;
  /** Further settings of the device: options of the simulator's `createPlatform`. */
  readonly settings?: object | undefined;
  /** Further environment variables. */
  readonly environment?: NodeJS.ProcessEnv | undefined;
  /** Milliseconds after which it is ended, when it did not end by itself. */
  readonly timeout?: number | undefined;
  /** Takes each line that it writes. */
  readonly onLine?: ((line: string) => void) | undefined;
  /** Ends it. */
  readonly signal?: AbortSignal | undefined;
}

export interface RunResult {
  /** `null` when it was ended. */
  readonly exitCode: number | null;
  readonly lines: readonly string[];
}

/** One life of a device: from a start of its program to its end. */
export function runApp(program: string, app: string, options: RunOptions): Promise<RunResult> {
  const { folder, settings, environment, timeout, onLine, signal } = options;
  return new Promise((resolve, reject) => {
    const child = spawn(program, [app], {
      env: {
        ...process.env,
        ...environment,
        SEALWIRE_DEVICE: folder,
        ...(settings && { SEALWIRE_DEVICE_SETTINGS: JSON.stringify(settings) }),
      },
      stdio: ["ignore", "pipe", "pipe"],
      killSignal: "SIGKILL",
      ...(timeout !== undefined && { timeout }),
    });
    const lines: string[] = [];
    const collect = (stream: NodeJS.ReadableStream): void => {
      let rest = "";
      stream.setEncoding("utf8");
      const take = (line: string): void => {
        lines.push(line);
        onLine?.(line);
      };
      stream.on("data", (text: string) => {
        const parts = (rest + text).split("\n");
        rest = parts.pop() ?? "";
        parts.forEach(take);
      });
      stream.on("end", () => {
        if (rest !== "") take(rest);
      });
    };
    collect(child.stdout);
    collect(child.stderr);
    const end = (): void => void child.kill("SIGKILL");
    signal?.addEventListener("abort", end, { once: true });
    child.on("error", reject);
    child.on("close", (exitCode) => {
      signal?.removeEventListener("abort", end);
      resolve({ exitCode, lines });
    });
  });
}

/** How long the device said that it would sleep, in milliseconds. */
export function sleepOf(folder: string): number {
  try {
    const note = JSON.parse(readFileSync(join(folder, "wake"), "utf8")) as { milliseconds?: number };
    return note.milliseconds ?? 0;
  } catch {
    return 0;
  }
}
