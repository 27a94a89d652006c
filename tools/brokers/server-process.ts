/** A server program of this machine, run with a port and a temporary folder of its own. */
import { type ChildProcess, spawn } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import * as readline from "node:readline";
import { CommandFailure, exitCodes, reasonOf } from "../failure.js";
import { freePort } from "./free-port.js";

/** How a program is started. */
export interface Invocation {
  readonly arguments: readonly string[];
  /** Variables beside those of this process. */
  readonly environment?: Readonly<Record<string, string>>;
}

export interface ServerProgram {
  /** For people. */
  readonly name: string;
  /** Path of the executable file. */
  readonly program: string;
  /**
   * Writes what the server needs into a folder, and says how to start it there.
   * @param folder an empty one that only we can read; gone when the server has stopped
   * @param port a port of the loopback interface on which it shall listen
   */
  readonly configure: (folder: string, port: number) => Invocation | Promise<Invocation>;
  /** The line of its log that says that it accepts connections. */
  readonly ready: RegExp;
  /** A free one is chosen when left out. */
  readonly port?: number | undefined;
  /** Milliseconds until it must listen; 10,000 when left out. */
  readonly startTime?: number | undefined;
  /** Milliseconds in which it must end before it is killed; 3,000 when left out. */
  readonly stopTime?: number | undefined;
  /** Takes each line of its log. */
  readonly onLog?: ((line: string) => void) | undefined;
  /** It ended though `stop()` was not called. */
  readonly onExit?: ((reason: string) => void) | undefined;
}

/** Another program may take the port we found free before the server does. */
const attempts = 5;

/** Lines of its log that are kept to explain a failure. */
const keptLines = 50;

export class ServerProcess {
  readonly #program: ServerProgram;
  readonly #log: string[] = [];
  #port = 0;
  #child: ChildProcess | undefined;
  #folder: string | undefined;

  constructor(program: ServerProgram) {
    this.#program = program;
  }

  /** 0 while it does not run. */
  get port(): number {
    return this.#port;
  }

  /** Its process identifier while it runs. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Resolves once it accepts connections. Rejects with a `CommandFailure`. */
  async start(): Promise<void> {
    const { name, port: wanted } = this.#program;
    for (let attempt = 1; ; attempt++) {
      const port = wanted ?? (await freePort());
      try {
        await this.#run(port);
        this.#port = port;
        return;
      } catch (error) {
        await this.stop();
        if (!this.#inUse()) throw error;
        if (wanted !== undefined || attempt === attempts)
          throw new CommandFailure(
            exitCodes.environment,
            "INVALID_STATE",
            `${name} cannot listen on port ${port}: the port is in use.`,
            { cause: error },
          );
      }
    }
  }

  /** Ends it, and starts it again on the same port, with what it left in its folder. Rejects with a `CommandFailure`. */
  async restart(): Promise<void> {
    const port = this.#port;
    await this.#end();
    await this.#run(port);
    this.#port = port;
  }

  /** Resolves once nothing of it is left. Safe more than once, and when it was never started. */
  async stop(): Promise<void> {
    await this.#end();
    this.#removeFolder();
  }

  async #end(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    this.#port = 0;
    if (child && child.exitCode === null && child.signalCode === null && child.pid !== undefined) {
      const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
      child.kill("SIGTERM");
      const timer = setTimeout(() => child.kill("SIGKILL"), this.#program.stopTime ?? 3_000);
      await exited;
      clearTimeout(timer);
    }
  }

  async #run(port: number): Promise<void> {
    const { name, program, ready, startTime = 10_000, onExit } = this.#program;
    this.#log.length = 0;
    this.#folder ??= fs.mkdtempSync(path.join(os.tmpdir(), `sealwire-${path.basename(program)}-`));
    const { arguments: parameters, environment } = await this.#program.configure(this.#folder, port);
    const child = spawn(program, parameters, {
      env: { ...process.env, ...environment },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#child = child;
    // Should this process end without stop(), it goes too.
    const kill = (): void => {
      child.kill("SIGKILL");
      this.#removeFolder();
    };
    let running = false;
    process.once("exit", kill);
    child.once("exit", () => process.off("exit", kill));
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(
        () => reject(this.#failure(`did not listen on port ${port} within ${startTime / 1000} s`)),
        startTime,
      );
      child.once("error", (error) => {
        clearTimeout(timer);
        reject(this.#failure(`cannot be started: ${reasonOf(error)}`));
      });
      for (const stream of [child.stdout, child.stderr])
        readline.createInterface({ input: stream }).on("line", (line) => {
          this.#take(line);
          if (!ready.test(line)) return;
          clearTimeout(timer);
          running = true;
          resolve();
        });
      // "close" comes after the last line of its log.
      child.once("close", (code, signal) => {
        clearTimeout(timer);
        reject(this.#failure(`ended at once (${signal ?? `exit code ${code ?? "unknown"}`})`));
        if (running && this.#child === child) onExit?.(`${name} ended (${signal ?? code ?? "unknown"}).`);
      });
    });
  }

  #take(line: string): void {
    this.#log.push(line);
    if (this.#log.length > keptLines) this.#log.shift();
    this.#program.onLog?.(line);
  }

  #inUse(): boolean {
    return this.#log.some((line) => /address already in use|eaddrinuse/i.test(line));
  }

  #failure(what: string): CommandFailure {
    const said = this.#log.filter((line) => /error|fail|unable|unknown|invalid/i.test(line)).slice(0, 2);
    return new CommandFailure(
      exitCodes.environment,
      "UNSUPPORTED",
      `${this.#program.name} ${what}${said.length > 0 ? `: ${said.join(" ")}` : ""}.`.replace(/\.+$/, "."),
    );
  }

  #removeFolder(): void {
    if (this.#folder !== undefined) fs.rmSync(this.#folder, { recursive: true, force: true });
    this.#folder = undefined;
  }
}
