import { fromHex, toHex } from "../../../src/bytes.js";
import { decodeCBOR, encodeCBOR, type CBORValue } from "../../../src/cbor/index.js";
import { deepEqual, strictEqual, throws } from "../../support/assert.js";
import { describe, it } from "../../support/bdd.js";

/** RFC 8949 appendix A, the values of the supported part. */
const examples: readonly (readonly [hex: string, value: CBORValue])[] = [
  ["00", 0],
  ["17", 23],
  ["1818", 24],
  ["1903e8", 1000],
  ["1a000f4240", 1000000],
  ["1b000000e8d4a51000", 1000000000000],
  ["1b001fffffffffffff", Number.MAX_SAFE_INTEGER],
  ["20", -1],
  ["3903e7", -1000],
  ["3b001ffffffffffffe", -Number.MAX_SAFE_INTEGER],
  ["f4", false],
  ["f5", true],
  ["f6", null],
  ["40", new Uint8Array(0)],
  ["4401020304", Uint8Array.of(1, 2, 3, 4)],
  ["60", ""],
  ["62c3bc", "ü"],
  ["64f0908591", "𐅑"],
  ["80", []],
  ["8301820203820405", [1, [2, 3], [4, 5]]],
  ["a0", new Map()],
  [
    "a201020304",
    new Map([
      [1, 2],
      [3, 4],
    ]),
  ],
  [
    "a26161016162820203",
    new Map<string, CBORValue>([
      ["a", 1],
      ["b", [2, 3]],
    ]),
  ],
];

describe("CBOR", () => {
  for (const [hex, value] of examples) {
    it(`reads and writes ${hex}`, () => {
      deepEqual(decodeCBOR(fromHex(hex)), value);
      strictEqual(toHex(encodeCBOR(value)), hex);
    });
  }

  it("writes map keys in the deterministic order, whatever order they were put in", () => {
    const map = new Map<number | string, CBORValue>([
      ["a", 1],
      [100, 2],
      [-1, 3],
      [10, 4],
    ]);
    strictEqual(toHex(encodeCBOR(map)), "a40a0418640220036161" + "01");
  });

  const malformed: Record<string, string> = {
    "nothing at all": "",
    "bytes left over": "0000",
    "an integer not in its shortest form": "1817",
    "a length not in its shortest form": "5800",
    "an integer beyond 2^53 - 1": "1b0020000000000000",
    "a negative integer below -2^53 + 1": "3b001fffffffffffff",
    "an indefinite length": "9f00ff",
    "a reserved length": "1c",
    "a tag": "c000",
    "a floating-point number": "f90000",
    "an undefined": "f7",
    "a string cut short": "4401",
    "a string that claims 4 GB": "5affffffff00",
    "an array that claims 4 billion items": "9affffffff00",
    "a map that claims more pairs than there are bytes": "b90100" + "00",
    "a key that is there twice": "a201000100",
    "a key that is an array": "a18000",
    "text that is not UTF-8": "62c328",
    "nesting deeper than 8": "81".repeat(9) + "00",
  };
  for (const [title, hex] of Object.entries(malformed)) {
    it(`refuses ${title}`, () => {
      throws(() => decodeCBOR(fromHex(hex)), "CBOR_INVALID");
    });
  }

  it("does not recurse as deep as an attacker wants", () => {
    throws(() => decodeCBOR(new Uint8Array(100_000).fill(0x81)), "CBOR_INVALID");
  });

  it("refuses to write a number that is not a safe integer", () => {
    throws(() => encodeCBOR(0.5), "INVALID_ARGUMENT");
    throws(() => encodeCBOR(2 ** 53), "INVALID_ARGUMENT");
  });
});
