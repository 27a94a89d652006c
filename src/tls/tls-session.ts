/** A resumable TLS session with what must be known of it to decide whether it may still be used. */
import { decodeCBOR, encodeCBOR, type CBORValue } from "../cose/index.js";
import type { TLSSessionData, TLSVersion } from "../platform.js";

/** All times are milliseconds since 1970 by the wall clock, `undefined` where it was not set. */
export interface TLSSession {
  readonly data: TLSSessionData;
  /** SHA-256 of the policy under which the server was verified. */
  readonly policy: Uint8Array;
  /** When the server was last verified in a full handshake; a session that a resumed handshake issued inherits it. */
  readonly authenticatedAt: number | undefined;
  /** How often the device started since then: the measure of age without a wall clock. */
  readonly wakes: number;
  /** When the session was issued. */
  readonly issuedAt: number | undefined;
  /** The earliest of: end of the ticket's lifetime, notAfter of the verified chain, nextUpdate of the lists that were used. */
  readonly expiresAt: number | undefined;
  /** The earliest notAfter of the chain and nextUpdate of the lists, without the ticket's lifetime: inherited by renewed tickets. */
  readonly verifiedUntil: number | undefined;
  /** A TLS 1.3 ticket that the server accepted before, and did not replace. */
  readonly used: boolean;
  /** A TLS 1.3 ticket that lies in the reserve, too: it must be gone from there before it is used. */
  readonly reserved: boolean;
}

const FORMAT = 1;
const VERSIONS: readonly TLSVersion[] = ["TLSv1.2", "TLSv1.3"];

/** Sessions as bytes. They hold key material: only for storage that encrypts. */
export function encodeTLSSessions(sessions: readonly TLSSession[]): Uint8Array {
  const optional = (value: number | undefined): number | null => (value === undefined ? null : Math.floor(value));
  return encodeCBOR([
    FORMAT,
    ...sessions.map(({ data, ...session }): CBORValue => [
      VERSIONS.indexOf(data.protocol),
      data.bytes,
      optional(data.lifetime),
      data.extendedMasterSecret,
      session.policy,
      optional(session.authenticatedAt),
      session.wakes,
      optional(session.issuedAt),
      optional(session.expiresAt),
      optional(session.verifiedUntil),
      session.used,
      session.reserved,
    ]),
  ]);
}

/** @returns no session at all when the bytes are not what {@link encodeTLSSessions} writes: a session is never worth an error */
export function decodeTLSSessions(bytes: Uint8Array): TLSSession[] {
  let value: CBORValue;
  try {
    value = decodeCBOR(bytes);
  } catch {
    return [];
  }
  if (!Array.isArray(value) || value[0] !== FORMAT) return [];
  const sessions: TLSSession[] = [];
  for (const item of value.slice(1) as CBORValue[]) {
    const session = Array.isArray(item) ? fromFields(item as CBORValue[]) : undefined;
    if (session === undefined) return [];
    sessions.push(session);
  }
  return sessions;
}

function fromFields(fields: readonly CBORValue[]): TLSSession | undefined {
  const [
    version,
    bytes,
    lifetime,
    extendedMasterSecret,
    policy,
    authenticatedAt,
    wakes,
    issuedAt,
    expiresAt,
    until,
    used,
    reserved,
  ] = fields;
  const protocol = typeof version === "number" ? VERSIONS[version] : undefined;
  if (protocol === undefined || !(bytes instanceof Uint8Array) || !(policy instanceof Uint8Array)) return undefined;
  if (
    typeof extendedMasterSecret !== "boolean" ||
    typeof used !== "boolean" ||
    typeof reserved !== "boolean" ||
    typeof wakes !== "number"
  )
    return undefined;
  const times = [lifetime, authenticatedAt, issuedAt, expiresAt, until];
  if (!times.every(isOptionalTime)) return undefined;
  const [life, authenticated, issued, expires, verified] = times.map((time) => time ?? undefined);
  return {
    data: { protocol, bytes, lifetime: life, extendedMasterSecret },
    policy,
    authenticatedAt: authenticated,
    wakes,
    issuedAt: issued,
    expiresAt: expires,
    verifiedUntil: verified,
    used,
    reserved,
  };
}

function isOptionalTime(value: CBORValue | undefined): value is number | null {
  return value === null || typeof value === "number";
}
