import { concat, equal, fromHex, fromUTF8, lengthOfUTF8, toHex, toUTF8 } from "../../src/bytes.js";
import { deepEqual, strictEqual, throws } from "../support/assert.js";
import { describe, it } from "../support/bdd.js";

describe("bytes", () => {
  it("joins parts in order", () => {
    deepEqual(concat(Uint8Array.of(1, 2), new Uint8Array(0), Uint8Array.of(3)), Uint8Array.of(1, 2, 3));
  });

  it("compares content and length", () => {
    strictEqual(equal(Uint8Array.of(1, 2), Uint8Array.of(1, 2)), true);
    strictEqual(equal(Uint8Array.of(1, 2), Uint8Array.of(1, 3)), false);
    strictEqual(equal(Uint8Array.of(1, 2), Uint8Array.of(1)), false);
  });

  it("writes and reads hexadecimal", () => {
    strictEqual(toHex(Uint8Array.of(0, 0x0a, 0xff)), "000aff");
    deepEqual(fromHex("000AfF"), Uint8Array.of(0, 0x0a, 0xff));
    throws(() => fromHex("abc"), "INVALID_ARGUMENT");
    throws(() => fromHex("zz"), "INVALID_ARGUMENT");
  });

  it("writes and reads UTF-8 of one to four bytes", () => {
    const bytes = Uint8Array.of(0x24, 0xc2, 0xa3, 0xe2, 0x82, 0xac, 0xf0, 0x90, 0x8d, 0x88);
    strictEqual(lengthOfUTF8("$£€𐍈"), bytes.byteLength);
    deepEqual(toUTF8("$£€𐍈"), bytes);
    strictEqual(fromUTF8(bytes), "$£€𐍈");
  });

  it("writes a lone surrogate as U+FFFD", () => {
    deepEqual(toUTF8("a\ud800b"), Uint8Array.of(0x61, 0xef, 0xbf, 0xbd, 0x62));
    strictEqual(lengthOfUTF8("a\ud800b"), 5);
    strictEqual(lengthOfUTF8("\udc00"), 3);
  });

  it("reads long text with longer characters at every place", () => {
    const ascii = "0123456789abcdefghijklmnopq";
    for (let length = 0; length <= ascii.length; length++) {
      for (const character of ["", "é", "€", "𐍈"]) {
        const text = ascii.slice(0, length) + character + ascii.slice(length);
        const bytes = toUTF8(text);
        strictEqual(fromUTF8(bytes), text);
        strictEqual(fromUTF8(bytes, 0, length), ascii.slice(0, length));
        if (character !== "") strictEqual(fromUTF8(bytes, 0, length + 1), undefined, text);
      }
    }
  });

  it("refuses UTF-8 that is not well-formed", () => {
    const malformed = [
      "80",
      "c0af",
      "c1bf",
      "e08080",
      "eda080",
      "f0808080",
      "f4908080",
      "f5808080",
      "c3",
      "e282",
      "c328",
    ];
    for (const hex of malformed) strictEqual(fromUTF8(fromHex(hex)), undefined, hex);
  });
});
