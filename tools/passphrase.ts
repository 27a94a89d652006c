/** Asks for secrets: from a file, an environment variable, or a person at the terminal, without echo. Never from the arguments, which every process may read. */
import * as fs from "node:fs";
import { SealwireError } from "../src/errors.js";
import { toUTF8 } from "../src/bytes.js";
import { requireStrongSecret } from "../src/vault/secret-strength.js";
import { CommandFailure, exitCodes, reasonOf, usageFailure } from "./failure.js";

export interface PassphraseOptions {
  /** What it is for, as the prompt says it. */
  readonly what: string;
  /** The option that names a file, and its value. */
  readonly option: string;
  readonly file?: string | undefined;
  /** The environment variable. */
  readonly variable: string;
  /** A new one is asked for twice, and refused when it is weak. */
  readonly isNew?: boolean | undefined;
}

/** Longest passphrase, in bytes. */
const longest = 1024;

/**
 * The passphrase.
 * @throws CommandFailure with exit code 2 when there is none, or a new one is weak; it says nothing of the secret
 */
export async function askPassphrase(options: PassphraseOptions): Promise<string> {
  const passphrase = await find(options);
  if (passphrase === "") throw usageFailure(`The ${options.what} is empty.`);
  if (options.isNew)
    try {
      requireStrongSecret(options.what, toUTF8(passphrase), { names: [], allowShort: false });
    } catch (error) {
      if (error instanceof SealwireError)
        throw new CommandFailure(exitCodes.usage, error.code, error.message.split(";")[0]!.replace(/\.?$/, "."));
      throw error;
    }
  return passphrase;
}

async function find({ what, option, file, variable, isNew }: PassphraseOptions): Promise<string> {
  if (file !== undefined) return fromFile(option, file);
  const found = process.env[variable];
  if (found !== undefined) return found;
  if (!process.stdin.isTTY || !process.stderr.isTTY)
    throw usageFailure(`The ${what} is needed: name a file that holds it (${option}), or set ${variable}.`);
  const passphrase = await prompt(`${capital(what)}: `);
  if (isNew && (await prompt(`${capital(what)}, again: `)) !== passphrase) throw usageFailure("The two differ.");
  return passphrase;
}

/** The first line. */
function fromFile(option: string, file: string): string {
  let bytes: Buffer;
  try {
    bytes = fs.readFileSync(file);
  } catch (error) {
    throw usageFailure(`Cannot read ${file} (${option}): ${reasonOf(error)}.`);
  }
  const [line = ""] = bytes.toString("utf8").split(/\r?\n/);
  if (Buffer.byteLength(line) > longest) throw usageFailure(`${file} (${option}) holds more than ${longest} bytes.`);
  return line;
}

/** Reads one line from the terminal, and shows nothing of it. */
function prompt(question: string): Promise<string> {
  const { stdin, stderr } = process;
  stderr.write(question);
  stdin.setRawMode(true);
  stdin.setEncoding("utf8");
  stdin.resume();
  return new Promise((resolve, reject) => {
    let text = "";
    const end = (): void => {
      stdin.off("data", onData);
      stdin.setRawMode(false);
      stdin.pause();
      stderr.write("\n");
    };
    const onData = (data: string): void => {
      for (const character of data) {
        if (character === "\u0003") {
          end();
          reject(new CommandFailure(exitCodes.interrupted, "CLOSED", "Interrupted."));
          return;
        }
        if (character === "\r" || character === "\n" || character === "\u0004") {
          end();
          resolve(text);
          return;
        }
        if (character === "\u007f" || character === "\b") text = Array.from(text).slice(0, -1).join("");
        else if (text.length < longest) text += character;
      }
    };
    stdin.on("data", onData);
  });
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
