/** The ESP8266's retained memory: its C code, compiled for this machine, on a model of the chip's RTC memory. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { packageFolder } from "../../../tools/paths.js";
import { temporaryFolder } from "../../tools/support/temporary-folder.js";

/** Of the RTC memory: the system's, then the clock of the Moddable SDK. */
const foreignBlocks = 64 + 10;
const blocks = 192;

describe("The retained memory of the ESP8266", function () {
  this.timeout(60_000);
  const temporary = temporaryFolder();
  let facts: Record<string, string>;

  before(function () {
    const program = temporary.join("retained-check");
    const native = join(packageFolder, "hosts/esp8266/native");
    const model = join(packageFolder, "test/hosts/esp8266/chip");
    const sources = [join(native, "retained.c"), join(model, "retained-check.c")];
    const flags = ["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-I", model, "-I", native];
    try {
      execFileSync("cc", ["--version"], { stdio: "ignore" });
    } catch {
      if (process.env["SEALWIRE_NO_SKIP"] === "1") throw new Error("There is no C compiler.");
      this.skip();
    }
    execFileSync("cc", [...flags, ...sources, "-o", program]);
    const lines = execFileSync(program, { encoding: "utf8" }).trim().split("\n");
    facts = Object.fromEntries(
      lines.map((line) => [line.slice(0, line.indexOf(" ")), line.slice(line.indexOf(" ") + 1)]),
    );
  });

  it("gives back what was written, at every offset and length, and changes nothing beside it", () => {
    assert.ok(Number(facts["moves"]) > 10_000);
    assert.equal(facts["wrong"], "0");
  });

  it("leaves the system's blocks alone, and those in which the SDK keeps its clock", () => {
    const [first, last] = facts["blocks"]!.split(" to ").map(Number);
    assert.ok(first! >= foreignBlocks, `block ${first} was touched`);
    assert.equal(last, blocks - 1);
    assert.ok(Number(facts["length"]) <= 4 * (blocks - foreignBlocks));
  });

  it("refuses what does not lie within it", () => {
    assert.equal(facts["outside"], "0");
  });

  it("says so when the chip refuses", () => {
    assert.equal(facts["refused"], "0");
  });
});
