/** Test vectors of others: the examples of the COSE working group, and Wycheproof's hostile ones, through the same primitives that sealing uses. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createCrypto } from "../../hosts/node/crypto/crypto.js";
import { fromHex, fromUTF8, toHex } from "../../src/bytes.js";
import { SealwireError } from "../../src/errors.js";
import type { AEADAlgorithm } from "../../src/platform.js";
import {
  decodeEncrypted,
  decryptCOSE,
  encStructure,
  HEADER,
  writeNonce,
  type COSEEncrypted,
} from "../../src/cose/index.js";

const crypto = createCrypto();
const folder = process.env["SEALWIRE_VECTORS"];
const missing = "SEALWIRE_VECTORS does not name the folder of the test vectors";

/** Skips without the vectors, unless everything must be there. */
function requireVectors(context: Mocha.Context, name: string): string {
  const path = folder === undefined ? undefined : join(folder, name);
  if (path !== undefined && existsSync(path)) return path;
  if (process.env["SEALWIRE_NO_SKIP"] === "1") throw new Error(missing);
  console.log(`      ${missing}.`);
  return context.skip();
}

interface Example {
  readonly fail?: boolean;
  readonly input: {
    readonly plaintext: string;
    readonly enveloped?: ExampleMessage;
    readonly encrypted?: ExampleMessage;
    readonly failures?: Record<string, unknown>;
  };
  readonly intermediates: { readonly AAD_hex: string; readonly CEK_hex: string };
  readonly output: { readonly cbor: string };
}

interface ExampleMessage {
  readonly external?: string;
  readonly protected?: Record<string, string>;
  readonly unprotected?: Record<string, string>;
  /** The whole IV, of a message with a Partial IV. */
  readonly unsent?: { readonly IV_hex: string };
}

/** What this part of COSE leaves out on purpose, by the algorithm's name in the examples. */
const unsupported = ["A192GCM", "AES-CCM-64-128/64", "AES-CCM-64-128/128", "AES-CCM-64-256/64", "AES-CCM-64-256/128"];
const unsupportedToo = ["AES-CCM-16-256/64", "AES-CCM-16-256/128"];

/** What the Partial IV is taken away from to give the whole IV. */
function contextIVOf({ unsent }: ExampleMessage, { headers }: COSEEncrypted): Uint8Array | undefined {
  const partialIV = headers.bytes(HEADER.partialIV);
  if (unsent === undefined || partialIV === undefined) return undefined;
  const nonce = fromHex(unsent.IV_hex);
  const contextIV = new Uint8Array(nonce.byteLength);
  writeNonce(contextIV, partialIV, nonce);
  return contextIV;
}

describe("Examples of the COSE working group", () => {
  it("open, or are refused, as they say", function () {
    const path = requireVectors(this, "cose");
    const counts = { opened: 0, refused: 0, unsupported: 0 };
    for (const file of readdirSync(path).filter((name) => name.endsWith(".json"))) {
      const example = JSON.parse(readFileSync(join(path, file), "utf8")) as Example;
      const message = example.input.encrypted ?? example.input.enveloped;
      assert.ok(message, file);
      const algorithm = message.protected?.["alg"] ?? message.unprotected?.["alg"] ?? "";
      const externalData = fromHex(message.external ?? "");
      const open = (): Uint8Array => {
        const object = decodeEncrypted(fromHex(example.output.cbor));
        if (!example.fail) {
          const made = encStructure(object.context, object.headers.protectedBytes, externalData);
          assert.equal(toHex(made).toUpperCase(), example.intermediates.AAD_hex.toUpperCase(), file);
        }
        const key = crypto.importKey("secret", fromHex(example.intermediates.CEK_hex));
        return decryptCOSE(object, { crypto, key, externalData, contextIV: contextIVOf(message, object) });
      };
      if ([...unsupported, ...unsupportedToo].includes(algorithm)) {
        assert.throws(open, (error) => error instanceof SealwireError && error.code === "COSE_UNSUPPORTED", file);
        counts.unsupported++;
      } else if (example.fail) {
        assert.throws(open, SealwireError, file);
        counts.refused++;
      } else {
        assert.equal(fromUTF8(open()), example.input.plaintext, file);
        counts.opened++;
      }
    }
    assert.ok(counts.opened >= 10 && counts.refused >= 8, JSON.stringify(counts));
  });
});

interface Wycheproof<T> {
  readonly testGroups: readonly (T & { readonly tests: readonly (Record<string, string> & { tcId: number })[] })[];
}

function read<T>(context: Mocha.Context, name: string): Wycheproof<T> {
  return JSON.parse(readFileSync(requireVectors(context, join("wycheproof", name)), "utf8")) as Wycheproof<T>;
}

describe("Wycheproof", () => {
  for (const [file, algorithm] of [
    ["aes_gcm_test.json", "AES-GCM"],
    ["aes_ccm_test.json", "AES-CCM"],
  ] as const)
    it(`${algorithm}: what is valid opens and is made again, what is not is refused`, function () {
      interface Group {
        readonly keySize: number;
        readonly ivSize: number;
        readonly tagSize: number;
      }
      let [valid, invalid] = [0, 0];
      for (const { keySize, ivSize, tagSize, tests } of read<Group>(this, file).testGroups) {
        const usable =
          [128, 256].includes(keySize) && (algorithm === "AES-GCM" ? ivSize === 96 : ivSize >= 56 && ivSize <= 104);
        if (!usable || !(tagSize === 128 || (tagSize === 64 && algorithm === "AES-CCM"))) continue;
        for (const test of tests) {
          const options = (
            data: string,
          ): { algorithm: AEADAlgorithm } & Record<"key", ReturnType<typeof crypto.importKey>> &
            Record<"nonce" | "additionalData" | "data", Uint8Array> => ({
            algorithm,
            key: crypto.importKey("secret", fromHex(test["key"]!)),
            nonce: fromHex(test["iv"]!),
            additionalData: fromHex(test["aad"]!),
            data: fromHex(data),
          });
          const opened = options(test["ct"]!);
          const tag = fromHex(test["tag"]!);
          if (test["result"] === "invalid") {
            assert.throws(() => crypto.decrypt(opened, tag), SealwireError, `${test.tcId}`);
            invalid++;
            continue;
          }
          crypto.decrypt(opened, tag);
          assert.equal(toHex(opened.data), test["msg"], `${test.tcId}`);
          const sealed = options(test["msg"]!);
          assert.equal(toHex(crypto.encrypt(sealed, tagSize / 8)), test["tag"], `${test.tcId}`);
          assert.equal(toHex(sealed.data), test["ct"], `${test.tcId}`);
          valid++;
        }
      }
      assert.ok(valid >= 40 && invalid >= 20, `${valid} valid, ${invalid} invalid`);
    });

  it("ECDSA over P-256, r and s", function () {
    interface Group {
      readonly publicKeyDer: string;
    }
    let [valid, invalid] = [0, 0];
    for (const { publicKeyDer, tests } of read<Group>(this, "ecdsa_secp256r1_sha256_p1363_test.json").testGroups) {
      const key = crypto.importKey("public", fromHex(publicKeyDer));
      for (const test of tests) {
        const result = crypto.verify(key, fromHex(test["msg"]!), fromHex(test["sig"]!));
        assert.equal(result, test["result"] === "valid", `${test.tcId}`);
        if (result) valid++;
        else invalid++;
      }
    }
    assert.ok(valid >= 50 && invalid >= 50, `${valid} valid, ${invalid} invalid`);
  });

  it("HKDF-SHA-256", function () {
    let count = 0;
    for (const { tests } of read(this, "hkdf_sha256_test.json").testGroups)
      for (const test of tests) {
        const size = Number(test["size"]);
        const key = crypto.importKey("secret", fromHex(test["ikm"]!));
        const derive = (): Uint8Array => crypto.deriveBytes(key, fromHex(test["salt"]!), fromHex(test["info"]!), size);
        if (test["result"] === "invalid") assert.throws(derive, SealwireError, `${test.tcId}`);
        else assert.equal(toHex(derive()), test["okm"], `${test.tcId}`);
        count++;
      }
    assert.ok(count >= 50, `${count}`);
  });

  it("HMAC-SHA-256", function () {
    interface Group {
      readonly tagSize: number;
    }
    let [valid, invalid] = [0, 0];
    for (const { tagSize, tests } of read<Group>(this, "hmac_sha256_test.json").testGroups)
      for (const test of tests) {
        const tag = crypto.hmac(crypto.importKey("secret", fromHex(test["key"]!)), fromHex(test["msg"]!));
        const same = toHex(tag.subarray(0, tagSize / 8)) === test["tag"];
        assert.equal(same, test["result"] === "valid", `${test.tcId}`);
        if (same) valid++;
        else invalid++;
      }
    assert.ok(valid >= 50 && invalid >= 50, `${valid} valid, ${invalid} invalid`);
  });
});
