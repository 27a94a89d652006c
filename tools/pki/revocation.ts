/** Issues and reads certificate revocation lists (RFC 5280 section 5). */
import { fromBER, Integer } from "asn1js";
import { SealwireError } from "../../src/index.js";
import type { Authority } from "./certificates.js";
import { signingAlgorithmOf } from "./keys.js";
import { x509 } from "./x509.js";

/** The extension that numbers the lists of one authority (RFC 5280 section 5.2.3). */
const cRLNumber = "2.5.29.20";

/** Why a certificate must not be trusted any more (RFC 5280 section 5.3.1). */
export const revocationReasons = [
  "unspecified",
  "keyCompromise",
  "cACompromise",
  "affiliationChanged",
  "superseded",
  "cessationOfOperation",
  "privilegeWithdrawn",
] as const;
export type RevocationReason = (typeof revocationReasons)[number];

/** One certificate that must not be trusted any more. */
export interface Revocation {
  /** Hexadecimal. */
  readonly serialNumber: string;
  readonly date: Date;
  /** Left out, none is given. */
  readonly reason?: RevocationReason | undefined;
}

export interface RevocationListOptions {
  /** Grows with every list of one authority. A safe integer, not negative. */
  readonly number: number;
  readonly thisUpdate: Date;
  readonly nextUpdate: Date;
  readonly revoked?: readonly Revocation[];
}

/** What a list says of itself. */
export interface RevocationListInfo {
  readonly number: number;
  readonly nextUpdate: Date;
  readonly serialNumbers: readonly string[];
  readonly revoked: readonly Revocation[];
}

/** @returns DER */
export async function issueRevocationList(options: RevocationListOptions, issuer: Authority): Promise<Uint8Array> {
  if (!Number.isSafeInteger(options.number) || options.number < 0)
    throw new SealwireError(
      "INVALID_ARGUMENT",
      "The number of a revocation list must be a safe integer of at least 0.",
    );
  const certificate = new x509.X509Certificate(Buffer.from(issuer.certificate));
  const list = await x509.X509CrlGenerator.create({
    issuer: certificate.subjectName,
    thisUpdate: options.thisUpdate,
    nextUpdate: options.nextUpdate,
    entries: (options.revoked ?? []).map(({ serialNumber, date, reason = "unspecified" }) => ({
      serialNumber,
      revocationDate: date,
      // "unspecified" is to be left out (section 5.3.1).
      ...(reason !== "unspecified" && { reason: x509.X509CrlReason[reason] }),
    })),
    extensions: [
      await x509.AuthorityKeyIdentifierExtension.create(issuer.keys.publicKey),
      new x509.Extension(cRLNumber, false, Integer.fromBigInt(options.number).toBER()),
    ],
    signingKey: issuer.keys.privateKey,
    signingAlgorithm: signingAlgorithmOf(issuer.keys.privateKey),
  });
  return new Uint8Array(list.rawData);
}

/**
 * Reads a list and checks that `issuer` signed it.
 * @param der the list
 * @param issuer DER of the authority's certificate
 * @throws when it cannot be read, has no number or end, or the signature is wrong
 */
export async function readRevocationList(der: Uint8Array, issuer: Uint8Array): Promise<RevocationListInfo> {
  const list = new x509.X509Crl(Buffer.from(der));
  const number = list.getExtension(cRLNumber);
  const publicKey = new x509.X509Certificate(Buffer.from(issuer)).publicKey;
  if (!number || !list.nextUpdate || !(await list.verify({ publicKey })))
    throw new SealwireError("CRYPTO_INVALID", "The revocation list is not one of this authority.");
  const parsed = fromBER(number.value).result;
  if (!(parsed instanceof Integer))
    throw new SealwireError("CRYPTO_INVALID", "The number of the revocation list is not an integer.");
  return {
    number: Number(parsed.toBigInt()),
    nextUpdate: list.nextUpdate,
    serialNumbers: list.entries.map((entry) => entry.serialNumber),
    revoked: list.entries.map((entry) => ({
      serialNumber: entry.serialNumber,
      date: entry.revocationDate,
      reason: revocationReasons.find((reason) => x509.X509CrlReason[reason] === entry.reason),
    })),
  };
}
