/** Which signature algorithms of certificates and revocation lists are strong enough. */
import type { KeyObject } from "node:crypto";
import type { SignatureAlgorithm } from "./certificate.js";
import { oid, parse, tagged } from "./asn1.js";

/** The hash, as `crypto.verify` names it; `undefined` where the algorithm has its own. */
interface Strength {
  readonly hash: string | undefined;
  readonly isPSS: boolean;
}

const hashes = new Map([
  ["1.2.840.10045.4.3.2", "sha256"], // ecdsa-with-SHA256, -384, -512
  ["1.2.840.10045.4.3.3", "sha384"],
  ["1.2.840.10045.4.3.4", "sha512"],
  ["1.2.840.113549.1.1.11", "sha256"], // sha256WithRSAEncryption, 384, 512
  ["1.2.840.113549.1.1.12", "sha384"],
  ["1.2.840.113549.1.1.13", "sha512"],
]);
const edwards = ["1.3.101.112", "1.3.101.113"];
const pss = "1.2.840.113549.1.1.10";
const pssHashes = new Map([
  ["2.16.840.1.101.3.4.2.1", "sha256"],
  ["2.16.840.1.101.3.4.2.2", "sha384"],
  ["2.16.840.1.101.3.4.2.3", "sha512"],
]);

/** @returns how to verify, or `undefined` for an algorithm that is weak (SHA-1, MD5) or not known */
export function signatureStrength({ id, parameters }: SignatureAlgorithm): Strength | undefined {
  if (edwards.includes(id)) return { hash: undefined, isPSS: false };
  if (id === pss) {
    // RSASSA-PSS without parameters means SHA-1 (RFC 4055 section 3.1).
    const hash = parameters && tagged(parse(parameters).children, 0)?.children[0]?.children[0];
    const name = hash && pssHashes.get(oid(hash));
    return name === undefined ? undefined : { hash: name, isPSS: true };
  }
  const hash = hashes.get(id);
  return hash === undefined ? undefined : { hash, isPSS: false };
}

const curves = ["prime256v1", "secp384r1", "secp521r1"];

/** Whether a public key is at least as strong as P-256 or RSA of 2,048 bits. */
export function isStrongKey(key: KeyObject): boolean {
  const { modulusLength, namedCurve } = key.asymmetricKeyDetails ?? {};
  switch (key.asymmetricKeyType) {
    case "rsa":
    case "rsa-pss":
      return (modulusLength ?? 0) >= 2048;
    case "ec":
      return curves.includes(namedCurve ?? "");
    case "ed25519":
    case "ed448":
      return true;
    default:
      return false;
  }
}
