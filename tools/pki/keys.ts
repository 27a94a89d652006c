/** P-256 key pairs as the X.509 library wants them, and their DER. */
import { createPrivateKey, createPublicKey, webcrypto } from "node:crypto";

/** A P-256 private key and its public key. */
export interface KeyPair {
  readonly privateKey: webcrypto.CryptoKey;
  readonly publicKey: webcrypto.CryptoKey;
}

const curve = { name: "ECDSA", namedCurve: "P-256" } as const;

/** Every signature of this PKI: ECDSA with SHA-256 (RFC 5758 section 3.2). */
export const signingAlgorithm = { name: "ECDSA", hash: "SHA-256" } as const;

export function generateKeys(): Promise<KeyPair> {
  return webcrypto.subtle.generateKey(curve, true, ["sign", "verify"]);
}

/** @returns PKCS#8 DER (RFC 5958) */
export async function exportPrivateKey(keys: KeyPair): Promise<Uint8Array> {
  return new Uint8Array(await webcrypto.subtle.exportKey("pkcs8", keys.privateKey));
}

/** @returns SubjectPublicKeyInfo DER */
export async function exportPublicKey(keys: KeyPair): Promise<Uint8Array> {
  return new Uint8Array(await webcrypto.subtle.exportKey("spki", keys.publicKey));
}

/**
 * Imports a P-256 private key.
 * @param pkcs8 PKCS#8 DER
 * @throws when the bytes are not a P-256 private key
 */
export async function importKeys(pkcs8: Uint8Array): Promise<KeyPair> {
  const key = createPrivateKey({ key: Buffer.from(pkcs8), format: "der", type: "pkcs8" });
  const spki = createPublicKey(key).export({ format: "der", type: "spki" });
  return {
    privateKey: await webcrypto.subtle.importKey("pkcs8", pkcs8, curve, true, ["sign"]),
    publicKey: await webcrypto.subtle.importKey("spki", spki, curve, true, ["verify"]),
  };
}
