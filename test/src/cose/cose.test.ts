import { platform } from "sealwire/host";
import { fromHex, fromUTF8, toHex, toUTF8 } from "../../../src/bytes.js";
import { CBORReader, type CBORMap } from "../../../src/cbor/index.js";
import {
  CONTENT_ALGORITHM,
  createMac0,
  createSign1,
  decodeEncrypted,
  decodeMac0,
  decodeSign1,
  decryptCOSE,
  encryptCOSE,
  ES256,
  HEADER,
  MAC_ALGORITHM,
  verifyMac0,
  verifySign1,
  type ContentAlgorithmName,
} from "../../../src/cose/index.js";
import type { Key } from "../../../src/platform.js";
import { deepEqual, strictEqual, throws } from "../../support/assert.js";
import { describe, it } from "../../support/bdd.js";

const { crypto } = platform;
const content = "This is the content.";
const secret = (hex: string): Key => crypto.importKey("secret", fromHex(hex));

/** RFC 9052 appendix C.7.2, the key of both. */
const rfcKey = "849b5786457c1491be3a76dcea6c4271";
/** RFC 9052 appendix C.4.1: a simple encrypted message. */
const simple =
  "d08343a1010aa1054d89f52f65a1c580933b5261a78c581c5974e1b99a3a4cc09a659aa2e9e7fff161d38ce71cb45ce460ffb569";
/** RFC 9052 appendix C.4.2: with a Partial IV; its Context IV follows. */
const partial = "d08343a1010aa1064261a7581c252a8911d465c125b6764739700f0141ed09192de139e053bd09abca";
const contextIV = "89f52f65a1c580930000000000";
/** RFC 9052 appendix C.2.1: a single signature; the public key "11" of appendix C.7.1 follows. */
const signed =
  "d28443a10126a10442313154546869732069732074686520636f6e74656e742e58408eb33e4ca31d1c465ab05aac34cc6b23d58fef5c083106c4" +
  "d25a91aef0b0117e2af9a291aa32e14ab834dc56ed2a223444547e01f11d3b0916e5a4c345cacb36";
const publicKey =
  "3059301306072a8648ce3d020106082a8648ce3d03010703420004" +
  "bac5b11cad8f99f9c72b05cf4b9e26d244dc189f745228255a219a86d6a09eff" +
  "20138bf82dc1b6d562be0fa54ab7804a3a64b6d72ccfed6b6fb6ed28bbfc117e";

function open(hex: string, key: string, more: { contextIV?: Uint8Array; externalData?: Uint8Array } = {}): string {
  return fromUTF8(decryptCOSE(decodeEncrypted(fromHex(hex)), { crypto, key: secret(key), ...more }))!;
}

describe("COSE_Encrypt0", () => {
  it("opens the examples of RFC 9052 appendix C.4", () => {
    strictEqual(open(simple, rfcKey), content);
    strictEqual(open(partial, rfcKey, { contextIV: fromHex(contextIV) }), content);
  });

  it("makes the examples of RFC 9052 appendix C.4, byte for byte", () => {
    const options = { crypto, key: secret(rfcKey), protected: new Map([[HEADER.algorithm, 10]]), tagged: true };
    const iv = fromHex("89f52f65a1c580933b5261a78c");
    const plain = toUTF8(content);
    strictEqual(toHex(encryptCOSE(plain, { ...options, unprotected: new Map([[HEADER.iv, iv]]) })), simple);
    const unprotected = new Map([[HEADER.partialIV, fromHex("61a7")]]);
    const made = encryptCOSE(plain, { ...options, unprotected, contextIV: fromHex(contextIV) });
    strictEqual(toHex(made), partial);
    strictEqual(fromUTF8(plain), content, "the content was changed");
  });

  for (const [name, { id, keyLength, nonceLength, tagLength }] of Object.entries(CONTENT_ALGORITHM)) {
    it(`seals and opens in place with ${name}`, () => {
      const key = crypto.importKey("secret", new Uint8Array(keyLength).fill(5));
      const externalData = fromHex("83010203");
      for (const byteLength of [0, 1, 23, 24, 300, 5000]) {
        const plain = new Uint8Array(byteLength).fill(9);
        const message = encryptCOSE(plain, {
          crypto,
          key,
          protected: new Map([[HEADER.algorithm, id]]),
          unprotected: new Map([[HEADER.iv, new Uint8Array(nonceLength)]]),
          externalData,
        });
        const opened = decryptCOSE(decodeEncrypted(message), { crypto, key, externalData });
        deepEqual(opened, plain);
        strictEqual(opened.buffer, message.buffer, "it was copied");
        strictEqual(message.byteLength - byteLength < tagLength + nonceLength + 16, true);
      }
    });
  }

  it("refuses content that is longer than the algorithm takes, before anything is encrypted", () => {
    const key = secret(rfcKey);
    const long = new Uint8Array(65_536);
    const unprotected = new Map([[HEADER.iv, new Uint8Array(13)]]);
    const map: CBORMap = new Map([[HEADER.algorithm, 10]]);
    throws(() => encryptCOSE(long, { crypto, key, protected: map, unprotected }), "COSE_INVALID");
  });

  it("refuses another key, other external data, and any bit that is changed", () => {
    throws(() => open(simple, "00" + rfcKey.slice(2)), "CRYPTO_AUTHENTICATION_FAILED");
    throws(() => open(simple, rfcKey, { externalData: Uint8Array.of(1) }), "CRYPTO_AUTHENTICATION_FAILED");
    const bytes = fromHex(simple);
    for (let bit = 0; bit < 8 * bytes.byteLength; bit++) {
      const changed = bytes.slice();
      changed[bit >> 3]! ^= 1 << (bit & 7);
      let code = "opened";
      try {
        decryptCOSE(decodeEncrypted(changed), { crypto, key: secret(rfcKey) });
      } catch (error) {
        code = (error as { code: string }).code;
      }
      strictEqual(/^(CBOR_INVALID|COSE_|CRYPTO_AUTH)/.test(code), true, `bit ${bit}: ${code}`);
    }
  });

  it("opens a detached ciphertext", () => {
    const object = decodeEncrypted(fromHex(simple));
    const detached = object.ciphertext!.slice();
    const empty = decodeEncrypted(fromHex(simple.slice(0, 44) + "f6"));
    strictEqual(empty.ciphertext, undefined);
    throws(() => decryptCOSE(empty, { crypto, key: secret(rfcKey) }), "COSE_INVALID");
    strictEqual(fromUTF8(decryptCOSE(empty, { crypto, key: secret(rfcKey), detached })), content);
  });

  const refused: Record<string, [hex: string, code: "CBOR_INVALID" | "COSE_INVALID" | "COSE_UNSUPPORTED"]> = {
    "an array of two": ["8240a0", "COSE_INVALID"],
    "the tag of another object": ["d28340a040", "COSE_INVALID"],
    "a tag that promises recipients": ["d8608340a040", "COSE_INVALID"],
    "a map for an array": ["a0", "CBOR_INVALID"],
    "bytes behind it": ["8340a04000", "CBOR_INVALID"],
    "a protected header that is not a map": ["834101a040", "CBOR_INVALID"],
    "bytes behind the protected map": ["8342a000a040", "CBOR_INVALID"],
    "a parameter that is protected and not": ["8343a10101a1010140", "COSE_INVALID"],
    "IV and Partial IV": ["8340a20541010641 0140".replace(" ", ""), "COSE_INVALID"],
    "a key identifier that is a number": ["8340a1040140", "COSE_INVALID"],
    "an algorithm that is an array": ["8340a1018040", "COSE_INVALID"],
    "critical parameters that are not protected": ["8340a102810140", "COSE_INVALID"],
    "an empty list of critical parameters": ["8343a10280a040", "COSE_INVALID"],
    "a critical parameter that is missing": ["8344a1028101a040", "COSE_INVALID"],
    "a critical parameter that is not known": ["8348a2028118631863 01a040".replace(" ", ""), "COSE_UNSUPPORTED"],
    "two recipients": ["8440a040828340a1012540 8340a1012540".replace(" ", ""), "COSE_UNSUPPORTED"],
    "a recipient with a wrapped key": ["8440a040818340a1012240", "COSE_UNSUPPORTED"],
    "a direct recipient with a key": ["8440a040818340a101254101", "COSE_INVALID"],
  };
  for (const [title, [hex, code]] of Object.entries(refused))
    it(`refuses ${title}`, () => {
      throws(() => decodeEncrypted(fromHex(hex)), code);
    });

  it("accepts critical parameters that it knows", () => {
    // {1: 10, 2: [1]}
    decodeEncrypted(fromHex("8346a2010a028101a040"));
  });

  it("refuses an algorithm that it does not know, a short ciphertext, and an IV of a wrong length", () => {
    const key = secret(rfcKey);
    const decrypt = (hex: string): unknown => decryptCOSE(decodeEncrypted(fromHex(hex)), { crypto, key });
    throws(() => decrypt("8344a1011863a040"), "COSE_UNSUPPORTED");
    throws(() => decrypt("8340a040"), "COSE_UNSUPPORTED");
    throws(() => decrypt("8343a1010aa1054d89f52f65a1c580933b5261a78c4101"), "COSE_INVALID");
    throws(() => decrypt("8343a1010aa1054101480102030405060708"), "COSE_INVALID");
    throws(() => decrypt("8343a1010aa0480102030405060708"), "COSE_INVALID");
  });
});

describe("COSE_Sign1 and COSE_Mac0", () => {
  const es256: CBORMap = new Map([[HEADER.algorithm, ES256]]);

  it("verifies the example of RFC 9052 appendix C.2.1", () => {
    const key = crypto.importKey("public", fromHex(publicKey));
    strictEqual(fromUTF8(verifySign1(crypto, decodeSign1(fromHex(signed)), { key })), content);
  });

  it("refuses the example with any bit of content or signature changed, and with external data", () => {
    const key = crypto.importKey("public", fromHex(publicKey));
    const bytes = fromHex(signed);
    for (const at of [12, 14, 31, 34, 70, bytes.byteLength - 1]) {
      const changed = bytes.slice();
      changed[at]! ^= 0x40;
      throws(() => verifySign1(crypto, decodeSign1(changed), { key }), "CRYPTO_AUTHENTICATION_FAILED");
    }
    const externalData = Uint8Array.of(1);
    throws(() => verifySign1(crypto, decodeSign1(bytes), { key, externalData }), "CRYPTO_AUTHENTICATION_FAILED");
  });

  it("signs, with content inside and detached", () => {
    const key = crypto.generateKey();
    const pub = crypto.importKey("public", crypto.publicKey(key));
    const plain = toUTF8(content);
    const externalData = fromHex("0102");
    for (const detached of [false, true]) {
      const made = createSign1(crypto, plain, {
        key,
        protected: es256,
        unprotected: new Map(),
        externalData,
        detached,
      });
      const object = decodeSign1(made);
      strictEqual(object.content === undefined, detached);
      if (detached) throws(() => verifySign1(crypto, object, { key: pub, externalData }), "COSE_INVALID");
      deepEqual(verifySign1(crypto, object, { key: pub, externalData, detached: plain }), plain);
    }
  });

  it("makes and verifies tags of both lengths", () => {
    const key = secret(rfcKey);
    const plain = toUTF8(content);
    for (const [name, byteLength] of [
      ["HMAC 256/256", 32],
      ["HMAC 256/64", 8],
    ] as const) {
      const map: CBORMap = new Map([[HEADER.algorithm, MAC_ALGORITHM[name]]]);
      const made = createMac0(crypto, plain, { key, protected: map, unprotected: new Map(), tagged: true });
      strictEqual(made[0], 0xd1);
      const object = decodeMac0(made);
      strictEqual(object.proof.byteLength, byteLength);
      deepEqual(verifyMac0(crypto, object, { key }), plain);
      made[made.byteLength - 1]! ^= 1;
      throws(() => verifyMac0(crypto, decodeMac0(made), { key }), "CRYPTO_AUTHENTICATION_FAILED");
    }
  });

  it("takes no tag of another length, and no algorithm that it does not know", () => {
    const key = secret(rfcKey);
    // HMAC 256/256 with a tag of 8 bytes.
    throws(
      () => verifyMac0(crypto, decodeMac0(fromHex("8443a10105a041ff480102030405060708")), { key }),
      "CRYPTO_AUTHENTICATION_FAILED",
    );
    throws(
      () => verifyMac0(crypto, decodeMac0(fromHex("8443a1010fa041ff480102030405060708")), { key }),
      "COSE_UNSUPPORTED",
    );
    throws(() => verifySign1(crypto, decodeSign1(fromHex("8443a10105a041ff4101")), { key }), "COSE_UNSUPPORTED");
    throws(() => decodeSign1(fromHex("d18440a041ff40")), "COSE_INVALID");
    throws(() => decodeMac0(fromHex("8340a040")), "COSE_INVALID");
  });
});

describe("CBOR reader", () => {
  it("does not let small input become many objects", () => {
    const items = new Uint8Array(3 + 2000).fill(0x80);
    items.set([0x99, 2000 >> 8, 2000 & 0xff]);
    throws(() => new CBORReader(items).value(), "CBOR_INVALID");
  });

  it("gives byte strings as views, and null where it may be", () => {
    const input = fromHex("4201ff f6".replace(" ", ""));
    const reader = new CBORReader(input);
    const bytes = reader.bytes();
    strictEqual(bytes.buffer, input.buffer);
    strictEqual(reader.bytesOrNull(), null);
    reader.finish();
    throws(() => reader.bytes(), "CBOR_INVALID");
    throws(() => new CBORReader(fromHex("01")).array(), "CBOR_INVALID");
  });
});

const names: readonly ContentAlgorithmName[] = ["A128GCM", "A256GCM", "AES-CCM-16-64-128", "AES-CCM-16-128-128"];
describe("COSE algorithms", () => {
  it("have the numbers of the IANA registry", () => {
    deepEqual(
      names.map((name) => CONTENT_ALGORITHM[name].id),
      [1, 3, 10, 30],
    );
  });
});
