/** How the sources of Mbed TLS are found: the machine's own archives, read from what apt has, and only files that their package describes. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { MissingSource, parseLines, parseStanzas, verify } from "../../../tools/xs/mbedtls-source.js";
import { hostProgram } from "../../../tools/xs/paths.js";

describe("The sources of Mbed TLS", () => {
  it("come from the archives that apt knows, in either format", () => {
    const stanzas = [
      "# a comment",
      "Types: deb deb-src",
      "URIs: http://one.test/debian http://two.test/debian",
      "Suites: bookworm bookworm-updates",
      "Components: main contrib",
      "Signed-By: /usr/share/keyrings/a.gpg",
      "",
      "Types: deb",
      "Enabled: no",
      "URIs: http://off.test/debian",
      "Suites: bookworm",
      "Components: main",
      "",
      "Types: deb",
      "URIs: http://other.test/",
      "Suites: bookworm",
      "Components: extra",
    ].join("\n");
    const signedBy = "/usr/share/keyrings/a.gpg";
    assert.deepEqual(
      parseStanzas(stanzas),
      ["one", "two"].flatMap((name) =>
        ["bookworm", "bookworm-updates"].map((suite) => ({ uri: `http://${name}.test/debian`, suite, signedBy })),
      ),
    );
    const lines = [
      "deb [arch=amd64 signed-by=/a.gpg,/b.gpg] http://one.test/debian bookworm main",
      "# deb http://off.test/debian bookworm main",
      "deb-src http://two.test/debian bookworm main contrib",
      "deb http://three.test/ bookworm extra",
    ].join("\n");
    assert.deepEqual(parseLines(lines), [
      { uri: "http://one.test/debian", suite: "bookworm", signedBy: "/a.gpg /b.gpg" },
      { uri: "http://two.test/debian", suite: "bookworm", signedBy: undefined },
    ]);
  });

  it("are refused when they are not those that the package describes", () => {
    const bytes = Buffer.from("the archive");
    const hash = createHash("sha256").update(bytes).digest("hex");
    const description = `Format: 3.0\nChecksums-Sha256:\n ${hash} ${bytes.byteLength} a.orig.tar.gz\nFiles:\n 00 11 b.tar.gz\n`;
    verify(description, "a.orig.tar.gz", bytes);
    assert.throws(() => verify(description, "a.orig.tar.gz", Buffer.from("another")), MissingSource);
    assert.throws(() => verify(description, "b.tar.gz", bytes), MissingSource);
    assert.throws(() => verify("", "a.orig.tar.gz", bytes), MissingSource);
  });
});

describe("Builds of the XS host", () => {
  it("lie apart by word size, sanitizers, TLS versions and library", () => {
    const base = { bits: 64, sanitize: false, mbedtls: "" } as const;
    const programs = [
      base,
      { ...base, bits: 32 },
      { ...base, sanitize: true },
      { ...base, tls12: true },
      { ...base, tlsInput: 8192 },
      { ...base, unwatched: true },
      { ...base, mbedtls: "none" },
      { ...base, mbedtls: "/a/mbedtls-3.6.6" },
      { ...base, mbedtls: "/b/mbedtls-3.6.6" },
      { ...base, mbedtls: "/a/mbedtls-2.28.3" },
    ].map((variant) => hostProgram(variant as typeof base));
    assert.equal(new Set(programs).size, programs.length);
  });
});
