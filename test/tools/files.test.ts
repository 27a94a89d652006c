/** Files of the tools: each appears whole, or not at all. */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { createFile } from "../../tools/files.js";
import { temporaryFolder } from "./support/temporary-folder.js";

describe("A file that is made unless it is there", () => {
  const folder = temporaryFolder();

  it("has what the first of several writers wrote, and tells the others", () => {
    assert.equal(createFile(folder.join("first"), "mine", 0o600), "mine");
    assert.equal(createFile(folder.join("first"), "yours", 0o600), "mine");
    assert.equal(fs.statSync(folder.join("first")).mode & 0o777, 0o600);
  });

  it("is refused, and not waited for, where a link leads nowhere", () => {
    fs.symlinkSync(folder.join("nowhere"), folder.join("link"));
    assert.throws(() => createFile(folder.join("link"), "mine", 0o600), {
      code: "STORAGE_FAILED",
      message: /^Cannot write .*link: it is a link that leads nowhere\.$/,
    });
    assert.deepEqual(fs.readdirSync(folder.join(".")).sort(), ["first", "link"]);
  });
});
