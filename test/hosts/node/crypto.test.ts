import "reflect-metadata";
import { deepEqual, equal, notDeepEqual, ok, rejects, throws } from "node:assert/strict";
import { createHash, createPublicKey, randomBytes, X509Certificate } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as x509 from "@peculiar/x509";
import { createCrypto } from "../../../hosts/node/crypto/crypto.js";
import type { AEADAlgorithm, Key } from "../../../src/platform.js";
import { issue } from "./support/pki.js";

const crypto = createCrypto();
const hex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "hex"));
const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const secret = (bytes: Uint8Array): Key => crypto.importKey("secret", bytes);

describe("node host: crypto", () => {
  it("hashes in pieces", () => {
    const message = randomBytes(1000);
    const hash = crypto.sha256().update(message.subarray(0, 1)).update(message.subarray(1));
    deepEqual(hash.digest(), new Uint8Array(createHash("sha256").update(message).digest()));
    throws(() => hash.digest(), { code: "INVALID_STATE" });
    throws(() => hash.update(message), { code: "INVALID_STATE" });
  });

  it("refuses closed keys, keys of another type, and keys of another host", () => {
    const key = secret(new Uint8Array(16));
    throws(() => crypto.sign(key, new Uint8Array(1)), { code: "CRYPTO_INVALID" });
    throws(() => crypto.hmac(crypto.generateKey(), new Uint8Array(1)), { code: "CRYPTO_INVALID" });
    throws(() => crypto.hmac({ type: "secret", close: () => undefined }, new Uint8Array(1)), {
      code: "INVALID_ARGUMENT",
    });
    key.close();
    key.close();
    throws(() => crypto.hmac(key, new Uint8Array(1)), { code: "INVALID_STATE" });
    const pair = crypto.generateKey();
    pair.close();
    for (const use of [
      () => crypto.sign(pair, new Uint8Array(1)),
      () => crypto.exportPrivateKey(pair),
      () => crypto.publicKey(pair),
      () => crypto.agree(pair, pair),
    ])
      throws(use, { code: "INVALID_STATE" });
  });

  it("refuses lengths that the algorithms do not have", () => {
    const data = new Uint8Array(4);
    const wrong: [AEADAlgorithm, number, number, number | undefined][] = [
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
      throws(() => crypto.encrypt(options, tagLength), { code: "CRYPTO_INVALID" });
      throws(() => crypto.decrypt(options, new Uint8Array(tagLength ?? 16)), { code: "CRYPTO_INVALID" });
    }
    const ccm = { algorithm: "AES-CCM" as const, key: secret(new Uint8Array(16)), nonce: new Uint8Array(13) };
    throws(() => crypto.encrypt({ ...ccm, data: new Uint8Array(65_536) }), { code: "CRYPTO_INVALID" });
    const long = new Uint8Array(65_535);
    crypto.decrypt({ ...ccm, data: long }, crypto.encrypt({ ...ccm, data: long }));
    deepEqual(long, new Uint8Array(65_535));
    const key = secret(new Uint8Array(32));
    const empty = new Uint8Array(0);
    equal(crypto.deriveBytes(key, empty, empty, 8160).byteLength, 8160);
    for (const length of [0, -1, 8161, 1.5, NaN]) {
      throws(() => crypto.deriveBytes(key, empty, empty, length), { code: "CRYPTO_INVALID" });
      throws(() => crypto.deriveKey(key, empty, empty, length), { code: "CRYPTO_INVALID" });
      throws(() => crypto.pbkdf2(key, empty, 1, length), { code: "CRYPTO_INVALID" });
    }
    throws(() => crypto.pbkdf2(key, empty, 0, 16), { code: "CRYPTO_INVALID" });
    throws(() => crypto.random(-1), { code: "CRYPTO_INVALID" });
    equal(crypto.random(0).byteLength, 0);
    notDeepEqual(crypto.random(16), crypto.random(16));
  });

  it("encrypts in place, without touching what lies around, and zeroes what it cannot verify", () => {
    for (const algorithm of ["AES-GCM", "AES-CCM"] as const) {
      const buffer = new Uint8Array(20).fill(7);
      const data = buffer.subarray(4, 16);
      const options = {
        algorithm,
        key: secret(new Uint8Array(32)),
        nonce: new Uint8Array(12),
        additionalData: hex("0102"),
        data,
      };
      const tag = crypto.encrypt(options);
      equal(tag.byteLength, 16);
      deepEqual([...buffer.subarray(0, 4), ...buffer.subarray(16)], Array<number>(8).fill(7));
      const ciphertext = data.slice();
      notDeepEqual(ciphertext, new Uint8Array(12).fill(7));
      crypto.decrypt(options, tag);
      deepEqual(buffer, new Uint8Array(20).fill(7));
      for (const spoil of ["tag", "data", "additionalData", "nonce"] as const) {
        data.set(ciphertext);
        const bad = { ...options, nonce: options.nonce.slice(), additionalData: options.additionalData.slice() };
        const badTag = tag.slice();
        (spoil === "tag" ? badTag : bad[spoil])[0]! ^= 1;
        throws(() => crypto.decrypt(bad, badTag), { code: "CRYPTO_AUTHENTICATION_FAILED" });
        deepEqual(data, new Uint8Array(12), `${algorithm} ${spoil}`);
      }
    }
  });

  it("agrees on one secret from both sides, that only a derivation shows", () => {
    const [a, b] = [crypto.generateKey(), crypto.generateKey()];
    const [pa, pb] = [a, b].map((key) => crypto.importKey("public", crypto.publicKey(key)));
    const show = (key: Key): Uint8Array => crypto.deriveBytes(key, new Uint8Array(0), new Uint8Array(0), 32);
    deepEqual(show(crypto.agree(a, pb!)), show(crypto.agree(b, pa!)));
    notDeepEqual(show(crypto.agree(a, pa!)), show(crypto.agree(b, pa!)));
  });

  it("signs what it verifies, and verifies nothing else", () => {
    const key = crypto.generateKey();
    const peer = crypto.importKey("public", crypto.publicKey(key));
    const message = hex("010203");
    const signature = crypto.sign(key, message);
    equal(signature.byteLength, 64);
    equal(crypto.verify(peer, message, signature), true);
    equal(crypto.verify(peer, hex("010204"), signature), false);
    for (const bad of [
      new Uint8Array(0),
      new Uint8Array(64),
      signature.slice(1),
      new Uint8Array(65),
      new Uint8Array(64).fill(255),
    ])
      equal(crypto.verify(peer, message, bad), false);
    const other = crypto.importKey("public", crypto.publicKey(crypto.generateKey()));
    equal(crypto.verify(other, message, signature), false);
  });

  it("imports PKCS#8 and SEC 1, exports PKCS#8, and does not change what it is given", () => {
    const key = crypto.generateKey();
    const pkcs8 = crypto.exportPrivateKey(key);
    const copy = pkcs8.slice();
    const again = crypto.importKey("private", pkcs8);
    deepEqual(pkcs8, copy);
    deepEqual(crypto.publicKey(again), crypto.publicKey(key));
    // The ECPrivateKey of RFC 5915 lies in the last octet string of PKCS#8.
    const sec1 = pkcs8.slice(pkcs8.findIndex((byte, index) => byte === 0x30 && index > 20));
    const bare = crypto.importKey("private", addCurve(sec1));
    deepEqual(crypto.publicKey(bare), crypto.publicKey(key));
    for (const type of ["private", "public"] as const)
      for (const bytes of [new Uint8Array(0), hex("30"), new Uint8Array(200), pkcs8.slice(0, 60)])
        throws(() => crypto.importKey(type, bytes), { code: "CRYPTO_INVALID" });
    throws(() => crypto.importKey("other" as "secret", pkcs8), { code: "INVALID_ARGUMENT" });
  });

  /** Node's PKCS#8 leaves the curve out of the inner key; a SEC 1 file has it. */
  function addCurve(sec1: Uint8Array): Uint8Array {
    const scalar = sec1.subarray(7, 39);
    const head = hex("303102010104 20".replace(" ", ""));
    return new Uint8Array(Buffer.concat([head, scalar, hex("a00a06082a8648ce3d030107")]));
  }

  it("refuses other curves where P-256 is needed", async () => {
    const { generateKeyPairSync } = await import("node:crypto");
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-384" });
    const key = crypto.importKey("private", privateKey.export({ type: "pkcs8", format: "der" }));
    throws(() => crypto.sign(key, new Uint8Array(1)), { code: "CRYPTO_INVALID" });
    throws(() => crypto.exportPrivateKey(key), { code: "CRYPTO_INVALID" });
    await rejects(crypto.certificateRequest({ key, commonName: "x" }), { code: "CRYPTO_INVALID" });
  });

  it("makes a certificate signing request that others accept, with awkward names", async () => {
    const key = crypto.generateKey();
    const commonName = 'a,b="c"+d\\é';
    const der = await crypto.certificateRequest({ key, commonName, dnsNames: ["device.example"] });
    const request = new x509.Pkcs10CertificateRequest(der.slice().buffer);
    equal(await request.verify(), true);
    deepEqual(request.subjectName.toJSON(), [{ CN: [commonName] }]);
    deepEqual(new Uint8Array(request.publicKey.rawData), crypto.publicKey(key));
    const names = request.getExtension("2.5.29.17") as x509.SubjectAlternativeNameExtension;
    deepEqual(names.names.toJSON(), [{ type: "dns", value: "device.example" }]);
    for (const wrong of ["", "x".repeat(65)])
      await rejects(crypto.certificateRequest({ key, commonName: wrong }), { code: "CRYPTO_INVALID" });
    await rejects(crypto.certificateRequest({ key, commonName: "x", dnsNames: ["a b"] }), { code: "CRYPTO_INVALID" });
    key.close();
    await rejects(crypto.certificateRequest({ key, commonName: "x" }), { code: "INVALID_STATE" });
  });

  it("reads a certificate", async () => {
    const issued = await issue({
      name: "device-7",
      dns: ["a.example", "b.example"],
      ip: ["192.0.2.1", "2001:db8::1"],
      serialNumber: "00a1b2",
    });
    const info = crypto.certificate(issued.der);
    const node = new X509Certificate(issued.der);
    equal(info.commonName, "device-7");
    deepEqual(info.dnsNames, ["a.example", "b.example"]);
    deepEqual(info.ipAddresses, ["192.0.2.1", "2001:db8::1"]);
    equal(toHex(info.serialNumber), "a1b2");
    equal(info.notBefore, Date.parse(node.validFrom));
    equal(info.notAfter, Date.parse(node.validTo));
    deepEqual(
      info.publicKey,
      new Uint8Array(
        createPublicKey(node.publicKey.export({ type: "spki", format: "pem" })).export({ type: "spki", format: "der" }),
      ),
    );
    for (let length = 0; length < issued.der.byteLength; length += 7)
      throws(() => crypto.certificate(issued.der.subarray(0, length)), { code: "CRYPTO_INVALID" });
  });

  it("throws nothing but CRYPTO_INVALID at certificates with any byte changed", async () => {
    const { der } = await issue({ name: "x", dns: ["x"], ip: ["192.0.2.1"] });
    for (let position = 0; position < der.byteLength; position++)
      for (const mask of [0x01, 0x80, 0xff]) {
        const changed = der.slice();
        changed[position]! ^= mask;
        try {
          crypto.certificate(changed);
        } catch (error) {
          equal((error as { code?: string }).code, "CRYPTO_INVALID");
        }
      }
  });
});

interface VectorFile {
  readonly testGroups: readonly (Record<string, never> & { readonly tests: readonly Vector[] })[];
}
interface Vector extends Record<string, never> {
  readonly tcId: never;
}

describe("node host: crypto against Wycheproof", () => {
  const folder = process.env["SEALWIRE_VECTORS"];
  const load = (context: Mocha.Context, name: string): VectorFile => {
    const path = join(folder ?? "", "wycheproof", name);
    if (folder === undefined || !existsSync(path)) context.skip();
    return JSON.parse(readFileSync(path, "utf8")) as VectorFile;
  };
  const each = (
    file: VectorFile,
    check: (group: Record<string, never>, test: Record<string, string>) => boolean,
  ): void => {
    let checked = 0;
    for (const group of file.testGroups)
      for (const test of group.tests) {
        const valid = (test as Record<string, string>)["result"] !== "invalid";
        const label = `tcId ${String(test.tcId)}`;
        try {
          if (check(group, test)) checked++;
          else continue;
        } catch (error) {
          ok(!valid, `${label}: ${String(error)}`);
          checked++;
          continue;
        }
        ok(valid, `${label} was accepted`);
      }
    ok(checked > 30, `only ${checked} vectors were checked`);
  };

  for (const [algorithm, name] of [
    ["AES-GCM", "aes_gcm_test.json"],
    ["AES-CCM", "aes_ccm_test.json"],
  ] as const)
    it(algorithm, function () {
      each(load(this, name), (group, test) => {
        const [nonceBits, tagBits, keyBits] = [
          Number(group["ivSize"]),
          Number(group["tagSize"]),
          Number(group["keySize"]),
        ];
        const fits = algorithm === "AES-GCM" ? nonceBits === 96 : nonceBits >= 56 && nonceBits <= 104;
        if (!fits || keyBits === 192 || !(tagBits === 128 || (tagBits === 64 && algorithm === "AES-CCM"))) return false;
        const key = secret(hex(test["key"]!));
        const base = { algorithm, key, nonce: hex(test["iv"]!), additionalData: hex(test["aad"]!) };
        const data = hex(test["ct"]!);
        crypto.decrypt({ ...base, data }, hex(test["tag"]!));
        equal(toHex(data), test["msg"]);
        const tag = crypto.encrypt({ ...base, data }, tagBits / 8);
        equal(toHex(data), test["ct"]);
        equal(toHex(tag), test["tag"]);
        return true;
      });
    });

  it("HMAC-SHA-256", function () {
    each(load(this, "hmac_sha256_test.json"), (group, test) => {
      if (Number(group["tagSize"]) !== 256) return false;
      if (toHex(crypto.hmac(secret(hex(test["key"]!)), hex(test["msg"]!))) !== test["tag"]) throw new Error("differs");
      return true;
    });
  });

  it("HKDF-SHA-256", function () {
    each(load(this, "hkdf_sha256_test.json"), (_, test) => {
      const okm = crypto.deriveBytes(
        secret(hex(test["ikm"]!)),
        hex(test["salt"]!),
        hex(test["info"]!),
        Number(test["size"]),
      );
      equal(toHex(okm), test["okm"]);
      return true;
    });
  });

  it("PBKDF2-HMAC-SHA-256", function () {
    this.timeout(30_000);
    each(load(this, "pbkdf2_hmacsha256_test.json"), (_, test) => {
      const length = Number(test["dkLen"]);
      const iterations = Number(test["iterationCount"]);
      if (iterations > 100_000) return false;
      const derived = crypto.pbkdf2(secret(hex(test["password"]!)), hex(test["salt"]!), iterations, length);
      const expected = secret(hex(test["dk"]!));
      deepEqual(crypto.hmac(derived, new Uint8Array(1)), crypto.hmac(expected, new Uint8Array(1)));
      return true;
    });
  });

  it("ECDSA over P-256 with SHA-256, r and s", function () {
    each(load(this, "ecdsa_secp256r1_sha256_p1363_test.json"), (group, test) => {
      const key = crypto.importKey("public", hex(group["publicKeyDer"] as unknown as string));
      if (!crypto.verify(key, hex(test["msg"]!), hex(test["sig"]!))) throw new Error("refused");
      return true;
    });
  });
});
