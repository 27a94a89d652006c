/**
 * Lines of the log, from which secrets are kept out by how they are made: the words of a line are those of the program's source, and of what is put in
 * between only what cannot be a secret is shown. Numbers and flags are; of an error its code; of a text its length, unless the program says
 * with {@link plain} that it may be read by everybody; of bytes their number; of anything else nothing.
 *
 *     monitor.log("info", () => line`reading ${value} sent to ${plain(topic)}`);
 */
import { SealwireError } from "../errors.js";

/** Characters of a text that are shown, and of a whole line. */
const LONGEST_TEXT = 64;
const LONGEST_LINE = 200;

class Plain {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** A text that may be read by everybody, cut to 64 characters; what is not printable ASCII is shown as `?`. */
export function plain(text: string): Plain {
  return new Plain(text.slice(0, LONGEST_TEXT).replace(/[^\x20-\x7e]/g, "?"));
}

/** Made by {@link line} only. */
export class LogLine {
  readonly text: string;

  /** @internal */
  constructor(text: string) {
    this.text = text;
  }
}

/** A tag for template literals. */
export function line(words: TemplateStringsArray, ...values: readonly unknown[]): LogLine {
  let text = words[0]!;
  values.forEach((value, i) => (text += shown(value) + words[i + 1]!));
  return new LogLine(text.slice(0, LONGEST_LINE).replace(/[^\x20-\x7e]/g, "?"));
}

function shown(value: unknown): string {
  if (typeof value === "number") return String(Math.round(value * 1000) / 1000);
  if (typeof value === "boolean" || typeof value === "bigint" || value === undefined || value === null)
    return String(value);
  if (value instanceof Plain) return value.text;
  // Not its message: it may hold what a server said.
  if (value instanceof SealwireError)
    return value.code + (value.reasonCode === undefined ? "" : ` 0x${value.reasonCode.toString(16)}`);
  if (typeof value === "string") return `[text of ${value.length}]`;
  if (value instanceof Uint8Array || value instanceof ArrayBuffer) return `[${value.byteLength} bytes]`;
  return value instanceof Error ? "[error]" : "[hidden]";
}
