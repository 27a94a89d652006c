/** Issues certificates (RFC 5280): functions of their arguments and the random serial number alone, no files. */
import { randomBytes } from "node:crypto";
import { isIP } from "node:net";
import { SealwireError } from "../../src/index.js";
import { isRSA, type KeyPair, signingAlgorithmOf } from "./keys.js";
import { x509 } from "./x509.js";

/** A certification authority that can sign. */
export interface Authority {
  /** DER. */
  readonly certificate: Uint8Array;
  readonly keys: KeyPair;
}

/** From when until when a certificate is valid. X.509 counts whole seconds. */
export interface Validity {
  readonly notBefore: Date;
  readonly notAfter: Date;
}

/** What is asked of a certificate, whoever signs it. */
export interface CertificateOptions {
  readonly commonName: string;
  readonly validity: Validity;
}

export type PublicKey = KeyPair["publicKey"];
type Use = "serverAuth" | "clientAuth";

/** 16 random bytes, positive: more than the 64 bits that public authorities must have, fewer than the 20 bytes allowed. */
function serialNumber(): string {
  const bytes = randomBytes(16);
  bytes[0] = (bytes[0]! & 0x7f) | 0x40;
  return bytes.toString("hex");
}

/** A subject or issuer with nothing but a common name; given as structure, so that no character of it needs escaping. */
function name(commonName: string): InstanceType<typeof x509.Name> {
  if (commonName === "" || Array.from(commonName).length > 64)
    throw new SealwireError("INVALID_ARGUMENT", "A common name must have 1 to 64 characters (RFC 5280 appendix A).");
  return new x509.Name([{ CN: [{ utf8String: commonName }] }]);
}

function alternativeNames(names: readonly string[]): InstanceType<typeof x509.SubjectAlternativeNameExtension> {
  return new x509.SubjectAlternativeNameExtension(
    names.map((value) => ({ type: isIP(value) === 0 ? "dns" : "ip", value })),
  );
}

async function issue(
  options: CertificateOptions,
  publicKey: PublicKey,
  issuer: Authority,
  extensions: InstanceType<typeof x509.Extension>[],
): Promise<Uint8Array> {
  const { name: issuerName, identifier } = await signerOf(issuer);
  const issued = await x509.X509CertificateGenerator.create({
    serialNumber: serialNumber(),
    subject: name(options.commonName),
    issuer: issuerName,
    ...options.validity,
    publicKey,
    signingKey: issuer.keys.privateKey,
    signingAlgorithm: signingAlgorithmOf(issuer.keys.privateKey),
    extensions: [...extensions, await x509.SubjectKeyIdentifierExtension.create(publicKey), identifier],
  });
  return new Uint8Array(issued.rawData);
}

/** What every certificate takes from the one that signs it. */
interface Signer {
  readonly name: InstanceType<typeof x509.Name>;
  readonly identifier: InstanceType<typeof x509.Extension>;
}

/** Read once: a fleet has ten thousand devices and one authority. */
const signers = new WeakMap<Authority, Promise<Signer>>();

function signerOf(issuer: Authority): Promise<Signer> {
  let signer = signers.get(issuer);
  if (signer === undefined) signers.set(issuer, (signer = readSigner(issuer)));
  return signer;
}

async function readSigner({ certificate, keys }: Authority): Promise<Signer> {
  return {
    name: new x509.X509Certificate(Buffer.from(certificate)).subjectName,
    identifier: await x509.AuthorityKeyIdentifierExtension.create(keys.publicKey),
  };
}

/** Only certificates and revocation lists are signed with it. */
function authorityUsage(): InstanceType<typeof x509.Extension> {
  return new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true);
}

/** A self-signed certificate of a root: it may sign other authorities. @returns DER */
export async function issueRoot(options: CertificateOptions, keys: KeyPair): Promise<Uint8Array> {
  const subject = name(options.commonName);
  const issued = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serialNumber(),
    name: subject,
    ...options.validity,
    keys,
    signingAlgorithm: signingAlgorithmOf(keys.privateKey),
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      authorityUsage(),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return new Uint8Array(issued.rawData);
}

/** A certificate of an authority that may sign end entities, not other authorities. @returns DER */
export function issueAuthority(
  options: CertificateOptions,
  publicKey: PublicKey,
  issuer: Authority,
): Promise<Uint8Array> {
  return issue(options, publicKey, issuer, [new x509.BasicConstraintsExtension(true, 0, true), authorityUsage()]);
}

/** An RSA server may also be sent a key that is encrypted to it: TLS 1.2 without ECDHE. */
function endEntityUsage(use: Use, publicKey: PublicKey): InstanceType<typeof x509.Extension> {
  const { digitalSignature, keyEncipherment } = x509.KeyUsageFlags;
  return use === "serverAuth" && isRSA(publicKey)
    ? new x509.KeyUsagesExtension(digitalSignature | keyEncipherment, true)
    : new x509.KeyUsagesExtension(digitalSignature, true);
}

function issueEndEntity(
  use: Use,
  options: CertificateOptions,
  names: readonly string[],
  publicKey: PublicKey,
  issuer: Authority,
): Promise<Uint8Array> {
  return issue(options, publicKey, issuer, [
    new x509.BasicConstraintsExtension(false, undefined, true),
    endEntityUsage(use, publicKey),
    new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage[use]]),
    alternativeNames(names),
  ]);
}

/**
 * A certificate of a server.
 * @param names DNS names and IP addresses that clients may connect to
 * @returns DER
 */
export function issueServer(
  options: CertificateOptions & { readonly names: readonly string[] },
  publicKey: PublicKey,
  issuer: Authority,
): Promise<Uint8Array> {
  return issueEndEntity("serverAuth", options, options.names, publicKey, issuer);
}

/** A certificate of a device: its common name and its alternative name are its client identifier. @returns DER */
export function issueDevice(
  options: { readonly clientIdentifier: string; readonly validity: Validity },
  publicKey: PublicKey,
  issuer: Authority,
): Promise<Uint8Array> {
  const { clientIdentifier, validity } = options;
  return issueEndEntity(
    "clientAuth",
    { commonName: clientIdentifier, validity },
    [clientIdentifier],
    publicKey,
    issuer,
  );
}
