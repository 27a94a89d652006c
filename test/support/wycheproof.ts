/** Runs the published test vectors of Project Wycheproof against the cryptography of a host. */
import { equal, fromHex, toHex } from "../../src/bytes.js";
import type { AEADAlgorithm, Crypto, Key } from "../../src/platform.js";

type Fields = Readonly<Record<string, unknown>>;

/** A file of vectors, as JSON has it. */
export interface VectorFile {
  readonly testGroups: readonly (Fields & { readonly tests: readonly Fields[] })[];
}

export interface VectorResult {
  /** `tcId` of those that the contract has no parameters for (a nonce of 8 bits, AES-192). */
  readonly skipped: number[];
  /** Accepted: valid, or `acceptable`. */
  readonly accepted: number[];
  readonly refused: number[];
  /** What came out otherwise than the file says, in words. */
  readonly faults: string[];
}

/** `undefined`: not for us; false or an exception: refused. */
type Check = (crypto: Crypto, group: Fields, test: Fields) => boolean | undefined;

const bytes = (fields: Fields, name: string): Uint8Array => fromHex(fields[name] as string);
const secret = (crypto: Crypto, value: Uint8Array): Key => crypto.importKey("secret", value);

/** More iterations take a minute on a slow machine and test nothing else. */
const maximumIterations = 20_000;

function aead(algorithm: AEADAlgorithm): Check {
  return (crypto, group, test) => {
    const [nonceBits, tagBits, keyBits] = [Number(group["ivSize"]), Number(group["tagSize"]), Number(group["keySize"])];
    const fits = algorithm === "AES-GCM" ? nonceBits === 96 : nonceBits >= 56 && nonceBits <= 104;
    if (!fits || keyBits === 192 || !(tagBits === 128 || (tagBits === 64 && algorithm === "AES-CCM"))) return undefined;
    const key = secret(crypto, bytes(test, "key"));
    const data = bytes(test, "ct");
    const options = { algorithm, key, nonce: bytes(test, "iv"), additionalData: bytes(test, "aad"), data };
    const tag = bytes(test, "tag");
    crypto.decrypt(options, tag);
    if (toHex(data) !== test["msg"]) return false;
    return equal(crypto.encrypt(options, tagBits / 8), tag) && toHex(data) === test["ct"];
  };
}

/** For each file the contract's functions that it tests. */
export const vectorFiles: Readonly<Record<string, Check>> = {
  "aes_gcm_test.json": aead("AES-GCM"),
  "aes_ccm_test.json": aead("AES-CCM"),
  "hmac_sha256_test.json": (crypto, group, test) => {
    if (Number(group["tagSize"]) !== 256) return undefined;
    return equal(crypto.hmac(secret(crypto, bytes(test, "key")), bytes(test, "msg")), bytes(test, "tag"));
  },
  "hkdf_sha256_test.json": (crypto, _, test) => {
    const key = secret(crypto, bytes(test, "ikm"));
    const okm = crypto.deriveBytes(key, bytes(test, "salt"), bytes(test, "info"), Number(test["size"]));
    return equal(okm, bytes(test, "okm"));
  },
  "pbkdf2_hmacsha256_test.json": (crypto, _, test) => {
    const iterations = Number(test["iterationCount"]);
    if (iterations > maximumIterations) return undefined;
    const password = secret(crypto, bytes(test, "password"));
    const derived = crypto.pbkdf2(password, bytes(test, "salt"), iterations, Number(test["dkLen"]));
    const [one, other] = [derived, secret(crypto, bytes(test, "dk"))].map((key) => crypto.hmac(key, new Uint8Array(1)));
    return equal(one!, other!);
  },
  "ecdsa_secp256r1_sha256_p1363_test.json": (crypto, group, test) => {
    const key = crypto.importKey("public", bytes(group, "publicKeyDer"));
    return crypto.verify(key, bytes(test, "msg"), bytes(test, "sig"));
  },
};

export function runVectors(crypto: Crypto, name: string, file: VectorFile): VectorResult {
  const result: VectorResult = { skipped: [], accepted: [], refused: [], faults: [] };
  const check = vectorFiles[name]!;
  for (const group of file.testGroups)
    for (const test of group.tests) {
      const id = Number(test["tcId"]);
      let outcome: boolean | undefined;
      let reason = "";
      try {
        outcome = check(crypto, group, test);
      } catch (error) {
        outcome = false;
        reason = String(error);
      }
      (outcome === undefined ? result.skipped : outcome ? result.accepted : result.refused).push(id);
      const expected = test["result"];
      if (outcome !== undefined && expected !== "acceptable" && outcome !== (expected === "valid"))
        result.faults.push(`tcId ${id} is ${String(expected)}, but was ${outcome ? "accepted" : "refused"}. ${reason}`);
    }
  return result;
}
