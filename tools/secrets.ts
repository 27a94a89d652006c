/** Secrets that commands are given: from a file or standard input, never as an argument, which every user of the machine can see. */
import * as fs from "node:fs";
import { CommandFailure, exitCodes, reasonOf, usageFailure } from "./failure.js";

const longest = 65_536;

/** The first line of a file, or of standard input for `-`. */
export function readSecret(file: string, what: string): string {
  let text: string;
  try {
    text = fs.readFileSync(file === "-" ? 0 : file, "utf8");
  } catch (error) {
    throw new CommandFailure(
      exitCodes.environment,
      "STORAGE_FAILED",
      `Cannot read the ${what} from ${file === "-" ? "standard input" : file}: ${reasonOf(error)}.`,
      { cause: error },
    );
  }
  const [line = ""] = text.split(/\r?\n/, 1);
  if (line === "" || line.length > longest)
    throw usageFailure(`There is no ${what} in the first line of ${file === "-" ? "standard input" : file}.`);
  return line;
}
