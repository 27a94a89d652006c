/** Why a command ended, in the terms of a shell. */
import { type ErrorCode, SealwireError, type SealwireErrorOptions } from "../src/errors.js";

/** Exit codes of the `sealwire` command; `--help` lists them. */
export const exitCodes = {
  success: 0,
  /** What the command is there to do did not work. */
  failed: 1,
  /** Wrong arguments. */
  usage: 2,
  /** Something around the command is missing or in the way: a program, a port, a folder, a broker. */
  environment: 3,
  /** Ended by Ctrl-C: 128 + SIGINT. */
  interrupted: 130,
} as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** A failure that knows its exit code. The message is one plain sentence. */
export class CommandFailure extends SealwireError {
  readonly exitCode: ExitCode;

  constructor(exitCode: ExitCode, code: ErrorCode, message: string, options: SealwireErrorOptions = {}) {
    super(code, message, options);
    this.name = "CommandFailure";
    this.exitCode = exitCode;
  }
}

/** An argument has a value that is not allowed. */
export function usageFailure(message: string): CommandFailure {
  return new CommandFailure(exitCodes.usage, "INVALID_ARGUMENT", message);
}

/** The reason that the operating system gave, for the end of a sentence. */
export function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  switch (code) {
    case "EACCES":
    case "EPERM":
      return "permission denied";
    case "EADDRINUSE":
      return "the port is in use";
    case "ECONNREFUSED":
      return "the connection was refused";
    case "ECONNRESET":
      return "the connection was lost";
    case "ENOENT":
      return "it does not exist";
    case "ENOTDIR":
      return "it is not a folder";
    case "ENOSPC":
      return "the disk is full";
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return "the name could not be resolved";
    case "EROFS":
      return "the file system is read-only";
    case "ETIMEDOUT":
      return "there was no answer";
    default:
      return message;
  }
}
