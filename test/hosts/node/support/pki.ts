/** Certificates and revocation lists for tests, the odd and invalid ones included. */
import "reflect-metadata";
import { webcrypto } from "node:crypto";
import * as x509 from "@peculiar/x509";

x509.cryptoProvider.set(webcrypto as never);

const day = 86_400_000;
const p256 = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };

export type KeyPair = webcrypto.CryptoKeyPair;

export interface Issued {
  readonly certificate: x509.X509Certificate;
  readonly der: Uint8Array;
  readonly pem: string;
  readonly keys: KeyPair;
  /** PKCS#8. */
  readonly keyDER: Uint8Array;
  readonly keyPEM: string;
}

export interface IssueOptions {
  readonly name: string;
  /** Self-signed when left out. */
  readonly issuer?: Issued;
  readonly dns?: readonly string[];
  readonly ip?: readonly string[];
  readonly notBefore?: number;
  readonly notAfter?: number;
  readonly ca?: boolean;
  readonly pathLength?: number;
  readonly keyUsage?: x509.KeyUsageFlags;
  readonly extendedKeyUsage?: readonly string[];
  readonly extensions?: readonly x509.Extension[];
  readonly hash?: string;
  readonly keys?: KeyPair;
  readonly serialNumber?: string;
}

export async function generateKeys(algorithm: object = p256): Promise<KeyPair> {
  return webcrypto.subtle.generateKey(algorithm as typeof p256, true, ["sign", "verify"]);
}

function authorityUsage(): x509.KeyUsageFlags {
  return x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign;
}

export async function issue(options: IssueOptions): Promise<Issued> {
  const { name, issuer, dns = [], ip = [], ca = false, pathLength, extendedKeyUsage } = options;
  const keys = options.keys ?? (await generateKeys());
  const signingKeys = issuer?.keys ?? keys;
  const now = Date.now();
  const names = [
    ...dns.map((value) => ({ type: "dns" as const, value })),
    ...ip.map((value) => ({ type: "ip" as const, value })),
  ];
  const keyUsage = options.keyUsage ?? (ca ? authorityUsage() : x509.KeyUsageFlags.digitalSignature);
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber:
      options.serialNumber ?? Buffer.from(webcrypto.getRandomValues(new Uint8Array(8)).fill(1, 0, 1)).toString("hex"),
    subject: `CN=${name}`,
    issuer: issuer?.certificate.subject ?? `CN=${name}`,
    notBefore: new Date(options.notBefore ?? now - day),
    notAfter: new Date(options.notAfter ?? now + 30 * day),
    publicKey: keys.publicKey,
    signingKey: signingKeys.privateKey,
    signingAlgorithm: { ...(signingKeys.privateKey.algorithm as typeof p256), hash: options.hash ?? "SHA-256" },
    extensions: [
      new x509.BasicConstraintsExtension(ca, pathLength, true),
      new x509.KeyUsagesExtension(keyUsage, true),
      ...(extendedKeyUsage ? [new x509.ExtendedKeyUsageExtension([...extendedKeyUsage], false)] : []),
      ...(names.length > 0 ? [new x509.SubjectAlternativeNameExtension(names)] : []),
      ...(options.extensions ?? []),
    ],
  });
  const keyDER = new Uint8Array(await webcrypto.subtle.exportKey("pkcs8", keys.privateKey));
  return {
    certificate,
    der: new Uint8Array(certificate.rawData),
    pem: certificate.toString("pem"),
    keys,
    keyDER,
    keyPEM: x509.PemConverter.encode(keyDER, "PRIVATE KEY"),
  };
}

export interface ListOptions {
  readonly revoked?: readonly Issued[];
  /** `null`: none. */
  readonly nextUpdate?: number | null;
  readonly thisUpdate?: number;
  /** Signs in place of the issuer. */
  readonly signer?: Issued;
  readonly extensions?: readonly x509.Extension[];
  readonly reason?: x509.X509CrlReason;
}

/** A revocation list, DER. */
export async function revocationList(issuer: Issued, options: ListOptions = {}): Promise<Uint8Array> {
  const now = Date.now();
  const { nextUpdate = now + 7 * day, reason } = options;
  const list = await x509.X509CrlGenerator.create({
    issuer: issuer.certificate.subject,
    thisUpdate: new Date(options.thisUpdate ?? now - day),
    ...(nextUpdate !== null && { nextUpdate: new Date(nextUpdate) }),
    entries: (options.revoked ?? []).map(({ certificate }) => ({
      serialNumber: certificate.serialNumber,
      revocationDate: new Date(now - day),
      ...(reason !== undefined && { reason }),
    })),
    extensions: [new x509.Extension("2.5.29.20", false, Uint8Array.of(2, 1, 1)), ...(options.extensions ?? [])],
    signingAlgorithm: p256,
    signingKey: (options.signer ?? issuer).keys.privateKey,
  });
  return new Uint8Array(list.rawData);
}
