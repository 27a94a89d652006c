/** DER as the Node host reads it, against asn1js, which knows all of BER. */
import assert from "node:assert/strict";
import * as asn1js from "asn1js";
import fc from "fast-check";
import {
  bits,
  boolean,
  type Element,
  MalformedError,
  oid,
  parse,
  tags,
  text,
  time,
  unsigned,
} from "../../../hosts/node/x509/asn1.js";
import { DevelopmentPKI } from "../../../tools/pki/index.js";
import { temporaryFolder } from "../../tools/support/temporary-folder.js";

const der = (...bytes: number[]): Uint8Array => Uint8Array.from(bytes);

/** An element and what is in it, as both parsers see it. */
type Tree = readonly [tagClass: number, tagNumber: number, raw: string, children: readonly Tree[]];

function ours(element: Element): Tree {
  const raw = Buffer.from(element.raw).toString("hex");
  return [element.tagClass, element.tagNumber, raw, element.children.map(ours)];
}

function theirs(block: asn1js.AsnType): Tree {
  const { tagClass, tagNumber, isConstructed } = block.idBlock;
  const raw = Buffer.from(block.valueBeforeDecodeView).toString("hex");
  const { value } = block.valueBlock as { value?: unknown };
  const children = isConstructed && Array.isArray(value) ? (value as asn1js.AsnType[]) : [];
  return [tagClass, tagNumber, raw, children.map(theirs)];
}

function oracle(bytes: Uint8Array): Tree | undefined {
  const { offset, result } = asn1js.fromBER(bytes, { maxDepth: 64, maxNodes: 10_000, parseEmbedded: false });
  return offset !== bytes.byteLength || result.error !== "" ? undefined : theirs(result);
}

function tree(bytes: Uint8Array): Tree | undefined {
  try {
    return ours(parse(bytes));
  } catch (error) {
    assert.ok(error instanceof MalformedError, String(error));
    return undefined;
  }
}

describe("DER", () => {
  const folder = temporaryFolder();
  let certificate: Uint8Array;

  before(async () => {
    const pki = await DevelopmentPKI.open({ folder: folder.join("pki"), names: ["localhost", "127.0.0.1"] });
    certificate = pki.server.certificateChain[0]!;
  });

  it("is read as asn1js reads it", () => {
    assert.deepEqual(tree(certificate), oracle(certificate));
  });

  it("is never understood in another way than asn1js understands it, however it was damaged", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 4 }),
        fc.nat({ max: 4 }),
        (changes, cut) => {
          const damaged = certificate.slice(0, certificate.byteLength - cut);
          for (const [at, byte] of changes) damaged[at % damaged.byteLength] = byte;
          const read = tree(damaged);
          const known = read && oracle(damaged);
          // What asn1js refuses beside its form (times, strings) is looked at by those who ask for it.
          if (known) assert.deepEqual(read, known);
        },
      ),
      { numRuns: 500 },
    );
  });

  it("is refused when it is cut short, followed by more, too deep, or of a form that DER does not have", () => {
    for (let length = 0; length < certificate.byteLength; length++)
      assert.throws(() => parse(certificate.subarray(0, length)), MalformedError);
    for (const bytes of [
      der(0x30, 0x00, 0x00),
      der(0x30, 0x80, 0x00, 0x00),
      der(0x04, 0x81, 0x01, 0x00),
      der(0x04, 0x82, 0x00, 0x80, ...new Array<number>(128).fill(0)),
      der(0x04, 0x85, 0, 0, 0, 0, 1, 0),
      der(0x04, 0x84, 0xff, 0xff, 0xff, 0xff),
      der(0x1f, 0x81, 0x01, 0x00),
      der(0x30, 0x03, 0x04, 0x05, 0x00),
    ])
      assert.throws(() => parse(bytes), MalformedError, Buffer.from(bytes).toString("hex"));
    let deep = der(0x05, 0x00);
    for (let i = 0; i < 30; i++) deep = der(0x30, deep.byteLength, ...deep);
    assert.throws(() => parse(deep), /too deep/);
    assert.throws(() => parse(der(0x30, 0x06, 0x05, 0, 0x05, 0, 0x05, 0), 3), /too many/);
  });

  it("names objects as asn1js does", () => {
    for (const name of ["1.2.840.113549.1.1.11", "2.5.29.17", "0.9.2342", "2.999.3", "1.3.6.1.4.1.311.60.2.1.3"]) {
      const bytes = new Uint8Array(new asn1js.ObjectIdentifier({ value: name }).toBER());
      assert.equal(oid(parse(bytes)), name);
    }
    assert.equal(
      oid(parse(der(6, 10, 0x69, 0x81, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f))),
      "2.25.144115188075855871",
    );
    for (const content of [[], [0x80, 0x01], [0x2a, 0x80, 0x01], [0x2a, 0x86]])
      assert.throws(() => oid(parse(der(6, content.length, ...content))), MalformedError);
  });

  it("tells times as RFC 5280 writes them, and no others", () => {
    const of = (tag: number, value: string): number => time(parse(der(tag, value.length, ...Buffer.from(value))));
    assert.equal(of(0x17, "491231235959Z"), Date.UTC(2049, 11, 31, 23, 59, 59));
    assert.equal(of(0x17, "500101000000Z"), Date.UTC(1950, 0, 1));
    assert.equal(of(0x18, "99991231235959Z"), Date.UTC(9999, 11, 31, 23, 59, 59));
    assert.equal(of(0x18, "20240229000000Z"), Date.UTC(2024, 1, 29));
    for (const value of ["20230229000000Z", "20231301000000Z", "20230101240000Z", "20230101006000Z", "202301010000Z"])
      assert.throws(() => of(0x18, value), MalformedError, value);
    for (const value of ["2301010000Z", "230101000000", "230101000000+0000", "23010100000aZ"])
      assert.throws(() => of(0x17, value), MalformedError, value);
  });

  it("holds numbers, flags, bits and texts", () => {
    assert.deepEqual(unsigned(parse(der(2, 3, 0, 0, 0x81))), der(0x81));
    assert.throws(() => unsigned(parse(der(2, 1, 0x80))), MalformedError);
    assert.deepEqual([boolean(parse(der(1, 1, 0xff))), boolean(parse(der(1, 1, 0)))], [true, false]);
    assert.throws(() => boolean(parse(der(1, 2, 0xff, 0xff))), MalformedError);
    assert.deepEqual(bits(parse(der(3, 2, 5, 0xa0))), der(0xa0));
    for (const content of [[], [8, 0], [1]])
      assert.throws(() => bits(parse(der(3, content.length, ...content))), MalformedError);
    assert.equal(text(parse(der(tags.bmpString, 4, 0, 0x41, 0x20, 0xac))), "A€");
    assert.equal(text(parse(der(tags.universalString, 4, 0, 1, 0xf5, 0x12))), String.fromCodePoint(0x1f512));
    assert.equal(text(parse(der(tags.universalString, 4, 0xff, 0xff, 0xff, 0xff))), undefined);
    assert.equal(text(parse(der(tags.utf8String, 2, 0xc3, 0xa9))), "é");
    assert.equal(text(parse(der(tags.printableString, 2, 0x61, 0x62))), "ab");
  });
});
