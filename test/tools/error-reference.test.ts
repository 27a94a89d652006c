import assert from "node:assert/strict";
import * as fs from "node:fs";
import { errorReference, readErrorCodes } from "../../tools/docs/error-reference.js";

describe("docs/errors.md", () => {
  const source = fs.readFileSync("src/errors.ts", "utf8");

  it("is up to date: npm run docs:errors makes it", () => {
    assert.equal(fs.readFileSync("docs/errors.md", "utf8"), errorReference(readErrorCodes(source)));
  });

  it("has every code of the source, once", () => {
    const documented = readErrorCodes(source).flatMap(({ codes }) => codes.map(({ code }) => code));
    const declared = Array.from(source.matchAll(/^ {2}\| "([A-Z0-9_]+)"/gm), ([, code]) => code!);
    assert.ok(declared.length > 50);
    assert.deepEqual(documented, declared);
    assert.equal(new Set(documented).size, documented.length);
  });

  it("is not made of a list with a code that has no comment, or with something else in it", () => {
    const list = (body: string): string => `export type ErrorCode =\n${body};\n`;
    const good = '  // Section\n  /** What it\n   * means. */\n  | "CODE"';
    assert.deepEqual(readErrorCodes(list(good)), [
      { title: "Section", codes: [{ code: "CODE", meaning: "What it means." }] },
    ]);
    for (const bad of [
      `${good}\n  | "OTHER"`,
      `${good}\n  /** A comment of nothing. */`,
      '  /** Early. */\n  | "CODE"',
      `${good}\n  | Other`,
    ])
      assert.throws(() => readErrorCodes(list(bad)), bad);
    assert.throws(() => readErrorCodes("export {};"));
  });
});
