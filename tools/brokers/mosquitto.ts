/** The Mosquitto that is installed on this machine, started with a configuration of our own. */
import { CommandFailure, exitCodes } from "../failure.js";
import { type Broker, type LocalBrokerOptions, localHost, loopback } from "./broker.js";
import { findProgram, isExecutable } from "./find-program.js";
import {
  type MosquittoConfiguration,
  type MosquittoSettings,
  type PlainMosquittoSettings,
  writeConfiguration,
  writePlainConfiguration,
} from "./mosquitto-configuration.js";
import { ServerProcess } from "./server-process.js";

/** Where the program is. */
interface Whereabouts {
  /** The program; looked up in PATH and the usual folders when left out. */
  readonly program?: string | undefined;
  /** The folders to look it up in. */
  readonly folders?: readonly string[] | undefined;
}

export interface MosquittoOptions extends LocalBrokerOptions, MosquittoSettings, Whereabouts {}

/** Options of a Mosquitto without TLS, for tests and measurements. */
export interface PlainMosquittoOptions
  extends Whereabouts, Pick<LocalBrokerOptions, "port" | "onLog" | "onExit">, Partial<PlainMosquittoSettings> {}

/** How to get it. */
export const installMosquitto =
  "install it with `sudo apt-get install mosquitto` (Debian, Ubuntu) or `brew install mosquitto` (macOS)";

/** @returns the program, or `undefined` when it is not installed */
export function findMosquitto(folders?: readonly string[]): string | undefined {
  return findProgram("mosquitto", folders);
}

/** What both kinds have in common. */
abstract class Mosquitto {
  readonly host = localHost;
  readonly address = loopback;
  readonly #options: MosquittoOptions | PlainMosquittoOptions;
  #version = "";
  #process: ServerProcess | undefined;

  constructor(options: MosquittoOptions | PlainMosquittoOptions) {
    this.#options = options;
  }

  get name(): string {
    return this.#version ? `Mosquitto ${this.#version}` : "Mosquitto";
  }

  /** 0 while it does not run. */
  get port(): number {
    return this.#process?.port ?? 0;
  }

  /** Its process identifier while it runs. */
  get pid(): number | undefined {
    return this.#process?.pid;
  }

  /** Resolves once connections are accepted. Rejects with a `CommandFailure` that says why it cannot be used. */
  async start(): Promise<void> {
    const { port, onLog, onExit } = this.#options;
    this.#process = new ServerProcess({
      name: "Mosquitto",
      program: this.#program(),
      configure: (folder, chosen) => {
        const { file, environment } = this.configure(folder, chosen);
        return { arguments: ["-c", file], environment };
      },
      ready: /^mosquitto version \S+ running$/,
      port,
      onLog: (line) => {
        this.#version = /^mosquitto version (\S+) starting$/.exec(line)?.[1] ?? this.#version;
        onLog?.(line);
      },
      onExit,
    });
    await this.#process.start();
  }

  /** Ends it and starts it again on the same port: with persistence it comes back with its sessions. */
  async restart(): Promise<void> {
    await this.#process?.restart();
  }

  /** Resolves once nothing of it is left. Safe more than once, and when it was never started. */
  async stop(): Promise<void> {
    await this.#process?.stop();
  }

  protected abstract configure(folder: string, port: number): MosquittoConfiguration;

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
}

/** Speaks TLS and wants certificates. */
export class MosquittoBroker extends Mosquitto implements Broker {
  readonly #options: MosquittoOptions;

  constructor(options: MosquittoOptions) {
    super(options);
    this.#options = options;
  }

  /** It does not tell. */
  resumed(): undefined {
    return undefined;
  }

  protected configure(folder: string, port: number): MosquittoConfiguration {
    return writeConfiguration(folder, port, this.#options);
  }
}

/** Speaks plain TCP and lets everybody in: for tests and measurements on this machine alone. */
export class PlainMosquitto extends Mosquitto {
  readonly #options: PlainMosquittoOptions;

  constructor(options: PlainMosquittoOptions = {}) {
    super(options);
    this.#options = options;
  }

  protected configure(folder: string, port: number): MosquittoConfiguration {
    return writePlainConfiguration(folder, port, { persistence: false, settings: [], ...this.#options });
  }
}
