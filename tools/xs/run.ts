/** Runs a compiled firmware module on the XS host, with the modules as the manifests name them. */
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { hostProgram, root, type Variant } from "./paths.js";

/** `sealwire`, its rooms and `sealwire/host` as a device team imports them: what the package exports, with the host that runs it. */
export function mapOptions(): string[] {
  const { exports } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
    readonly exports: Readonly<Record<string, string>>;
  };
  return Object.entries(exports)
    .filter(([, file]) => file.endsWith(".js"))
    .flatMap(([name, file]) => {
      const target = name === "./host" ? join(root, "dist", "hosts", "xs", "index.js") : join(root, file);
      return ["--map", `sealwire${name.slice(1)}=${target}`];
    });
}

/** What came of a run. */
export interface RunResult {
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly output: string;
  readonly errors: string;
}

export interface RunOptions {
  readonly variant: Variant;
  /** Options of the host program. */
  readonly host?: readonly string[];
  readonly environment?: NodeJS.ProcessEnv;
  /** Milliseconds after which the process is ended; 120 s when left out. */
  readonly timeout?: number;
  /** Shows what it writes as it writes it. */
  readonly show?: boolean;
}

/** Runs `module` with `parameters` after `--`. */
export function runOnXS(module: string, parameters: readonly string[], options: RunOptions): Promise<RunResult> {
  const { variant, host = [], environment = process.env, timeout = 120_000, show = false } = options;
  return new Promise((resolve, reject) => {
    const child = spawn(hostProgram(variant), [...mapOptions(), ...host, module, "--", ...parameters], {
      env: environment,
      stdio: ["ignore", "pipe", "pipe"],
      timeout,
      killSignal: "SIGKILL",
    });
    let output = "";
    let errors = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      output += text;
      if (show) process.stdout.write(text);
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      errors += text;
      if (show) process.stderr.write(text);
    });
    child.on("error", reject);
    child.on("close", (exitCode, signal) => resolve({ exitCode, signal, output, errors }));
  });
}
