/** The Mosquitto that is installed on this machine, started with a configuration of our own. */
import { type ChildProcess, spawn } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import * as readline from "node:readline";
import { CommandFailure, exitCodes, reasonOf } from "../failure.js";
import { type Broker, type LocalBrokerOptions, localHost, loopback } from "./broker.js";
import { findProgram, isExecutable } from "./find-program.js";
import { freePort } from "./free-port.js";
import { writeConfiguration } from "./mosquitto-configuration.js";

export interface MosquittoOptions extends LocalBrokerOptions {
  /** The program; looked up in PATH and the usual folders when left out. */
  readonly program?: string | undefined;
  /** The folders to look it up in. */
  readonly folders?: readonly string[] | undefined;
}

/** Milliseconds until it must listen, and until it must have ended. */
const startTime = 10_000;
const stopTime = 3_000;

/** Another program may take the port we found free before Mosquitto does. */
const attempts = 5;

/** Lines of its log that are kept to explain a failure. */
const keptLines = 50;

/** How to get it. */
export const installMosquitto =
  "install it with `sudo apt-get install mosquitto` (Debian, Ubuntu) or `brew install mosquitto` (macOS)";

/** @returns the program, or `undefined` when it is not installed */
export function findMosquitto(folders?: readonly string[]): string | undefined {
  return findProgram("mosquitto", folders);
}

export class MosquittoBroker implements Broker {
  readonly host = localHost;
  readonly address = loopback;
  readonly #options: MosquittoOptions;
  readonly #log: string[] = [];
  #version = "";
  #port = 0;
  #child: ChildProcess | undefined;
  #folder: string | undefined;

  constructor(options: MosquittoOptions) {
    this.#options = options;
  }

  get name(): string {
    return this.#version ? `Mosquitto ${this.#version}` : "Mosquitto";
  }

  get port(): number {
    return this.#port;
  }

  /** Its process identifier while it runs. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  async start(): Promise<void> {
    const program = this.#program();
    for (let attempt = 1; ; attempt++) {
      const port = this.#options.port ?? (await freePort());
      try {
        await this.#run(program, port);
        this.#port = port;
        return;
      } catch (error) {
        await this.stop();
        if (!this.#inUse()) throw error;
        if (this.#options.port !== undefined || attempt === attempts)
          throw new CommandFailure(
            exitCodes.environment,
            "INVALID_STATE",
            `Mosquitto cannot listen on port ${port}: the port is in use.`,
            { cause: error },
          );
      }
    }
  }

  async stop(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    this.#port = 0;
    if (child && child.exitCode === null && child.signalCode === null && child.pid !== undefined) {
      const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
      child.kill("SIGTERM");
      const timer = setTimeout(() => child.kill("SIGKILL"), stopTime);
      await exited;
      clearTimeout(timer);
    }
    this.#removeFolder();
  }

  /** It does not tell. */
  resumed(): undefined {
    return undefined;
  }

  #program(): string {
    const { program, folders } = this.#options;
    const found = program === undefined ? findMosquitto(folders) : isExecutable(program) ? program : undefined;
    if (found === undefined)
      throw new CommandFailure(
        exitCodes.environment,
        "UNSUPPORTED",
        `Mosquitto is not ${program === undefined ? "installed" : `at ${program}`}: ${installMosquitto}, or use --broker embedded.`,
      );
    return found;
  }

  async #run(program: string, port: number): Promise<void> {
    this.#log.length = 0;
    this.#folder = fs.mkdtempSync(path.join(os.tmpdir(), "sealwire-mosquitto-"));
    const { file, environment } = writeConfiguration(this.#folder, port, this.#options);
    const child = spawn(program, ["-c", file], {
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
          if (!/^mosquitto version \S+ running$/.test(line)) return;
          clearTimeout(timer);
          running = true;
          resolve();
        });
      // "close" comes after the last line of its log.
      child.once("close", (code, signal) => {
        clearTimeout(timer);
        reject(this.#failure(`ended at once (${signal ?? `exit code ${code ?? "unknown"}`})`));
        if (running && this.#child === child)
          this.#options.onExit?.(`Mosquitto ended (${signal ?? code ?? "unknown"}).`);
      });
    });
  }

  #take(line: string): void {
    this.#version = /^mosquitto version (\S+) starting$/.exec(line)?.[1] ?? this.#version;
    this.#log.push(line);
    if (this.#log.length > keptLines) this.#log.shift();
    this.#options.onLog?.(line);
  }

  #inUse(): boolean {
    return this.#log.some((line) => line.includes("Address already in use"));
  }

  #failure(what: string): CommandFailure {
    const said = this.#log.filter((line) => /error|unable|unknown|invalid/i.test(line)).slice(0, 2);
    return new CommandFailure(
      exitCodes.environment,
      "UNSUPPORTED",
      `Mosquitto ${what}${said.length > 0 ? `: ${said.join(" ")}` : ""}.`.replace(/\.+$/, "."),
    );
  }

  #removeFolder(): void {
    if (this.#folder !== undefined) fs.rmSync(this.#folder, { recursive: true, force: true });
    this.#folder = undefined;
  }
}
