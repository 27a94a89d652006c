/** Certificates (RFC 5280 section 4) as the verification and the provisioning read them. */
import { type KeyObject, X509Certificate } from "node:crypto";
import { SocketAddress } from "node:net";
import type { CertificateInfo } from "../../../src/platform.js";
import { SealwireError } from "../../../src/errors.js";
import { toBytes } from "../../../src/bytes.js";
import {
  bits,
  boolean,
  type Element,
  extensions,
  latin1,
  MalformedError,
  oid,
  parse,
  small,
  tagged,
  tags,
  text,
  time,
  universal,
  unsigned,
} from "./asn1.js";

/** Key usage bits (RFC 5280 section 4.2.1.3), first octet. */
export const keyUsage = { digitalSignature: 0x80, keyEncipherment: 0x20, keyCertSign: 0x04, cRLSign: 0x02 };

export const oids = {
  commonName: "2.5.4.3",
  subjectAlternativeName: "2.5.29.17",
  basicConstraints: "2.5.29.19",
  keyUsage: "2.5.29.15",
  extendedKeyUsage: "2.5.29.37",
  serverAuth: "1.3.6.1.5.5.7.3.1",
} as const;

/** How something was signed. */
export interface SignatureAlgorithm {
  readonly id: string;
  /** DER of the parameters, or `undefined`. */
  readonly parameters: Uint8Array | undefined;
}

export interface Certificate extends CertificateInfo {
  readonly der: Uint8Array;
  readonly x509: X509Certificate;
  /** DER of the names. */
  readonly subject: Uint8Array;
  readonly issuer: Uint8Array;
  /** 1, 2 or 3. */
  readonly version: number;
  readonly signatureAlgorithm: SignatureAlgorithm;
  readonly key: KeyObject;
  readonly isCA: boolean;
  readonly pathLength: number | undefined;
  /** First octet of the key usage, or `undefined` when it is not restricted. */
  readonly keyUsage: number | undefined;
  readonly extendedKeyUsage: readonly string[] | undefined;
  /** Every critical extension. */
  readonly critical: readonly string[];
}

/**
 * Reads a certificate. What OpenSSL has to say of it, and of its key, shows when `x509` and `key` are asked for: they throw an Error then.
 * @param opened the same certificate, where OpenSSL has opened it already
 * @throws SealwireError `CRYPTO_INVALID`
 */
export function readCertificate(der: Uint8Array, opened?: X509Certificate): Certificate {
  try {
    return read(toBytes(der).slice(), opened);
  } catch (error) {
    throw new SealwireError("CRYPTO_INVALID", "This is not a certificate that can be read (X.509, DER).", {
      cause: error,
    });
  }
}

/** @throws SealwireError `CRYPTO_INVALID` when OpenSSL does not know what the certificate, or its key, is */
export function requireOpenSSL(certificate: Certificate): void {
  try {
    if (certificate.key.type === "public") return;
  } catch (error) {
    throw new SealwireError("CRYPTO_INVALID", "OpenSSL does not accept this certificate, or its key.", {
      cause: error,
    });
  }
}

function read(der: Uint8Array, opened: X509Certificate | undefined): Certificate {
  const [tbs, outerAlgorithm] = universal(parse(der), tags.sequence).children;
  let fields = universal(tbs, tags.sequence).children;
  const versionField = tagged(fields.slice(0, 1), 0);
  const version = versionField === undefined ? 1 : small(universal(versionField.children[0], tags.integer)) + 1;
  if (versionField !== undefined) fields = fields.slice(1);
  const [serial, algorithm, issuer, validity, subject, publicKey, ...optional] = fields;
  // RFC 5280 section 4.1.1.2: both must be the same, or the signed one could be dressed as another.
  if (!same(universal(algorithm, tags.sequence).raw, universal(outerAlgorithm, tags.sequence).raw))
    throw new MalformedError("the two signature algorithms differ");
  const list = extensions(tagged(optional, 3)?.children[0]);
  const value = (id: string): Element | undefined => {
    const extension = list.find((candidate) => candidate.id === id);
    return extension === undefined ? undefined : parse(extension.value);
  };
  const [notBefore, notAfter] = universal(validity, tags.sequence).children;
  const constraints = value(oids.basicConstraints);
  const usage = value(oids.keyUsage);
  const names = alternativeNames(value(oids.subjectAlternativeName));
  // OpenSSL's own look at it costs more than all of this, and a connection that resumes its session needs none of it.
  let key: KeyObject | undefined;
  return {
    der,
    get x509() {
      return (opened ??= new X509Certificate(der));
    },
    version,
    serialNumber: unsigned(serial),
    signatureAlgorithm: signatureAlgorithm(algorithm),
    issuer: universal(issuer, tags.sequence).raw,
    subject: universal(subject, tags.sequence).raw,
    notBefore: time(notBefore),
    notAfter: time(notAfter),
    publicKey: universal(publicKey, tags.sequence).raw,
    get key() {
      return (key ??= this.x509.publicKey);
    },
    commonName: commonName(universal(subject, tags.sequence)),
    ...names,
    ...basicConstraints(constraints),
    keyUsage: usage === undefined ? undefined : (bits(usage)[0] ?? 0),
    extendedKeyUsage: value(oids.extendedKeyUsage)?.children.map(oid),
    critical: list.filter((extension) => extension.critical).map((extension) => extension.id),
  };
}

/** Reads an AlgorithmIdentifier. */
export function signatureAlgorithm(element: Element | undefined): SignatureAlgorithm {
  const [id, parameters] = universal(element, tags.sequence).children;
  return { id: oid(id), parameters: parameters?.raw };
}

function basicConstraints(element: Element | undefined): Pick<Certificate, "isCA" | "pathLength"> {
  const fields = element === undefined ? [] : universal(element, tags.sequence).children;
  const flag = fields.find((field) => field.tagClass === 1 && field.tagNumber === tags.boolean);
  const length = fields.find((field) => field.tagClass === 1 && field.tagNumber === tags.integer);
  const isCA = flag !== undefined && boolean(flag);
  return { isCA, pathLength: length === undefined ? undefined : small(length) };
}

function alternativeNames(element: Element | undefined): Pick<Certificate, "dnsNames" | "ipAddresses"> {
  const names = element === undefined ? [] : universal(element, tags.sequence).children;
  return {
    dnsNames: names.filter((name) => name.tagClass === 3 && name.tagNumber === 2).map((name) => latin1(name.content)),
    ipAddresses: names
      .filter((name) => name.tagClass === 3 && name.tagNumber === 7)
      .map((name) => ipAddress(name.content)),
  };
}

function ipAddress(bytes: Uint8Array): string {
  if (bytes.byteLength === 4) return bytes.join(".");
  if (bytes.byteLength !== 16) throw new MalformedError("an IP address has 4 or 16 bytes");
  const groups = Buffer.from(bytes).toString("hex").match(/.{4}/g);
  return new SocketAddress({ address: groups!.join(":"), family: "ipv6" }).address;
}

function commonName(subject: Element): string | undefined {
  const attributes = subject.children.flatMap((set) => set.children.map((attribute) => attribute.children));
  // The last one is the most specific (RFC 4514 section 2.1 writes names in reverse).
  const found = attributes.reverse().find(([id]) => oid(id) === oids.commonName);
  return text(found?.[1]);
}

export function same(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}
