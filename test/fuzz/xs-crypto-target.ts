/**
 * Hostile arguments for the native cryptography of the XS host, in batches: one process, with sanitizers, for each. What is tried is in
 * `test/xs/firmware/fuzz-crypto.ts`.
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { toHex } from "../../src/bytes.js";
import { buildHost } from "../../tools/xs/build.js";
import { root, type Variant } from "../../tools/xs/paths.js";
import { runOnXS } from "../../tools/xs/run.js";
import { mutate } from "./mutate.js";
import { readCorpus, type Target } from "./target.js";

const variant: Variant = { bits: 64, sanitize: true };
/** Inputs of a batch; each makes some twenty calls. */
const batch = 100;
/** Blocks of native memory that a process may keep: garbage that was not collected, and what the library holds for good. */
const allowedBlocks = 8;

/** Builds the host. */
export async function xsCryptoTarget(): Promise<Target> {
  await buildHost(variant);
  const corpus = readCorpus("xs-crypto");
  const module = join(root, "dist", "test", "xs", "firmware", "fuzz-crypto.js");
  return {
    corpus,
    inputsPerRun: batch,
    patience: 20_000,
    run: async (input, random) => {
      const folder = mkdtempSync(join(tmpdir(), "sealwire-fuzz-"));
      try {
        const inputs = [input, ...Array.from({ length: batch - 1 }, () => mutate(random, corpus))];
        const path = join(folder, "inputs");
        writeFileSync(path, inputs.map(toHex).join("\n"));
        const environment = { ...process.env, SEALWIRE_DEVICE: join(folder, "device") };
        const seed = String(random.below(0x7fff_ffff));
        const { exitCode, output, errors } = await runOnXS(module, [path, seed], { variant, environment });
        assert.equal(exitCode, 0, `seed ${seed}: ${output}${errors}`);
        const blocks = /(\d+) blocks left/.exec(output)?.[1];
        assert.ok(
          blocks !== undefined && Number(blocks) <= allowedBlocks,
          `seed ${seed}: native memory leaks: ${output}`,
        );
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    },
  };
}
