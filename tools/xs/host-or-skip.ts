/** What a command does on a machine that cannot compile the XS host: it says so, and is no failure, unless nothing may be skipped. */
import { buildHost, MissingCompiler } from "./build.js";
import type { Variant } from "./paths.js";

/** @returns whether all hosts are there; the exit code is set where they must be */
export async function hostOrSkip(...variants: readonly Variant[]): Promise<boolean> {
  try {
    for (const variant of variants) await buildHost(variant);
    return true;
  } catch (error) {
    if (!(error instanceof MissingCompiler)) throw error;
    const mustRun = process.env["SEALWIRE_NO_SKIP"] === "1";
    console.error(`${mustRun ? "" : "Skipped: "}${error.message}`);
    if (mustRun) process.exitCode = 1;
    return false;
  }
}
