/** The cryptographic primitives as every host must have them: results, refusals, and what happens to memory that is handed in. */
import { platform } from "sealwire/host";
import { concat, equal, fromHex, toHex } from "../../../src/bytes.js";
import type { AEADAlgorithm, Key } from "../../../src/platform.js";
import { deepEqual, ok, rejects, strictEqual, throws } from "../../support/assert.js";
import { describe, it } from "../../support/bdd.js";

const crypto = platform.crypto;
const secret = (bytes: Uint8Array): Key => crypto.importKey("secret", bytes);
const none = new Uint8Array(0);
const filled = (length: number, value: number): Uint8Array => new Uint8Array(length).fill(value);

/** What a test may know of a secret key. */
const trace = (key: Key): Uint8Array => crypto.deriveBytes(key, none, none, 32);

describe("Crypto: hashes and derivation", () => {
  it("computes the published values", () => {
    const abc = Uint8Array.of(0x61, 0x62, 0x63);
    // FIPS 180-4, RFC 4231 test case 2, RFC 5869 test case 1, RFC 7914 section 11.
    strictEqual(
      toHex(crypto.sha256().update(abc).digest()),
      "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    );
    strictEqual(toHex(crypto.sha256().digest()), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    strictEqual(
      toHex(
        crypto.hmac(secret(fromHex("4a656665")), fromHex("7768617420646f2079612077616e7420666f72206e6f7468696e673f")),
      ),
      "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
    );
    const info = fromHex("f0f1f2f3f4f5f6f7f8f9");
    const salt = fromHex("000102030405060708090a0b0c");
    const okm = "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865";
    strictEqual(toHex(crypto.deriveBytes(secret(filled(22, 0x0b)), salt, info, 42)), okm);
    const derived = crypto.deriveKey(secret(filled(22, 0x0b)), salt, info, 42);
    deepEqual(trace(derived), trace(secret(fromHex(okm))));
    const stretched = crypto.pbkdf2(secret(fromHex("706173737764")), fromHex("73616c74"), 1, 64);
    deepEqual(
      trace(stretched),
      trace(
        secret(
          fromHex(
            "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc" +
              "49ca9cccf179b645991664b39d77ef317c71b845b1e30bd509112041d3a19783",
          ),
        ),
      ),
    );
  });

  it("hashes in pieces, once", () => {
    const message = crypto.random(1000);
    const hash = crypto.sha256().update(message.subarray(0, 1)).update(message.subarray(1));
    deepEqual(hash.digest(), crypto.sha256().update(message).digest());
    throws(() => hash.digest(), "INVALID_STATE");
    throws(() => hash.update(message), "INVALID_STATE");
  });

  it("takes empty keys, salts and messages", () => {
    const empty = secret(none);
    deepEqual(crypto.hmac(empty, none), crypto.hmac(secret(new Uint8Array(1)), none));
    deepEqual(trace(empty), trace(secret(none)));
    ok(!equal(trace(empty), trace(secret(new Uint8Array(1)))));
    strictEqual(crypto.deriveBytes(empty, new Uint8Array(32), none, 8160).byteLength, 8160);
    deepEqual(crypto.deriveBytes(empty, new Uint8Array(32), none, 32), trace(empty));
    deepEqual(trace(crypto.pbkdf2(empty, none, 2, 20)), trace(crypto.pbkdf2(secret(new Uint8Array(1)), none, 2, 20)));
  });

  it("makes different random bytes, as many as wanted", () => {
    strictEqual(crypto.random(0).byteLength, 0);
    strictEqual(crypto.random(65_536).byteLength, 65_536);
    ok(!equal(crypto.random(16), crypto.random(16)));
    for (const length of [-1, 65_537, 1.5, NaN]) throws(() => crypto.random(length), "CRYPTO_INVALID");
  });
});

describe("Crypto: keys", () => {
  it("refuses closed keys, keys of another type, and keys of another host", () => {
    const key = secret(new Uint8Array(16));
    strictEqual(key.type, "secret");
    throws(() => crypto.sign(key, new Uint8Array(1)), "CRYPTO_INVALID");
    throws(() => crypto.hmac(crypto.generateKey(), new Uint8Array(1)), "CRYPTO_INVALID");
    throws(() => crypto.hmac({ type: "secret", close: () => undefined }, new Uint8Array(1)), "INVALID_ARGUMENT");
    key.close();
    key.close();
    throws(() => crypto.hmac(key, new Uint8Array(1)), "INVALID_STATE");
    const pair = crypto.generateKey();
    pair.close();
    for (const use of [
      () => crypto.sign(pair, new Uint8Array(1)),
      () => crypto.exportPrivateKey(pair),
      () => crypto.publicKey(pair),
      () => crypto.agree(pair, pair),
    ])
      throws(use, "INVALID_STATE");
  });

  it("keeps a derived key when the one it came from is closed", () => {
    const source = secret(filled(32, 1));
    const derived = crypto.deriveKey(source, none, none, 16);
    const before = trace(derived);
    source.close();
    deepEqual(trace(derived), before);
  });

  it("imports PKCS#8 and SEC 1, exports PKCS#8, and does not change what it is given", () => {
    const key = crypto.generateKey();
    const pkcs8 = crypto.exportPrivateKey(key);
    const copy = pkcs8.slice();
    const again = crypto.importKey("private", pkcs8);
    deepEqual(pkcs8, copy);
    deepEqual(crypto.publicKey(again), crypto.publicKey(key));
    deepEqual(crypto.exportPrivateKey(again), pkcs8);
    // The ECPrivateKey of RFC 5915 lies in the last octet string of PKCS#8; a SEC 1 file has the curve, too.
    const at = pkcs8.findIndex((byte, index) => byte === 0x30 && index > 20);
    const scalar = pkcs8.slice(at + 7, at + 39);
    const sec1 = concat(fromHex("30310201010420"), scalar, fromHex("a00a06082a8648ce3d030107"));
    deepEqual(crypto.publicKey(crypto.importKey("private", sec1)), crypto.publicKey(key));
    for (const type of ["private", "public"] as const)
      for (const bytes of [
        none,
        fromHex("30"),
        new Uint8Array(200),
        pkcs8.slice(0, 60),
        concat(pkcs8, fromHex("00")).slice(1),
      ])
        throws(() => crypto.importKey(type, bytes), "CRYPTO_INVALID");
    throws(() => crypto.importKey("public", pkcs8), "CRYPTO_INVALID");
    throws(() => crypto.importKey("private", crypto.publicKey(key)), "CRYPTO_INVALID");
    throws(() => crypto.importKey("other" as "secret", pkcs8), "INVALID_ARGUMENT");
  });

  it("refuses points that are not on the curve, and scalars that are none", () => {
    const spki = crypto.publicKey(crypto.generateKey());
    spki[spki.byteLength - 1]! ^= 1;
    throws(() => crypto.importKey("public", spki), "CRYPTO_INVALID");
    for (const scalar of [new Uint8Array(32), filled(32, 0xff)]) {
      const sec1 = concat(fromHex("30310201010420"), scalar, fromHex("a00a06082a8648ce3d030107"));
      throws(() => crypto.importKey("private", sec1), "CRYPTO_INVALID");
    }
  });

  it("refuses other curves where P-256 is needed", async () => {
    // RFC 6979 appendix A.2.6.
    const scalar = fromHex(
      "6b9d3dad2e1b8c1c05b19875b6659f4de23c3b667bf297ba9aa47740787137d896d5724e4c70a825f872c9ea60d2edf5",
    );
    const sec1 = concat(fromHex("303e0201010430"), scalar, fromHex("a00706052b81040022"));
    const key = crypto.importKey("private", sec1);
    throws(() => crypto.sign(key, new Uint8Array(1)), "CRYPTO_INVALID");
    throws(() => crypto.exportPrivateKey(key), "CRYPTO_INVALID");
    await rejects(crypto.certificateRequest({ key, commonName: "x" }), "CRYPTO_INVALID");
    const spki = crypto.publicKey(key);
    ok(toHex(spki).includes("ec3a4e415b4e19a4568618029f427fa5da9a8bc4ae92e02e06aae5286b300c64"));
    throws(() => crypto.verify(crypto.importKey("public", spki), none, new Uint8Array(64)), "CRYPTO_INVALID");
  });
});

describe("Crypto: authenticated encryption", () => {
  it("refuses lengths that the algorithms do not have", () => {
    const data = new Uint8Array(4);
    const wrong: [AEADAlgorithm, number, number, number][] = [
      ["AES-GCM", 16, 13, 16],
      ["AES-GCM", 16, 0, 16],
      ["AES-GCM", 24, 12, 16],
      ["AES-GCM", 16, 12, 8],
      ["AES-CCM", 16, 6, 16],
      ["AES-CCM", 16, 14, 16],
      ["AES-CCM", 15, 13, 16],
      ["AES-CCM", 16, 13, 4],
      ["AES-CBC" as AEADAlgorithm, 16, 16, 16],
    ];
    for (const [algorithm, keyLength, nonceLength, tagLength] of wrong) {
      const options = { algorithm, key: secret(new Uint8Array(keyLength)), nonce: new Uint8Array(nonceLength), data };
      throws(() => crypto.encrypt(options, tagLength), "CRYPTO_INVALID");
      throws(() => crypto.decrypt(options, new Uint8Array(tagLength)), "CRYPTO_INVALID");
    }
    deepEqual(data, new Uint8Array(4));
    const ccm = { algorithm: "AES-CCM" as const, key: secret(new Uint8Array(16)), nonce: new Uint8Array(13) };
    throws(() => crypto.encrypt({ ...ccm, data: new Uint8Array(65_536) }), "CRYPTO_INVALID");
    const long = new Uint8Array(65_535);
    crypto.decrypt({ ...ccm, data: long }, crypto.encrypt({ ...ccm, data: long }));
    ok(equal(long, new Uint8Array(65_535)));
    const key = secret(new Uint8Array(32));
    for (const length of [0, -1, 8161, 1.5, NaN]) {
      throws(() => crypto.deriveBytes(key, none, none, length), "CRYPTO_INVALID");
      throws(() => crypto.deriveKey(key, none, none, length), "CRYPTO_INVALID");
      throws(() => crypto.pbkdf2(key, none, 1, length), "CRYPTO_INVALID");
    }
    throws(() => crypto.pbkdf2(key, none, 0, 16), "CRYPTO_INVALID");
    throws(() => crypto.deriveBytes(key, none, new Uint8Array(1025), 16), "CRYPTO_INVALID");
  });

  it("encrypts in place, without touching what lies around, and zeroes what it cannot verify", () => {
    for (const algorithm of ["AES-GCM", "AES-CCM"] as const) {
      const buffer = filled(20, 7);
      const data = buffer.subarray(4, 16);
      const key = secret(new Uint8Array(32));
      const options = { algorithm, key, nonce: new Uint8Array(12), additionalData: fromHex("0102"), data };
      const tag = crypto.encrypt(options);
      strictEqual(tag.byteLength, 16);
      deepEqual(concat(buffer.slice(0, 4), buffer.slice(16)), filled(8, 7));
      const ciphertext = data.slice();
      ok(!equal(ciphertext, filled(12, 7)));
      crypto.decrypt(options, tag);
      deepEqual(buffer, filled(20, 7));
      for (const spoil of ["tag", "data", "additionalData", "nonce"] as const) {
        data.set(ciphertext);
        const bad = { ...options, nonce: options.nonce.slice(), additionalData: options.additionalData.slice() };
        const badTag = tag.slice();
        (spoil === "tag" ? badTag : bad[spoil])[0]! ^= 1;
        throws(() => crypto.decrypt(bad, badTag), "CRYPTO_AUTHENTICATION_FAILED");
        deepEqual(data, new Uint8Array(12), `${algorithm} ${spoil}`);
        deepEqual(concat(buffer.slice(0, 4), buffer.slice(16)), filled(8, 7));
      }
    }
  });

  it("authenticates additional data alone, and tells none from some", () => {
    for (const algorithm of ["AES-GCM", "AES-CCM"] as const) {
      const base = { algorithm, key: secret(filled(16, 3)), nonce: new Uint8Array(12), data: none };
      const tag = crypto.encrypt({ ...base, additionalData: filled(300, 1) });
      crypto.decrypt({ ...base, additionalData: filled(300, 1) }, tag);
      throws(() => crypto.decrypt(base, tag), "CRYPTO_AUTHENTICATION_FAILED");
      deepEqual(crypto.encrypt(base), crypto.encrypt({ ...base, additionalData: none }));
    }
  });

  it("encrypts as OSCORE and COSE do: AES-CCM with a tag of 8 bytes (RFC 3610, packet vector 1)", () => {
    const data = fromHex("08090a0b0c0d0e0f101112131415161718191a1b1c1d1e");
    const options = {
      algorithm: "AES-CCM" as const,
      key: secret(fromHex("c0c1c2c3c4c5c6c7c8c9cacbcccdcecf")),
      nonce: fromHex("00000003020100a0a1a2a3a4a5"),
      additionalData: fromHex("0001020304050607"),
      data,
    };
    strictEqual(toHex(crypto.encrypt(options, 8)), "17e8d12cfdf926e0");
    strictEqual(toHex(data), "588c979a61c663d2f066d0c2c0f989806d5f6b61dac384");
    crypto.decrypt(options, fromHex("17e8d12cfdf926e0"));
    strictEqual(toHex(data), "08090a0b0c0d0e0f101112131415161718191a1b1c1d1e");
  });
});

describe("Crypto: signatures and agreement", () => {
  it("agrees on one secret from both sides, that only a derivation shows", () => {
    const [a, b] = [crypto.generateKey(), crypto.generateKey()];
    const [pa, pb] = [a, b].map((key) => crypto.importKey("public", crypto.publicKey(key)));
    deepEqual(trace(crypto.agree(a, pb!)), trace(crypto.agree(b, pa!)));
    ok(!equal(trace(crypto.agree(a, pa!)), trace(crypto.agree(b, pa!))));
    throws(() => crypto.agree(a, b), "CRYPTO_INVALID");
  });

  it("signs what it verifies, and verifies nothing else", () => {
    const key = crypto.generateKey();
    const peer = crypto.importKey("public", crypto.publicKey(key));
    const message = fromHex("010203");
    const signature = crypto.sign(key, message);
    strictEqual(signature.byteLength, 64);
    strictEqual(crypto.verify(peer, message, signature), true);
    strictEqual(crypto.verify(peer, fromHex("010204"), signature), false);
    const bad = [none, new Uint8Array(64), signature.slice(1), new Uint8Array(65), filled(64, 255)];
    for (let i = 0; i < 64; i += 9) {
      const flipped = signature.slice();
      flipped[i]! ^= 1;
      bad.push(flipped);
    }
    for (const other of bad) strictEqual(crypto.verify(peer, message, other), false);
    const other = crypto.importKey("public", crypto.publicKey(crypto.generateKey()));
    strictEqual(crypto.verify(other, message, signature), false);
  });

  it("refuses to make requests for names that no certificate can have, and with closed keys", async () => {
    const key = crypto.generateKey();
    ok((await crypto.certificateRequest({ key, commonName: "device-7", dnsNames: ["a.example"] })).byteLength > 200);
    ok((await crypto.certificateRequest({ key, commonName: "ä".repeat(64) })).byteLength > 300);
    for (const commonName of ["", "x".repeat(65)])
      await rejects(crypto.certificateRequest({ key, commonName }), "CRYPTO_INVALID");
    for (const name of ["a b", "", "ä", "a\nb", "x".repeat(254)])
      await rejects(crypto.certificateRequest({ key, commonName: "x", dnsNames: [name] }), "CRYPTO_INVALID");
    key.close();
    await rejects(crypto.certificateRequest({ key, commonName: "x" }), "INVALID_STATE");
  });
});
