/** Looks into the memory of a process that runs a firmware, and listens to it. */
import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { closeSync, openSync, readFileSync, readSync } from "node:fs";

/** How often `pattern` is found in the memory that the process can write. */
export function count(pid: number, pattern: Uint8Array): number {
  const memory = openSync(`/proc/${pid}/mem`, "r");
  let found = 0;
  try {
    for (const line of readFileSync(`/proc/${pid}/maps`, "utf8").split("\n")) {
      const range = /^([0-9a-f]+)-([0-9a-f]+) rw/.exec(line);
      if (!range) continue;
      const [start, end] = [Number.parseInt(range[1]!, 16), Number.parseInt(range[2]!, 16)];
      // The terabytes that AddressSanitizer reserves for its notes are no memory of the program.
      if (end - start > 2 ** 36) continue;
      const chunk = Buffer.alloc(1 << 20);
      // Neighbouring pieces overlap, so that a pattern on the border is seen; once.
      for (let at = start; at < end; at += chunk.byteLength - pattern.byteLength + 1) {
        const size = Math.min(chunk.byteLength, end - at);
        const length = readSync(memory, chunk, 0, size, at);
        const piece = chunk.subarray(0, length);
        for (let i = piece.indexOf(pattern); i >= 0; i = piece.indexOf(pattern, i + 1)) found++;
      }
    }
  } finally {
    closeSync(memory);
  }
  return found;
}

/** The lines of standard output, one by one; the end of the process is an error. */
export function linesOf(child: ChildProcess): { next(): Promise<string> } {
  let text = "";
  let wake: () => void = () => undefined;
  let ended = false;
  child.stdout!.setEncoding("utf8").on("data", (piece: string) => {
    text += piece;
    wake();
  });
  child.on("close", () => {
    ended = true;
    wake();
  });
  return {
    async next() {
      while (!text.includes("\n")) {
        assert.ok(!ended, "the firmware ended too early");
        await new Promise<void>((resolve) => (wake = resolve));
      }
      const at = text.indexOf("\n");
      const line = text.slice(0, at);
      text = text.slice(at + 1);
      return line;
    },
  };
}
