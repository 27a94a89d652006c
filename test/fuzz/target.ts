/** What a fuzz target is, and the corpus it starts from. */
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { fromHex } from "../../src/bytes.js";
import type { Random } from "./random.js";

export interface Target {
  readonly corpus: readonly Uint8Array[];
  /** How many inputs one call of `run` tries: 1 when left out. A target that starts a process makes more of the one it is given. */
  readonly inputsPerRun?: number;
  /** Milliseconds that one call of `run` may take: 2000 when left out. */
  readonly patience?: number;
  /** Tries one input. Throws when the code under test does what it must not do. */
  readonly run: (input: Uint8Array, random: Random) => void | Promise<void>;
  /** Ends what the target has started. */
  readonly close?: () => void;
}

/** The corpus lies beside the sources, as hexadecimal text with comments after `#`. */
const folder = resolve(fileURLToPath(new URL("../../../test/fuzz/corpus", import.meta.url)));

export function readCorpus(name: string): Uint8Array[] {
  const files = readdirSync(join(folder, name)).filter((file) => file.endsWith(".hex"));
  return files.sort().map((file) => {
    const text = readFileSync(join(folder, name, file), "utf8");
    return fromHex(text.replace(/#.*$/gm, "").replace(/\s+/g, ""));
  });
}
