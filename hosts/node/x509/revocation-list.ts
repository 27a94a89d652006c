/** Certificate revocation lists (RFC 5280 section 5). */
import { constants, verify } from "node:crypto";
import { SealwireError } from "../../../src/errors.js";
import { toHex } from "../../../src/bytes.js";
import type { TimeInterval } from "../../../src/platform.js";
import {
  bits,
  type Element,
  extensions,
  isTime,
  MalformedError,
  parse,
  small,
  tagged,
  tags,
  time,
  universal,
  unsigned,
} from "./asn1.js";
import { type Certificate, keyUsage, same, signatureAlgorithm, type SignatureAlgorithm } from "./certificate.js";
import { signatureStrength } from "./signature-algorithms.js";

/** Extensions whose meaning is known here, so that they may be critical. What narrows a list's scope is not among them. */
const knownListExtensions = ["2.5.29.20", "2.5.29.35"]; // cRLNumber, authorityKeyIdentifier
/** deltaCRLIndicator and issuingDistributionPoint: both must be critical; an authority that forgot it still means a part of the whole. */
const narrowingExtensions = ["2.5.29.27", "2.5.29.28"];
const reasonCode = "2.5.29.21";
const knownEntryExtensions = [reasonCode, "2.5.29.24", "2.5.29.23"]; // and invalidityDate, holdInstructionCode
const removeFromCRL = 8;

/** A list that was parsed; nothing is verified yet. */
export interface RevocationList {
  /** DER of the issuer's name. */
  readonly issuer: Uint8Array;
  readonly thisUpdate: number;
  readonly nextUpdate: number | undefined;
  /** Serial numbers in hexadecimal. */
  readonly revoked: ReadonlySet<string>;
  /** Whether it is a delta or a part of the whole, or has another critical extension that is not known here. */
  readonly limited: boolean;
  readonly signed: Uint8Array;
  readonly algorithm: SignatureAlgorithm;
  readonly signature: Uint8Array;
}

/** @throws SealwireError `CRYPTO_INVALID` */
export function readRevocationList(der: Uint8Array): RevocationList {
  try {
    return read(der.slice());
  } catch (error) {
    throw new SealwireError("CRYPTO_INVALID", "This is not a revocation list that can be read (X.509 CRL, DER).", {
      cause: error,
    });
  }
}

function read(der: Uint8Array): RevocationList {
  const [tbs, outerAlgorithm, signature] = universal(parse(der, 1_000_000), tags.sequence).children;
  let fields = universal(tbs, tags.sequence).children;
  if (fields[0]?.tagClass === 1 && fields[0].tagNumber === tags.integer) fields = fields.slice(1);
  const [algorithm, issuer, thisUpdate, ...rest] = fields;
  if (!same(universal(algorithm, tags.sequence).raw, universal(outerAlgorithm, tags.sequence).raw))
    throw new MalformedError("the two signature algorithms differ");
  const nextUpdate = isTime(rest[0]) ? time(rest[0]) : undefined;
  const entries = rest.find((field) => field.tagClass === 1 && field.tagNumber === tags.sequence);
  const list = extensions(tagged(rest, 0)?.children[0]);
  let limited = list.some(
    ({ id, critical }) => (critical && !knownListExtensions.includes(id)) || narrowingExtensions.includes(id),
  );
  const revoked = new Set<string>();
  for (const entry of entries?.children ?? []) {
    const { serial, isRevoked, isKnown } = readEntry(entry);
    if (isRevoked) revoked.add(serial);
    if (!isKnown) limited = true;
  }
  return {
    issuer: universal(issuer, tags.sequence).raw,
    thisUpdate: time(thisUpdate),
    nextUpdate,
    revoked,
    limited,
    signed: tbs!.raw,
    algorithm: signatureAlgorithm(algorithm),
    signature: bits(signature),
  };
}

function readEntry(entry: Element): { serial: string; isRevoked: boolean; isKnown: boolean } {
  const [serial, , sequence] = universal(entry, tags.sequence).children;
  const list = extensions(sequence);
  const reason = list.find((extension) => extension.id === reasonCode);
  return {
    serial: toHex(unsigned(serial)),
    isRevoked: reason === undefined || small(universal(parse(reason.value), tags.enumerated)) !== removeFromCRL,
    isKnown: list.every((extension) => !extension.critical || knownEntryExtensions.includes(extension.id)),
  };
}

/** Why a list cannot be used to judge the certificates of `issuer`, or `undefined` when it can. */
export function whyUnusable(list: RevocationList, issuer: Certificate, now: TimeInterval): string | undefined {
  if (!same(list.issuer, issuer.subject)) return "is of another issuer";
  if (list.limited) return "is a delta or a part of the whole, or has a critical extension that is not supported";
  if (list.nextUpdate === undefined) return "does not say when the next one is due";
  if (list.nextUpdate < now.earliest) return "is out of date";
  if (now.latest !== undefined && list.thisUpdate > now.latest) return "is from the future";
  if (issuer.keyUsage !== undefined && (issuer.keyUsage & keyUsage.cRLSign) === 0)
    return "comes from an authority that must not sign lists";
  return isSignedBy(list, issuer) ? undefined : "is not signed by the authority";
}

function isSignedBy(list: RevocationList, issuer: Certificate): boolean {
  const strength = signatureStrength(list.algorithm);
  if (strength === undefined) return false;
  try {
    const key = strength.isPSS
      ? { key: issuer.key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_AUTO }
      : issuer.key;
    return verify(strength.hash, list.signed, key, list.signature);
  } catch {
    return false; // The key is of another kind than the signature.
  }
}
