import "reflect-metadata";
import { deepEqual, equal, ok, rejects, throws } from "node:assert/strict";
import { createPublicKey, X509Certificate } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as x509 from "@peculiar/x509";
import { createCrypto } from "../../../hosts/node/crypto/crypto.js";
import { runVectors, vectorFiles, type VectorFile } from "../../support/wycheproof.js";
import { issue } from "./support/pki.js";

const crypto = createCrypto();
const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

// What every host must do is in test/src/crypto.
describe("node host: crypto", () => {
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

describe("node host: crypto against Wycheproof", () => {
  const folder = process.env["SEALWIRE_VECTORS"];
  for (const name of Object.keys(vectorFiles))
    it(name, function () {
      this.timeout(30_000);
      const path = join(folder ?? "", "wycheproof", name);
      if (folder === undefined || !existsSync(path)) this.skip();
      const { accepted, faults } = runVectors(crypto, name, JSON.parse(readFileSync(path, "utf8")) as VectorFile);
      deepEqual(faults, []);
      ok(accepted.length > 30, `only ${accepted.length} vectors were accepted`);
    });
});
