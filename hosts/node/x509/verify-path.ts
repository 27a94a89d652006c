/**
 * Verification of a server's certificate (RFC 5280 section 6), because `node:tls` cannot follow the contract: it cannot be given
 * a time, reports only the last of several errors, and wants a revocation list of every authority.
 *
 * OpenSSL verifies the chain too, and what it refuses stays refused; only its word on dates is replaced by ours. Where it
 * complained of a date it may hide another complaint, so everything is checked here as if it had not looked at all.
 *
 * OpenSSL does not try every path: of two certificates of one cross-signed authority it takes the first that was sent. A
 * server that sends them in the other order is refused, as it is by other clients.
 *
 * A trust anchor may be any authority, a root or an intermediate one; a server's own self-signed certificate counts as its
 * own authority when it is a trust anchor.
 */
import { isIP } from "node:net";
import type { ErrorCode } from "../../../src/errors.js";
import { SealwireError } from "../../../src/errors.js";
import type { RevocationMode, TimeInterval } from "../../../src/platform.js";
import { toHex } from "../../../src/bytes.js";
import { type Certificate, keyUsage, oids, same } from "./certificate.js";
import { isStrongKey, signatureStrength } from "./signature-algorithms.js";
import { type RevocationList, whyUnusable } from "./revocation-list.js";

/** Longest path, leaf and anchor included. */
const maximumPathLength = 8;
/** Signatures that are verified at most while looking for paths: a hostile server chooses what it sends. */
const maximumSignatures = 32;

/** Critical extensions that OpenSSL processes and this file does not: name constraints and the policy family. */
const checkedByOpenSSL = ["2.5.29.30", "2.5.29.32", "2.5.29.33", "2.5.29.36", "2.5.29.54"];
const checkedHere: readonly string[] = [
  oids.basicConstraints,
  oids.keyUsage,
  oids.extendedKeyUsage,
  oids.subjectAlternativeName,
];

/** From the worst to the mildest: when several apply, the first is reported. */
const priority: readonly ErrorCode[] = [
  "TLS_CERTIFICATE_UNTRUSTED",
  "TLS_CERTIFICATE_UNSUITABLE",
  "TLS_CERTIFICATE_EXPIRED",
  "TLS_CERTIFICATE_NOT_YET_VALID",
  "TLS_CERTIFICATE_NAME_MISMATCH",
  "TLS_CERTIFICATE_REVOKED",
  "TLS_REVOCATION_UNKNOWN",
];

export interface VerificationPolicy {
  readonly trustAnchors: readonly Certificate[];
  readonly revocationLists: readonly RevocationList[];
  readonly revocation: RevocationMode;
  readonly serverName: string;
  readonly time: TimeInterval;
}

export interface Verified {
  readonly chainNotAfter: number;
  readonly chainNotBefore: number;
  readonly revocationNextUpdate: number | undefined;
}

/**
 * Verifies what a server presented.
 * @param presented the certificates in the order they were sent, the server's own first
 * @param complaint OpenSSL's own verdict, such as `CERT_HAS_EXPIRED`, or `undefined`
 * @throws SealwireError with the code of the worst problem of the best path
 */
export function verifyServer(
  presented: readonly Certificate[],
  complaint: string | undefined,
  policy: VerificationPolicy,
): Verified {
  const [leaf, ...others] = presented;
  if (leaf === undefined) throw new SealwireError("TLS_CERTIFICATE_UNTRUSTED", "The server sent no certificate.");
  const aboutDates = complaint !== undefined && dateComplaints.includes(complaint);
  const best = findPaths(leaf, others, policy.trustAnchors)
    .map((path) => new PathCheck(path, policy, !aboutDates))
    .sort((a, b) => b.rank - a.rank)[0];
  if (best === undefined) throw untrusted(leaf, others);
  if (best.problem !== undefined) throw best.problem;
  if (complaint !== undefined && !aboutDates) throw fromComplaint(complaint);
  return best;
}

const dateComplaints = ["CERT_HAS_EXPIRED", "CERT_NOT_YET_VALID"];
const unsuitableComplaints = [
  "INVALID_CA",
  "INVALID_PURPOSE",
  "PATH_LENGTH_EXCEEDED",
  "CERT_REJECTED",
  "CERT_UNTRUSTED",
  // What node has no name for: violated name constraints and policies, weak signatures.
  "UNSPECIFIED",
];

function fromComplaint(complaint: string): SealwireError {
  return new SealwireError(
    unsuitableComplaints.includes(complaint) ? "TLS_CERTIFICATE_UNSUITABLE" : "TLS_CERTIFICATE_UNTRUSTED",
    `OpenSSL refuses the server's certificate (${complaint}).`,
  );
}

function untrusted(leaf: Certificate, others: readonly Certificate[]): SealwireError {
  const selfSigned = same(leaf.subject, leaf.issuer);
  const what = selfSigned
    ? "is self-signed and not among the trust anchors"
    : others.length === 0
      ? "is not signed by a trust anchor, and the server sent no intermediate certificate"
      : "does not lead to a trust anchor";
  return new SealwireError("TLS_CERTIFICATE_UNTRUSTED", `The server's certificate ${what}.`);
}

/** Every path by name and signature from the leaf to an anchor; the number of signatures verified is bounded. */
function findPaths(
  leaf: Certificate,
  others: readonly Certificate[],
  anchors: readonly Certificate[],
): Certificate[][] {
  const paths: Certificate[][] = [];
  let signatures = 0;
  const isIssuedBy = (certificate: Certificate, issuer: Certificate): boolean => {
    if (!same(certificate.issuer, issuer.subject) && !certificate.x509.checkIssued(issuer.x509)) return false;
    if (signatures++ >= maximumSignatures) return false;
    return isVerified(certificate, issuer);
  };
  const extend = (path: Certificate[]): void => {
    const last = path.at(-1)!;
    for (const anchor of anchors) if (isIssuedBy(last, anchor)) paths.push([...path, anchor]);
    if (path.length >= maximumPathLength - 1) return;
    for (const other of others)
      if (!path.some((certificate) => same(certificate.der, other.der)) && isIssuedBy(last, other))
        extend([...path, other]);
  };
  extend([leaf]);
  return paths;
}

function isVerified(certificate: Certificate, issuer: Certificate): boolean {
  try {
    return certificate.x509.verify(issuer.key);
  } catch {
    return false; // The key is of another kind than the signature.
  }
}

/** The examination of one path. */
class PathCheck implements Verified {
  readonly chainNotAfter: number;
  readonly chainNotBefore: number;
  readonly problem: SealwireError | undefined;
  /** Higher is better. */
  readonly rank: number;
  revocationNextUpdate: number | undefined;
  readonly #path: readonly Certificate[];
  readonly #policy: VerificationPolicy;
  readonly #problems: SealwireError[] = [];

  constructor(path: readonly Certificate[], policy: VerificationPolicy, openSSLSpokeOfAll: boolean) {
    this.#path = path;
    this.#policy = policy;
    this.chainNotBefore = Math.max(...path.map((certificate) => certificate.notBefore));
    this.chainNotAfter = Math.min(...path.map((certificate) => certificate.notAfter));
    this.#checkUse(openSSLSpokeOfAll);
    this.#checkDates();
    this.#checkName();
    this.#checkRevocation();
    const rank = (error: SealwireError): number => priority.indexOf(error.code);
    this.problem = this.#problems.sort((a, b) => rank(a) - rank(b))[0];
    this.rank = this.problem === undefined ? priority.length : rank(this.problem);
  }

  #report(code: ErrorCode, message: string): void {
    this.#problems.push(new SealwireError(code, message));
  }

  #checkUse(openSSLSpokeOfAll: boolean): void {
    const [leaf, ...issuers] = this.#path;
    const unsuitable = (what: string): void => this.#report("TLS_CERTIFICATE_UNSUITABLE", what);
    this.#path.forEach((certificate, index) => {
      const who = this.#who(index);
      const isAnchor = index === this.#path.length - 1;
      if (!isAnchor && signatureStrength(certificate.signatureAlgorithm) === undefined)
        unsuitable(`${who} is signed with an algorithm that is weak or not known.`);
      if (!isStrongKey(certificate.key)) unsuitable(`${who} has a key that is too weak.`);
      if (certificate.extendedKeyUsage !== undefined && !certificate.extendedKeyUsage.includes(oids.serverAuth))
        unsuitable(`${who} is not meant for servers (extended key usage).`);
      const known = openSSLSpokeOfAll ? [...checkedHere, ...checkedByOpenSSL] : checkedHere;
      const unknown = certificate.critical.find((id) => !known.includes(id));
      if (unknown !== undefined) unsuitable(`${who} has a critical extension that is not supported (${unknown}).`);
    });
    if (!allows(leaf!, keyUsage.digitalSignature))
      unsuitable("The server's certificate must not be used for signatures.");
    issuers.forEach((issuer, index) => {
      const who = this.#who(index + 1);
      // A server's own certificate that is a trust anchor vouches for itself; it need not be an authority.
      if (same(issuer.der, leaf!.der)) return;
      // Only version 3 can say that it is an authority; an old root says it by being an anchor.
      const isAuthority = issuer.isCA || (issuer.version < 3 && index === issuers.length - 1);
      if (!isAuthority) unsuitable(`${who} is not one of an authority.`);
      if (!allows(issuer, keyUsage.keyCertSign)) unsuitable(`${who} must not be used to sign certificates.`);
      // Self-issued intermediates do not count (RFC 5280 section 4.2.1.9).
      const below = issuers.slice(0, index).filter((other) => !same(other.subject, other.issuer)).length;
      if (issuer.pathLength !== undefined && below > issuer.pathLength)
        unsuitable(`${who} does not allow a path this long.`);
    });
  }

  #checkDates(): void {
    const { earliest, latest } = this.#policy.time;
    this.#path.forEach((certificate, index) => {
      const who = this.#who(index);
      if (certificate.notAfter < earliest)
        this.#report("TLS_CERTIFICATE_EXPIRED", `${who} expired on ${day(certificate.notAfter)}.`);
      if (latest !== undefined && certificate.notBefore > latest)
        this.#report(
          "TLS_CERTIFICATE_NOT_YET_VALID",
          `${who} is valid from ${day(certificate.notBefore)}; the device's clock says ${day(latest)}.`,
        );
    });
  }

  #checkName(): void {
    const { serverName } = this.#policy;
    const { x509, dnsNames, ipAddresses } = this.#path[0]!;
    // "never": a name in the common name does not count (RFC 6125 section 6.4.4, RFC 9525 section 2).
    const matches = isIP(serverName)
      ? x509.checkIP(serverName)
      : dnsNames.length > 0 && x509.checkHost(serverName, { subject: "never", partialWildcards: false });
    if (matches) return;
    const names = [...dnsNames, ...ipAddresses].slice(0, 5).map(printable).join(", ");
    this.#report(
      "TLS_CERTIFICATE_NAME_MISMATCH",
      `The server's certificate is not for ${serverName}; it is for ${names || "no name at all"}.`,
    );
  }

  #checkRevocation(): void {
    const { revocation, revocationLists, time } = this.#policy;
    if (revocation === "off") return;
    const last = this.#path.length - 1;
    for (let index = 0; index < (revocation === "leaf" ? 1 : last); index++) {
      const issuer = this.#path[index + 1]!;
      const reasons = revocationLists.map((list) => ({ list, reason: whyUnusable(list, issuer, time) }));
      const usable = reasons.filter(({ reason }) => reason === undefined).map(({ list }) => list);
      const who = this.#who(index);
      if (usable.length === 0) {
        const reason = reasons.find((entry) => same(entry.list.issuer, issuer.subject))?.reason;
        this.#report(
          "TLS_REVOCATION_UNKNOWN",
          reason === undefined
            ? `${who} cannot be checked: there is no revocation list of the authority that signed it.`
            : `${who} cannot be checked: the revocation list ${reason}.`,
        );
      } else if (usable.some((list) => list.revoked.has(toHex(this.#path[index]!.serialNumber))))
        this.#report("TLS_CERTIFICATE_REVOKED", `${who} is revoked.`);
      for (const { nextUpdate } of usable)
        this.revocationNextUpdate = Math.min(nextUpdate!, this.revocationNextUpdate ?? Infinity);
    }
  }

  #who(index: number): string {
    if (index === 0) return "The server's certificate";
    return `The certificate of the authority ${printable(this.#path[index]!.commonName ?? "without a name")}`;
  }
}

function allows(certificate: Certificate, bit: number): boolean {
  return certificate.keyUsage === undefined || (certificate.keyUsage & bit) !== 0;
}

function day(milliseconds: number): string {
  return new Date(milliseconds).toISOString().slice(0, 10);
}

/** A name that a stranger chose, fit for a log: short, and without control characters. */
function printable(text: string): string {
  return text.slice(0, 64).replace(/[^\x20-\x7e]/g, "?");
}
