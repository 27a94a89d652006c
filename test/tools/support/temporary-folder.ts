/** A folder for one test file, gone after it. */
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";

export interface TemporaryFolder {
  /** A path in it. */
  readonly join: (...parts: string[]) => string;
}

/** Registers the mocha hooks that make and remove it. */
export function temporaryFolder(): TemporaryFolder {
  let folder = "";
  before(() => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), "sealwire-test-"));
  });
  after(() => {
    fs.rmSync(folder, { recursive: true, force: true });
  });
  return { join: (...parts) => path.join(folder, ...parts) };
}
