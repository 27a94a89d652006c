/** The packed tarball, unpacked where `npm install` would put it, works without the rest of the repository. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { temporaryFolder } from "../tools/support/temporary-folder.js";
import { installPackage } from "./support/install-package.js";

interface Manifest {
  readonly exports: Record<string, string>;
  readonly bin: { readonly sealwire: string };
}

describe("The package", function () {
  this.timeout(60_000);
  const folder = temporaryFolder();
  let installed: string;
  let manifest: Manifest;

  before(() => {
    installed = installPackage(folder.join("app"));
    manifest = JSON.parse(readFileSync(join(installed, "package.json"), "utf8")) as Manifest;
  });

  const node = (...parameters: string[]): string =>
    execFileSync(process.execPath, parameters, {
      cwd: folder.join("app"),
      encoding: "utf8",
      stdio: ["ignore", "pipe", "inherit"],
    });

  it("gives every entry of its exports", () => {
    const entries = Object.keys(manifest.exports).filter((entry) => !entry.endsWith(".json"));
    assert.ok(entries.length >= 8);
    const script = entries
      .map((entry) => `await import(${JSON.stringify(entry.replace(".", "sealwire"))});`)
      .join("\n");
    node("--input-type=module", "--eval", script);
  });

  it("holds the sources and the manifest for firmware builds", () => {
    assert.ok(readdirSync(join(installed, "src")).includes("device.ts"));
    assert.ok(readdirSync(installed).includes("manifest.json"));
  });

  it("holds no test, no key and no build information", () => {
    const files = readdirSync(installed, { recursive: true, encoding: "utf8" });
    const unwanted = files.filter((name) => /(^|\/)test\/|\.tsbuildinfo$|\.key$|certs\/dev|\.test\./.test(name));
    assert.deepEqual(unwanted, []);
  });

  it("runs the main job", () => {
    const result = JSON.parse(node(join(installed, manifest.bin.sealwire), "simulate", "--json")) as {
      connects: { resumed: boolean }[];
    };
    assert.deepEqual(
      result.connects.map(({ resumed }) => resumed),
      [false, true, true, true, false, true],
    );
  });
});
