/** The device of the story on the XS engine: its host program, compiled when that is needed. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import type { Launcher } from "../../hosts/node/index.js";
import type { TLSVersionRange } from "../brokers/index.js";
import { CommandFailure, exitCodes } from "../failure.js";
import { buildHost, MissingCompiler } from "../xs/build.js";
import { preloadOptions } from "../xs/manifest.js";
import { hostProgram, type Variant } from "../xs/paths.js";
import { mapOptions } from "../xs/run.js";

export interface XSOptions {
  readonly bits: 32 | 64;
  /** Bytes of the heap; as much as it takes when `undefined`. */
  readonly heap: number | undefined;
}

/** Slots of the JavaScript stack: what the Moddable SDK gives an ESP32-S3 or C6. */
const stack = 512;

export class XSLauncher implements Launcher {
  /** Engine and library, for people. */
  readonly description: string;
  readonly #variant: Variant;
  readonly #heap: readonly string[];

  private constructor(variant: Variant, description: string, heap: number | undefined) {
    this.#variant = variant;
    this.description = description;
    this.#heap = heap === undefined ? [] : ["--static", String(heap), "--stack", String(stack)];
  }

  /** @throws CommandFailure that says what is missing: a compiler, sources, a library that can do what was asked for */
  static async prepare({ bits, heap }: XSOptions, versions: TLSVersionRange): Promise<XSLauncher> {
    const variant: Variant = { bits };
    const description = await build(variant);
    const library = /Mbed TLS (\d+)/.exec(description)?.[1];
    if (library === undefined)
      throw unsupported(
        "The XS host is built without TLS and cryptography. Install Mbed TLS (apt install libmbedtls-dev) and try again.",
      );
    if (versions.minimum === "TLSv1.3" && Number(library) < 3)
      throw unsupported(`${description} has no TLS 1.3. Take --engine xs32, which has a newer Mbed TLS, or --tls 1.2.`);
    const size = heap === undefined ? "" : `, a heap of ${heap.toLocaleString("en")} bytes`;
    return new XSLauncher(variant, `${description}${size}`, heap);
  }

  start(firmware: string, environment: NodeJS.ProcessEnv): ChildProcess {
    const preload = preloadOptions("examples/telemetry/manifest.json");
    const parameters = [...mapOptions(), ...preload, ...this.#heap, firmware];
    // The fourth is the channel that a firmware on Node has.
    const stdio = ["ignore", "pipe", "pipe", "ignore", "pipe"] as const;
    return spawn(hostProgram(this.#variant), parameters, { stdio: [...stdio], env: environment });
  }

  setNetwork(child: ChildProcess, up: boolean, onFailed: () => void): void {
    if (!child.kill(up ? "SIGUSR2" : "SIGUSR1")) onFailed();
  }
}

/** @returns what the host says of itself */
async function build(variant: Variant): Promise<string> {
  try {
    await buildHost(variant);
    return execFileSync(hostProgram(variant), ["--version"], { encoding: "utf8" }).trim();
  } catch (error) {
    const { message, stderr } = error as Error & { stderr?: string | Buffer };
    const details = (stderr?.toString().trim() || message).split("\n")[0]!;
    throw unsupported(
      error instanceof MissingCompiler ? error.message : `The XS host cannot be built: ${details}`,
      error,
    );
  }
}

function unsupported(message: string, cause?: unknown): CommandFailure {
  return new CommandFailure(exitCodes.environment, "UNSUPPORTED", message, { cause });
}
