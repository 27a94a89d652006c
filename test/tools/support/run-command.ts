/** Runs the real command in a process of its own. */
import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

const main = fileURLToPath(new URL("../../../tools/main.js", import.meta.url));

export interface CommandResult {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunningCommand {
  readonly child: ChildProcess;
  /** What it printed so far. */
  readonly output: () => { readonly stdout: string; readonly stderr: string };
  readonly result: Promise<CommandResult>;
}

const running = new Set<ChildProcess>();

/**
 * @param environment variables beside those of this process; `undefined` takes one away
 * @param input of its standard input, which ends then
 */
export function startCommand(
  args: readonly string[],
  environment: NodeJS.ProcessEnv = {},
  input: string | Uint8Array = "",
): RunningCommand {
  const child = spawn(process.execPath, [main, ...args], {
    stdio: "pipe",
    env: { ...process.env, NODE_OPTIONS: undefined, DEBUG: undefined, ...environment },
  });
  // It may end without reading.
  child.stdin.on("error", () => undefined).end(input);
  running.add(child);
  child.once("close", () => running.delete(child));
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (chunk) => (stdout += String(chunk)));
  child.stderr.on("data", (chunk) => (stderr += String(chunk)));
  return {
    child,
    output: () => ({ stdout, stderr }),
    result: new Promise((resolve) => child.once("close", (exitCode) => resolve({ exitCode, stdout, stderr }))),
  };
}

/** Ends those that a test left running: asked first, since one that is killed leaves its broker behind. */
export async function killCommands(): Promise<void> {
  await Promise.all(
    [...running].map(async (child) => {
      const closed = new Promise((resolve) => child.once("close", resolve));
      child.kill("SIGTERM");
      const timer = setTimeout(() => child.kill("SIGKILL"), 5000);
      await closed;
      clearTimeout(timer);
    }),
  );
}

export function runCommand(
  args: readonly string[],
  environment?: NodeJS.ProcessEnv,
  input?: string | Uint8Array,
): Promise<CommandResult> {
  return startCommand(args, environment, input).result;
}
