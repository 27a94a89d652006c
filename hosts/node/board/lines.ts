/** Cuts a stream of text into lines. */
import type { Readable } from "node:stream";
import { StringDecoder } from "node:string_decoder";

/** Longer lines are cut. */
const longestLine = 65_536;

export function onLines(stream: Readable, onLine: (line: string) => void): void {
  const decoder = new StringDecoder("utf8");
  let rest = "";
  stream.on("data", (bytes: Buffer) => {
    const lines = (rest + decoder.write(bytes)).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) onLine(line);
    if (rest.length < longestLine) return;
    onLine(rest);
    rest = "";
  });
  stream.on("end", () => {
    if (rest !== "") onLine(rest);
  });
  // A pipe that breaks ends with the process that held its other end.
  stream.on("error", () => undefined);
}
