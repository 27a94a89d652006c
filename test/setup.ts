/** Before any test: a device folder of its own for the default platform, removed at the end. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const folder = mkdtempSync(join(tmpdir(), "sealwire-test-"));
process.env["SEALWIRE_DEVICE"] ??= folder;
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
