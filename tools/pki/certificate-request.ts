/** Reads certificate signing requests (PKCS#10, RFC 2986). */
import * as fs from "node:fs";
import type { webcrypto } from "node:crypto";
import { type CommandFailure, reasonOf, usageFailure } from "../failure.js";
import { importPublicKey } from "./keys.js";
import { fromPEM } from "./pem.js";
import { x509 } from "./x509.js";

export interface CertificateRequest {
  readonly commonName: string;
  /** DNS names and IP addresses. */
  readonly names: readonly string[];
  readonly publicKey: webcrypto.CryptoKey;
  /** SubjectPublicKeyInfo DER. */
  readonly spki: Uint8Array;
}

/** Larger ones are not read. */
const longestRequest = 64 * 1024;

/** @param file PEM or DER. @throws CommandFailure with exit code 2 */
export async function readCertificateRequest(file: string): Promise<CertificateRequest> {
  let bytes: Buffer;
  try {
    if (fs.statSync(file).size > longestRequest) throw new RangeError("it is too large for a request");
    bytes = fs.readFileSync(file);
  } catch (error) {
    throw usageFailure(`Cannot read the certificate request ${file}: ${reasonOf(error)}.`);
  }
  const pem = bytes.toString("latin1").replaceAll("NEW CERTIFICATE REQUEST", "CERTIFICATE REQUEST");
  const [der = new Uint8Array(bytes)] = fromPEM("CERTIFICATE REQUEST", pem);
  return parseCertificateRequest(der, file);
}

/**
 * Checks that whoever made the request holds the key.
 * @param source names it in errors
 * @throws CommandFailure with exit code 2
 */
export async function parseCertificateRequest(der: Uint8Array, source: string): Promise<CertificateRequest> {
  const unusable = (why: string): CommandFailure => usageFailure(`The certificate request ${source} ${why}.`);
  let request: InstanceType<typeof x509.Pkcs10CertificateRequest>;
  let spki: Uint8Array;
  let commonName: string | undefined;
  let names: string[];
  try {
    request = new x509.Pkcs10CertificateRequest(Buffer.from(der));
    spki = new Uint8Array(request.publicKey.rawData);
    [commonName] = request.subjectName.getField("CN");
    const alternative = request.extensions.find(
      (extension) => extension instanceof x509.SubjectAlternativeNameExtension,
    );
    names = (alternative?.names.items ?? [])
      .filter(({ type }) => type === "dns" || type === "ip")
      .map(({ value }) => value);
  } catch {
    throw unusable("cannot be read");
  }
  let publicKey: webcrypto.CryptoKey;
  try {
    publicKey = await importPublicKey(spki);
  } catch {
    throw unusable("is for a key that is neither on P-256 nor of RSA with at least 2048 bits");
  }
  if (!(await request.verify().catch(() => false))) throw unusable("is not signed with its own key");
  if (commonName === undefined || commonName === "") throw unusable("names nobody: its subject has no common name");
  return { commonName, names, publicKey, spki };
}
