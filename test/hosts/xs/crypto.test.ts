/** The cryptography of the XS host against that of the Node host: published vectors, and whatever one makes the other must read. */
import "reflect-metadata";
import assert from "node:assert/strict";
import { createPrivateKey, createPublicKey, generateKeyPairSync } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as x509 from "@peculiar/x509";
import { createCrypto } from "../../../hosts/node/crypto/crypto.js";
import { fromHex, toHex } from "../../../src/bytes.js";
import type { Key } from "../../../src/platform.js";
import { root } from "../../../tools/xs/paths.js";
import { runOnXS } from "../../../tools/xs/run.js";
import { generateKeys, issue } from "../node/support/pki.js";
import { runVectors, vectorFiles, type VectorFile, type VectorResult } from "../../support/wycheproof.js";
import { temporaryFolder } from "../../tools/support/temporary-folder.js";
import { hostIsBuilt } from "./support.js";
import { tlsBuilds } from "./tls-builds.js";

const crypto = createCrypto();
const vectors = process.env["SEALWIRE_VECTORS"];
const firmware = (name: string): string => join(root, "dist", "test", "xs", "firmware", `${name}.js`);

/** As the firmware of the same name has them. */
type Question = Readonly<Record<string, unknown>> & { readonly ask: string };

interface Answer {
  readonly answer?: unknown;
  readonly error?: string;
}

const rsa2048 = {
  name: "RSASSA-PKCS1-v1_5",
  modulusLength: 2048,
  publicExponent: Uint8Array.of(1, 0, 1),
  hash: "SHA-256",
};

for (const { name, variant } of tlsBuilds)
  describe(`The cryptography of the XS host, ${name}`, function () {
    this.timeout(120_000);
    const folder = temporaryFolder();
    before(hostIsBuilt(variant));

    async function run(module: string, parameters: string[]): Promise<string[]> {
      const environment = { ...process.env, SEALWIRE_DEVICE: folder.join("device") };
      const { exitCode, output, errors } = await runOnXS(firmware(module), parameters, { variant, environment });
      assert.equal(exitCode, 0, output + errors);
      return output.trim().split("\n");
    }

    async function ask(questions: readonly Question[]): Promise<Answer[]> {
      const path = folder.join("questions.json");
      writeFileSync(path, JSON.stringify(questions));
      const answers = (await run("crypto", [path])).map((line) => JSON.parse(line) as Answer);
      assert.equal(answers.length, questions.length);
      return answers;
    }

    it("agrees with the Node host on every vector of Wycheproof, and both with the file", async function () {
      if (vectors === undefined || !existsSync(vectors)) {
        assert.notEqual(process.env["SEALWIRE_NO_SKIP"], "1", "SEALWIRE_VECTORS names no folder of test vectors");
        this.skip();
      }
      const paths = Object.keys(vectorFiles).map((name) => join(vectors, "wycheproof", name));
      const results = (await run("wycheproof", paths)).map(
        (line) => JSON.parse(line) as VectorResult & { name: string },
      );
      assert.deepEqual(
        results.map(({ name }) => name),
        Object.keys(vectorFiles),
      );
      for (const { name, ...result } of results) {
        const path = join(vectors, "wycheproof", name);
        const expected = runVectors(crypto, name, JSON.parse(readFileSync(path, "utf8")) as VectorFile);
        assert.deepEqual(expected.faults, [], `${name} on Node`);
        assert.deepEqual(result, expected, name);
        assert.ok(result.accepted.length > 30, `${name}: only ${result.accepted.length} vectors were accepted`);
      }
    });

    it("reads certificates as the Node host does", async () => {
      const certificates = await Promise.all([
        issue({
          name: "device-7",
          dns: ["a.example", "b.example"],
          ip: ["192.0.2.1", "2001:db8::1"],
          serialNumber: "00a1b2",
        }),
        issue({ name: "é", notBefore: Date.UTC(1999, 11, 31, 23, 59, 59), notAfter: Date.UTC(2050, 1, 29) }),
        issue({
          name: "x",
          ip: [
            "::",
            "::1",
            "1::",
            "fe80::1:0:0:1",
            "1:2:3:4:5:6:7:8",
            "::ffff:c000:201",
            "::c000:201",
            "::2",
            "1:0:2:0:0:3:0:0",
          ],
        }),
        issue({ name: "ca", ca: true, keys: await generateKeys(rsa2048), hash: "SHA-256" }),
      ]);
      const answers = await ask(certificates.map(({ der }) => ({ ask: "certificate", der: toHex(der) })));
      for (const [i, { der }] of certificates.entries()) {
        const { serialNumber, publicKey, ...info } = crypto.certificate(der);
        const expected = { ...info, serialNumber: toHex(serialNumber), publicKey: toHex(publicKey) };
        assert.deepEqual(answers[i], { answer: JSON.parse(JSON.stringify(expected)) as unknown });
      }
    });

    it("throws nothing but CRYPTO_INVALID at certificates that are cut short or have a byte changed", async () => {
      const { der } = await issue({ name: "x", dns: ["x"], ip: ["192.0.2.1"] });
      const questions: Question[] = [];
      for (let position = 0; position < der.byteLength; position++) {
        questions.push({ ask: "certificate", der: toHex(der.subarray(0, position)) });
        for (const mask of [0x01, 0x80, 0xff]) {
          const changed = der.slice();
          changed[position]! ^= mask;
          questions.push({ ask: "certificate", der: toHex(changed) });
        }
      }
      const answers = await ask(questions);
      assert.deepEqual([...new Set(answers.map(({ error }) => error))].sort(), ["CRYPTO_INVALID", undefined]);
      for (const [i, { error }] of answers.entries())
        if (i % 4 === 0) assert.equal(error, "CRYPTO_INVALID", `${i / 4} bytes were accepted`);
    });

    it("signs what the Node host verifies, and the other way round", async () => {
      const key = crypto.generateKey();
      const data = crypto.random(100);
      const questions = [
        { ask: "sign", key: toHex(crypto.exportPrivateKey(key)), data: toHex(data) },
        {
          ask: "verify",
          key: toHex(crypto.publicKey(key)),
          data: toHex(data),
          signature: toHex(crypto.sign(key, data)),
        },
        { ask: "verify", key: toHex(crypto.publicKey(key)), data: "00", signature: toHex(crypto.sign(key, data)) },
      ];
      const [signature, right, wrong] = await ask(questions);
      const peer = crypto.importKey("public", crypto.publicKey(key));
      assert.ok(crypto.verify(peer, data, fromHex(signature!.answer as string)));
      assert.deepEqual([right, wrong], [{ answer: true }, { answer: false }]);
    });

    it("makes certificate signing requests that others accept, with awkward names", async () => {
      const key = crypto.generateKey();
      const names: [string, string[]][] = [
        ['a,b="c"+d\\é', ["device.example"]],
        ["#04", []],
        ["\u{1f512}".repeat(32), Array.from({ length: 6 }, (_, i) => `${"x".repeat(240)}${i}`)],
        ["y", ["a", "b", "c", "d"]],
      ];
      const answers = await ask(
        names.map(([commonName, dnsNames]) => ({
          ask: "request",
          key: toHex(crypto.exportPrivateKey(key)),
          commonName,
          dnsNames,
        })),
      );
      for (const [i, [commonName, dnsNames]] of names.entries()) {
        const request = new x509.Pkcs10CertificateRequest(fromHex(answers[i]!.answer as string).slice().buffer);
        assert.equal(await request.verify(), true, commonName);
        assert.deepEqual(request.subjectName.toJSON(), [{ CN: [commonName] }]);
        assert.deepEqual(new Uint8Array(request.publicKey.rawData), crypto.publicKey(key));
        const found = request.getExtension("2.5.29.17") as x509.SubjectAlternativeNameExtension | null;
        assert.deepEqual(found?.names.toJSON().map(({ value }) => value) ?? [], dnsNames);
      }
    });

    it("fails as out of memory under any cap on native memory, and leaves nothing behind", async () => {
      const lines = await run("memory-cap", []);
      assert.equal(lines.length, 9, lines.join("\n"));
      for (const line of lines) assert.match(line, /^\w+ \d+$/);
    });

    it("takes the keys that tools make: RSA and EC, PKCS#8, PKCS#1 and SEC 1, and refuses what is none", async () => {
      const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey;
      const p256 = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
      const p384 = generateKeyPairSync("ec", { namedCurve: "P-384" }).privateKey;
      const forms = [
        rsa.export({ type: "pkcs8", format: "der" }),
        rsa.export({ type: "pkcs1", format: "der" }),
        p256.export({ type: "pkcs8", format: "der" }),
        p256.export({ type: "sec1", format: "der" }),
        p384.export({ type: "sec1", format: "der" }),
      ];
      const answers = await ask(forms.map((der) => ({ ask: "publicKey", der: toHex(der) })));
      for (const [i, key] of [rsa, rsa, p256, p256, p384].entries()) {
        const expected = createPublicKey(createPrivateKey(key.export({ type: "pkcs8", format: "pem" })));
        assert.deepEqual(answers[i], { answer: expected.export({ type: "spki", format: "der" }).toString("hex") });
      }
      const refused = [...forms, ...forms.map((der) => der.subarray(0, -1)), Buffer.from("AES key"), Buffer.alloc(0)];
      const types: Key["type"][] = ["public", "private"];
      const questions = types.flatMap((type) => refused.map((der) => ({ ask: "import", type, der: toHex(der) })));
      for (const [i, { error }] of (await ask(questions)).entries())
        if (questions[i]!.type === "public" || i % refused.length >= forms.length)
          assert.equal(error, "CRYPTO_INVALID", JSON.stringify(questions[i]));
    });
  });
