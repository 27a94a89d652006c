/** The XS host for tests: built once, skipped with the line that installs what is missing. */
import type { Context } from "mocha";
import { buildHost, MissingCompiler } from "../../../tools/xs/build.js";
import type { Variant } from "../../../tools/xs/paths.js";

/** Builds the host in a `before`; with SEALWIRE_NO_SKIP=1 a missing compiler is a failure. */
export function hostIsBuilt(variant: Variant): (this: Context) => Promise<void> {
  return async function () {
    this.timeout(300_000);
    try {
      await buildHost(variant);
    } catch (error) {
      if (!(error instanceof MissingCompiler) || process.env["SEALWIRE_NO_SKIP"] === "1") throw error;
      console.log(`    skipped: ${error.message}`);
      this.skip();
    }
  };
}
