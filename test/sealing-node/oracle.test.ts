/**
 * COSE libraries that are not ours: they open what we make, and we open what they make. cose-js and cosette know Partial IV as RFC 9052 has it. (What cosette does
 * with Encrypt0 is cose-js written in TypeScript: it is tested for those who use it, and is no second opinion. That is python.test.ts.)
 */
import assert from "node:assert/strict";
import { createPrivateKey, createPublicKey, randomBytes } from "node:crypto";
import { Encrypt0, Mac0, Sign1 } from "@auth0/cose";
import cose from "cose-js";
import * as cosette from "cosette";
import { createCrypto } from "../../hosts/node/crypto/crypto.js";
import { fromHex, toUTF8 } from "../../src/bytes.js";
import { encodeCBOR, type CBORMap } from "../../src/cbor/index.js";
import {
  CONTENT_ALGORITHM,
  createMac0,
  createSign1,
  decodeEncrypted,
  decodeMac0,
  decodeSign1,
  decryptCOSE,
  ES256,
  HEADER,
  MAC_ALGORITHM,
  verifyMac0,
  verifySign1,
  type ContentAlgorithmName,
} from "../../src/cose/index.js";
import {
  externalData,
  oscoreInfo,
  readEnvelope,
  Sealing,
  type SealingOpenOptions,
  type SealingOptions,
} from "../../src/sealing/index.js";
import { MemoryStorage } from "../support/memory-storage.js";

const crypto = createCrypto();
const topic = "dev/telemetry";
const master = new Uint8Array(32).fill(3);
const lengths = [0, 1, 23, 24, 255, 256, 5000];

/** Libraries that know Partial IV. */
const libraries = { "cose-js": cose.encrypt, cosette: cosette.encrypt as typeof cose.encrypt };

function sealing(name: string, options: SealingOptions = {}, more: Partial<SealingOpenOptions> = {}): Sealing {
  const made = new Sealing(options);
  const secrets = new Map([[1, crypto.importKey("secret", master)]]);
  made.open({ crypto, secrets, clientIdentifier: name, ...more });
  return made;
}

/** What a message carries of its ID Context. */
const idContexts: Record<string, () => Partial<SealingOpenOptions>> = {
  "a random ID Context": () => ({}),
  "the epoch for an ID Context": () => ({ secretIsNew: true, storage: new MemoryStorage() }),
  "no ID Context": () => ({
    secretIsNew: true,
    storage: new MemoryStorage(),
    secrets: new Map([[0, crypto.importKey("secret", master)]]),
  }),
};

/** Key and Context IV of a message, derived as docs/sealing.md tells those who open it in another language. */
function keysOf(message: Uint8Array, name: ContentAlgorithmName): { key: Buffer; contextIV: Buffer; aad: Buffer } {
  const algorithm = CONTENT_ALGORITHM[name];
  const { sender, idContext } = readEnvelope(message, algorithm);
  const secret = crypto.importKey("secret", master);
  const derive = (type: string, byteLength: number): Buffer => {
    const info = oscoreInfo(sender, idContext, algorithm.id, type, byteLength);
    return Buffer.from(crypto.deriveBytes(secret, new Uint8Array(0), info, byteLength));
  };
  return {
    key: derive("Key", algorithm.keyLength),
    contextIV: derive("IV", algorithm.nonceLength),
    aad: Buffer.from(externalData("message", sender, topic)),
  };
}

/** A Buffer and an array of bytes with the same content are the same. */
function same(actual: Uint8Array, expected: Uint8Array): void {
  assert.equal(Buffer.from(actual).toString("hex"), Buffer.from(expected).toString("hex"));
}

/** With the tag of its kind before it, which some libraries want to see. */
function tagged(tag: number, message: Uint8Array): Uint8Array {
  return Uint8Array.of(0xc0 | tag, ...message);
}

for (const [library, theirs] of Object.entries(libraries))
  describe(`${library} opens sealed payloads`, () => {
    for (const algorithm of Object.keys(CONTENT_ALGORITHM) as ContentAlgorithmName[])
      for (const fullIV of [false, true])
        for (const [title, more] of Object.entries(idContexts))
          it(`${algorithm}, with ${fullIV ? "the whole IV" : "a Partial IV"} and ${title}`, async () => {
            const device = sealing("device", { algorithm, fullIV }, more());
            for (const byteLength of lengths) {
              const payload = randomBytes(byteLength);
              const message = Buffer.from(device.seal(topic, payload));
              const { key, contextIV, aad } = keysOf(message, algorithm);
              const options = { externalAAD: aad, contextIv: contextIV, defaultType: theirs.Encrypt0Tag };
              same(await theirs.read(message, key, options), payload);
              await assert.rejects(theirs.read(message, key, { ...options, externalAAD: Buffer.from("x") }));
              const changed = Buffer.from(message);
              changed[changed.byteLength - 1 - (byteLength % 20)]! ^= 4;
              await assert.rejects(theirs.read(changed, key, options));
              if (!fullIV)
                await assert.rejects(theirs.read(message, key, { ...options, contextIv: Buffer.alloc(13, 7) }));
            }
          });
  });

describe("@auth0/cose opens sealed payloads", () => {
  for (const algorithm of ["A128GCM", "A256GCM"] as const)
    it(`${algorithm}, with the whole IV: it knows no Partial IV as RFC 9052 has it`, async () => {
      const device = sealing("device", { algorithm, fullIV: true });
      for (const byteLength of lengths) {
        const payload = new Uint8Array(randomBytes(byteLength));
        const message = device.seal(topic, payload);
        const { key, aad } = keysOf(message, algorithm);
        const opened = await Encrypt0.decode(tagged(16, message)).decrypt(key, { externalAAD: aad });
        same(new Uint8Array(opened), payload);
        await assert.rejects(Encrypt0.decode(tagged(16, message)).decrypt(key, { externalAAD: randomBytes(3) }));
      }
    });
});

describe("We open what other COSE libraries encrypt", () => {
  for (const [library, theirs] of Object.entries(libraries))
    for (const name of Object.keys(CONTENT_ALGORITHM) as ContentAlgorithmName[])
      it(`${library}, ${name}, IV and Partial IV`, async () => {
        const { keyLength, nonceLength } = CONTENT_ALGORITHM[name];
        const key = randomBytes(keyLength);
        const aad = randomBytes(7);
        const contextIV = randomBytes(nonceLength);
        for (const contextIv of [undefined, contextIV])
          for (const byteLength of lengths) {
            // They cannot make an empty one with AES-CCM.
            if (byteLength === 0 && name.includes("CCM")) continue;
            const payload = randomBytes(byteLength);
            const message = await theirs.create(
              { p: { alg: name }, u: { kid: "them" } },
              payload,
              { key },
              { externalAAD: aad, ...(contextIv && { contextIv }) },
            );
            const open = (externalData: Uint8Array, bytes: Uint8Array = message): Uint8Array =>
              decryptCOSE(decodeEncrypted(bytes), {
                crypto,
                key: crypto.importKey("secret", key),
                contextIV,
                externalData,
              });
            same(open(aad), payload);
            assert.throws(() => open(randomBytes(6)), { code: "CRYPTO_AUTHENTICATION_FAILED" });
            const changed = Buffer.from(message);
            changed[changed.byteLength - 1]! ^= 1;
            assert.throws(() => open(aad, changed), { code: "CRYPTO_AUTHENTICATION_FAILED" });
          }
      });

  it("@auth0/cose, AES-GCM, tagged and not", async () => {
    for (const [alg, keyLength] of [
      [1, 16],
      [3, 32],
    ] as const) {
      const key = randomBytes(keyLength);
      const payload = toUTF8("This is the content.");
      const made = await Encrypt0.encrypt([[1, alg]], undefined, payload, key, fromHex("0102"));
      const externalData = fromHex("0102");
      for (const tag of [true, false]) {
        // Their encoder writes lengths of maps in two bytes, which is not deterministic CBOR.
        const { protectedHeaders, unprotectedHeaders, ciphertext } = made;
        const object = [
          encodeCBOR(protectedHeaders as CBORMap),
          unprotectedHeaders as CBORMap,
          new Uint8Array(ciphertext),
        ];
        const message = tag ? tagged(16, encodeCBOR(object)) : encodeCBOR(object);
        const secret = crypto.importKey("secret", key);
        same(decryptCOSE(decodeEncrypted(message), { crypto, key: secret, externalData }), payload);
      }
    }
  });
});

describe("Signatures and tags agree with other COSE libraries", () => {
  const payload = toUTF8("This is the content.");
  const external = fromHex("0a0b");

  it("COSE_Sign1: cose-js and @auth0/cose verify ours", async () => {
    const key = crypto.generateKey();
    const publicKey = createPublicKey({ key: Buffer.from(crypto.publicKey(key)), format: "der", type: "spki" });
    const { x, y } = publicKey.export({ format: "jwk" });
    const made = createSign1(crypto, payload, {
      key,
      protected: new Map([[HEADER.algorithm, ES256]]),
      unprotected: new Map([[HEADER.keyIdentifier, toUTF8("us")]]),
      externalData: external,
      tagged: true,
    });
    const verifier = {
      key: { x: Buffer.from(x!, "base64url"), y: Buffer.from(y!, "base64url") },
      externalAAD: Buffer.from(external),
    };
    same(new Uint8Array(await cose.sign.verify(Buffer.from(made), verifier)), payload);
    const theirs = Sign1.decode(made);
    await theirs.verify(publicKey, { externalAAD: external });
    await assert.rejects(theirs.verify(publicKey, { externalAAD: fromHex("00") }));
  });

  it("COSE_Sign1: we verify theirs", async () => {
    const key = crypto.generateKey();
    const pub = crypto.importKey("public", crypto.publicKey(key));
    const pkcs8 = crypto.exportPrivateKey(key);
    const privateKey = createPrivateKey({ key: Buffer.from(pkcs8), format: "der", type: "pkcs8" });
    const d = Buffer.from(privateKey.export({ format: "jwk" }).d!, "base64url");
    const content = Buffer.from(payload);
    const first = await cose.sign.create({ p: { alg: "ES256" }, u: { kid: "11" } }, content, { key: { d } });
    same(verifySign1(crypto, decodeSign1(first), { key: pub }), payload);
    const second = await Sign1.sign([[1, ES256]], undefined, payload, privateKey);
    const [protectedBytes, , , signature] = second.getContentForEncoding() as Uint8Array[];
    const object = encodeCBOR([new Uint8Array(protectedBytes!), new Map(), payload, new Uint8Array(signature!)]);
    same(verifySign1(crypto, decodeSign1(object), { key: pub }), payload);
  });

  for (const [name, id] of Object.entries(MAC_ALGORITHM))
    it(`COSE_Mac0, ${name}: both ways`, async () => {
      const bytes = randomBytes(32);
      const key = crypto.importKey("secret", bytes);
      const made = createMac0(crypto, payload, {
        key,
        protected: new Map([[HEADER.algorithm, id]]),
        unprotected: new Map(),
        externalData: external,
        tagged: true,
      });
      same(new Uint8Array(await cose.mac.read(Buffer.from(made), bytes, Buffer.from(external))), payload);
      const alg = id === 5 ? "SHA-256" : "SHA-256_64";
      const theirs = await cose.mac.create({ p: { alg } }, Buffer.from(payload), { key: bytes }, Buffer.from(external));
      same(verifyMac0(crypto, decodeMac0(theirs), { key, externalData: external }), payload);
      if (id !== 5) return;
      const other = Mac0.decode(made);
      await other.verify(bytes, { externalAAD: external });
      await assert.rejects(other.verify(randomBytes(32), { externalAAD: external }));
    });
});
