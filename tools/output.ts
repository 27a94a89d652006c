/** What a command says: results on stdout, all else on stderr, colours on a terminal only. */
import { SealwireError } from "../src/errors.js";
import { CommandFailure, type ExitCode, exitCodes } from "./failure.js";

export interface Stream {
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

export type Style = "bold" | "dim" | "green" | "red" | "yellow";

/** Escape sequences (ECMA-48 section 8.3.117): on, off. */
const sequences: Readonly<Record<Style, readonly [number, number]>> = {
  bold: [1, 22],
  dim: [2, 22],
  green: [32, 39],
  red: [31, 39],
  yellow: [33, 39],
};

/** A stream of lines. */
export class Output {
  readonly #stream: Stream;
  readonly #coloured: boolean;

  constructor(stream: Stream, environment: NodeJS.ProcessEnv = process.env) {
    this.#stream = stream;
    // https://no-color.org
    this.#coloured = stream.isTTY === true && !environment["NO_COLOR"] && environment["TERM"] !== "dumb";
  }

  line(text = ""): void {
    this.#stream.write(`${text}\n`);
  }

  /** The text in a style, where the stream can show it. */
  styled(style: Style, text: string): string {
    const [on, off] = sequences[style];
    return this.#coloured ? `\u001b[${on}m${text}\u001b[${off}m` : text;
  }
}

/** Why a command ended, as `--json` says it. */
export function failureObject(error: unknown): object {
  const { code, message } = error instanceof SealwireError ? error : { code: "INTERNAL", message: "Internal error." };
  return { ok: false, error: { code, message } };
}

/** The exit code for an error that ended a command. */
export function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof CommandFailure) return error.exitCode;
  if (error instanceof SealwireError && error.code === "STORAGE_FAILED") return exitCodes.environment;
  return exitCodes.failed;
}

/** Says in one sentence why a command ended; with its whole history when `verbose`. */
export function reportFailure(output: Output, error: unknown, verbose: boolean): void {
  if (error instanceof SealwireError) output.line(`${output.styled("red", "sealwire:")} ${error.message}`);
  else
    output.line(
      `${output.styled("red", "sealwire:")} Internal error: ${error instanceof Error ? error.message : String(error)}`,
    );
  if (!verbose) return;
  for (let cause: unknown = error; cause instanceof Error; cause = cause.cause)
    output.line(cause.stack ?? String(cause));
}
