/**
 * Reads a table in CSV form (RFC 4180), row by row, however long it is. Stricter than the RFC: a row is one line, so that a quotation mark that
 * was forgotten spoils one row and not all that follow.
 */
import * as fs from "node:fs";
import { type CommandFailure, reasonOf, usageFailure } from "../failure.js";

/** Longer lines are refused, in characters. */
const longestLine = 64 * 1024;

export interface Row {
  /** From 1; the header is not counted. */
  readonly number: number;
  /** From 1; the header is the first. */
  readonly line: number;
  /** By the name of the column; `undefined` when the row is malformed. */
  readonly fields: ReadonlyMap<string, string> | undefined;
  /** What is wrong with it. */
  readonly error: string | undefined;
  /** Bytes of the file up to its end. */
  readonly bytes: number;
}

/** @throws CommandFailure with exit code 2 when the file cannot be read, or its header is not one of these columns */
export async function* readCSV(file: string, columns: readonly string[]): AsyncGenerator<Row> {
  let header: string[] | undefined;
  let number = 0;
  for await (const { text, line, bytes } of linesOf(file)) {
    if (header === undefined) {
      header = headerOf(file, text, columns);
      continue;
    }
    if (text.trim() === "") continue;
    number++;
    const values = fieldsOf(text);
    if (typeof values === "string") yield { number, line, bytes, fields: undefined, error: values };
    else if (values.length !== header.length)
      yield {
        number,
        line,
        bytes,
        fields: undefined,
        error: `it has ${values.length} ${values.length === 1 ? "field" : "fields"}, the header has ${header.length}`,
      };
    else {
      const fields = new Map(header.map((name, i) => [name, values[i]!]));
      yield { number, line, bytes, fields, error: undefined };
    }
  }
  if (header === undefined) throw usageFailure(`${file} is empty: its first line must name the columns.`);
}

function headerOf(file: string, text: string, columns: readonly string[]): string[] {
  const names = fieldsOf(text);
  const refused = (why: string): CommandFailure => usageFailure(`The header of ${file} is refused: ${why}.`);
  if (typeof names === "string") throw refused(names);
  const header = names.map((name) => name.trim().toLowerCase());
  const unknown = header.find((name) => !columns.includes(name));
  if (unknown !== undefined)
    throw refused(`${JSON.stringify(unknown.slice(0, 40))} is no column; there are ${columns.join(", ")}`);
  if (new Set(header).size !== header.length) throw refused("a column is there twice");
  return header;
}

interface Line {
  readonly text: string;
  readonly line: number;
  readonly bytes: number;
}

async function* linesOf(file: string): AsyncGenerator<Line> {
  const decoder = new TextDecoder("utf-8");
  let rest = "";
  let line = 0;
  let bytes = 0;
  try {
    for await (const chunk of fs.createReadStream(file) as AsyncIterable<Buffer>) {
      bytes += chunk.byteLength;
      const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
      rest = lines.pop()!;
      for (const text of lines) yield { text: text.replace(/\r$/, ""), line: ++line, bytes };
      // What is too long already is refused as a row: its end need not be kept.
      if (rest.length > 2 * longestLine) rest = rest.slice(0, longestLine + 1);
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).syscall === undefined) throw error;
    throw usageFailure(`Cannot read ${file}: ${reasonOf(error)}.`);
  }
  rest += decoder.decode();
  if (rest !== "") yield { text: rest.replace(/\r$/, ""), line: ++line, bytes };
}

/** The fields of a line, or what is wrong with it. */
function fieldsOf(text: string): string[] | string {
  if (text.length > longestLine) return "it is longer than 65,536 characters";
  // What stands in place of bytes that are no UTF-8; in UTF-16 every second byte of English is a zero.
  if (/[\ufffd\0]/.test(text)) return "it is not in UTF-8";
  return split(text);
}

function split(text: string): string[] | string {
  const fields: string[] = [];
  for (let at = 0; ; at++) {
    if (text[at] === '"') {
      let field = "";
      for (;;) {
        const end = text.indexOf('"', at + 1);
        if (end < 0) return "a quotation mark is not closed";
        field += text.slice(at + 1, end);
        at = end + 1;
        if (text[at] !== '"') break;
        field += '"';
      }
      if (at < text.length && text[at] !== ",") return "there is text after a closing quotation mark";
      fields.push(field);
    } else {
      const comma = text.indexOf(",", at);
      const end = comma < 0 ? text.length : comma;
      const field = text.slice(at, end);
      if (field.includes('"')) return "there is a quotation mark within a field";
      fields.push(field.trim());
      at = end;
    }
    if (at >= text.length) return fields;
  }
}
