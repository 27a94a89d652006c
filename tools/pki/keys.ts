/** Key pairs as the X.509 library wants them, and their DER: P-256, or RSA where a peer knows nothing else. */
import { createPrivateKey, createPublicKey, type KeyObject, webcrypto } from "node:crypto";

/** A private key and its public key. */
export interface KeyPair {
  readonly privateKey: webcrypto.CryptoKey;
  readonly publicKey: webcrypto.CryptoKey;
}

/** What new keys may be. */
export const keyAlgorithms = ["P-256", "RSA-2048"] as const;
export type KeyAlgorithm = (typeof keyAlgorithms)[number];

const curve = { name: "ECDSA", namedCurve: "P-256" } as const;
const rsa = { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" } as const;
const ecdsa = { name: "ECDSA", hash: "SHA-256" } as const;

/** Shorter moduli are refused. */
const shortestRSA = 2048;

/** How a key signs: ECDSA or PKCS #1 v1.5, with SHA-256 (RFC 5758 section 3.2, RFC 4055 section 5). */
export function signingAlgorithmOf(key: webcrypto.CryptoKey): typeof ecdsa | typeof rsa {
  return isRSA(key) ? rsa : ecdsa;
}

export function isRSA(key: webcrypto.CryptoKey): boolean {
  return key.algorithm.name === rsa.name;
}

/** P-256 when left out. */
export function generateKeys(algorithm: KeyAlgorithm = "P-256"): Promise<KeyPair> {
  return algorithm === "P-256"
    ? webcrypto.subtle.generateKey(curve, true, ["sign", "verify"])
    : webcrypto.subtle.generateKey({ ...rsa, modulusLength: 2048, publicExponent: Uint8Array.of(1, 0, 1) }, true, [
        "sign",
        "verify",
      ]);
}

/** @returns PKCS#8 DER (RFC 5958) */
export async function exportPrivateKey(keys: KeyPair): Promise<Uint8Array> {
  return new Uint8Array(await webcrypto.subtle.exportKey("pkcs8", keys.privateKey));
}

/** @returns SubjectPublicKeyInfo DER */
export async function exportPublicKey(keys: Pick<KeyPair, "publicKey">): Promise<Uint8Array> {
  return new Uint8Array(await webcrypto.subtle.exportKey("spki", keys.publicKey));
}

/**
 * Imports a private key.
 * @param pkcs8 PKCS#8 DER
 * @throws when the bytes are not a private key on P-256, or of RSA with at least 2048 bits
 */
export async function importKeys(pkcs8: Uint8Array): Promise<KeyPair> {
  return toKeys(createPrivateKey({ key: Buffer.from(pkcs8), format: "der", type: "pkcs8" }));
}

/** @throws as {@link importKeys} */
export async function toKeys(key: KeyObject): Promise<KeyPair> {
  const { subtle } = webcrypto;
  const algorithm = algorithmOf(key);
  const pkcs8 = key.export({ format: "der", type: "pkcs8" });
  try {
    const spki = createPublicKey(key).export({ format: "der", type: "spki" });
    return {
      privateKey: await subtle.importKey("pkcs8", pkcs8, algorithm, true, ["sign"]),
      publicKey: await subtle.importKey("spki", spki, algorithm, true, ["verify"]),
    };
  } finally {
    pkcs8.fill(0);
  }
}

/**
 * Imports a public key that somebody else brings.
 * @param spki SubjectPublicKeyInfo DER
 * @throws as {@link importKeys}
 */
export function importPublicKey(spki: Uint8Array): Promise<webcrypto.CryptoKey> {
  const algorithm = algorithmOf(createPublicKey({ key: Buffer.from(spki), format: "der", type: "spki" }));
  return webcrypto.subtle.importKey("spki", spki, algorithm, true, ["verify"]);
}

function algorithmOf({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): typeof curve | typeof rsa {
  if (asymmetricKeyType === "ec" && asymmetricKeyDetails?.namedCurve === "prime256v1") return curve;
  if (asymmetricKeyType === "rsa" && (asymmetricKeyDetails?.modulusLength ?? 0) >= shortestRSA) return rsa;
  throw new TypeError(`A key must be on P-256, or of RSA with at least ${shortestRSA} bits.`);
}
