/** Reads a permissions file, and finds what is odd in it. */
import { covers, Permissions } from "../../src/permissions/index.js";
import { SealwireError } from "../../src/errors.js";
import { CommandFailure, exitCodes } from "../failure.js";
import { readFile } from "../files.js";
import { hasPlaceholder, numbered, type NumberedEntry } from "./export.js";

/** @throws CommandFailure with exit code 3 when it cannot be read, 1 when it is wrong */
export function readPermissions(file: string): Permissions {
  const text = readFile(file);
  if (text === undefined)
    throw new CommandFailure(exitCodes.environment, "STORAGE_FAILED", `The permissions file ${file} does not exist.`);
  try {
    return Permissions.parse(text);
  } catch (error) {
    if (!(error instanceof SealwireError)) throw error;
    throw new CommandFailure(exitCodes.failed, error.code, `${file}: ${error.message}`, { cause: error });
  }
}

/** Something that is allowed, but may not be what was meant. */
export interface Remark {
  readonly entry: number;
  readonly topic: string;
  readonly message: string;
}

export function remarksOn(permissions: Permissions): Remark[] {
  const entries = numbered(permissions);
  const remarks: Remark[] = [];
  for (const entry of entries) {
    const { number, topic, publish } = entry;
    const add = (message: string): void => {
      remarks.push({ entry: number, topic, message });
    };
    const wider = entries.find(
      (other) => other !== entry && includes(other, entry) && !(other.number > number && includes(entry, other)),
    );
    if (wider) add(`has no effect: entry ${wider.number}, ${JSON.stringify(wider.topic)}, allows all of it`);
    if (topic === "#" || topic === "+/#") add("allows every topic");
    else if (publish && !hasPlaceholder(topic))
      add("lets every device that has this file publish to the same topics: with a level %c each has its own");
  }
  return remarks;
}

/** Whether `wide` allows all that `narrow` does; both as they are written, since `%c` has one value in both. */
function includes(wide: NumberedEntry, narrow: NumberedEntry): boolean {
  return (
    (wide.publish || !narrow.publish) &&
    (wide.subscribe || !narrow.subscribe) &&
    narrow.qos.every((level) => wide.qos.includes(level)) &&
    covers(wide.topic, narrow.topic)
  );
}
