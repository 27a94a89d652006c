/** `sealwire init`: what it makes must not end in version control by mistake. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { killCommands, startCommand } from "./support/run-command.js";
import { temporaryFolder } from "./support/temporary-folder.js";

const secrets = ["pki", "pki.passphrase", "fleet-root.key"];
/** What runs that were killed leave of them. */
const remains = [
  ".123.0011aabb.sealwire-pki/issuing-ca.key",
  ".fleet-root.key.00112233aabb",
  ".pki.passphrase.00112233aabb",
];

describe("sealwire init in a folder under version control", function () {
  this.timeout(60_000);
  const temporary = temporaryFolder();
  afterEach(() => killCommands());

  /** Makes a fleet. @returns what git would add */
  async function initIn(name: string, gitignore?: string): Promise<string[]> {
    const folder = temporary.join(name);
    fs.mkdirSync(folder);
    const git = (...args: string[]): string => execFileSync("git", args, { cwd: folder, encoding: "utf8" });
    git("init", "--quiet");
    if (gitignore !== undefined) fs.writeFileSync(path.join(folder, ".gitignore"), gitignore);
    const { exitCode, stderr } = await startCommand(["init"], { SEALWIRE_PKI_PASSPHRASE: undefined }, "", folder)
      .result;
    assert.deepEqual([exitCode, stderr], [0, ""]);
    for (const file of remains) {
      fs.mkdirSync(path.dirname(path.join(folder, file)), { recursive: true });
      fs.writeFileSync(path.join(folder, file), "secret");
    }
    for (const file of secrets) assert.ok(fs.existsSync(path.join(folder, file)), file);
    return git("ls-files", "--others", "--exclude-standard").trim().split("\n");
  }

  const shared = [".gitignore", "back-end.json", "fleet.json", "permissions.json"];

  it("has git ignore the secrets", async () => {
    assert.deepEqual(await initIn("new"), shared);
  });

  it("adds to a .gitignore that is there what it lacks, and keeps the rest", async () => {
    assert.deepEqual(await initIn("old", "node_modules/\nsimulated/"), shared);
    const lines = fs.readFileSync(path.join(temporary.join("old"), ".gitignore"), "utf8").split("\n");
    assert.deepEqual(lines.slice(0, 2), ["node_modules/", "simulated/"]);
    assert.equal(lines.filter((line) => line === "simulated/").length, 1);
  });
});
