/** A resumable TLS session with what must be known of it to decide whether it may still be used. */
import { CBORReader, encodeCBOR, type CBORValue } from "../cose/index.js";
import { SealwireError } from "../errors.js";
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
/** Of one session. */
const FIELDS = 12;
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

/**
 * @returns no session at all when the bytes are not what {@link encodeTLSSessions} writes: a session is never worth an error. What a session
 *   holds of bytes are views of these: they must not change
 */
export function decodeTLSSessions(bytes: Uint8Array): TLSSession[] {
  const sessions: TLSSession[] = [];
  try {
    const reader = new CBORReader(bytes);
    let count = reader.array() - 1;
    if (reader.value() !== FORMAT) return [];
    while (count-- > 0) sessions.push(readSession(reader));
    reader.finish();
    return sessions;
  } catch {
    return [];
  }
}

/** @throws SealwireError `CBOR_INVALID` */
function readSession(reader: CBORReader): TLSSession {
  if (reader.array() !== FIELDS) throw invalid();
  const version = reader.value();
  const protocol = typeof version === "number" ? VERSIONS[version] : undefined;
  if (protocol === undefined) throw invalid();
  const bytes = reader.bytes();
  const lifetime = readTime(reader);
  const extendedMasterSecret = readBoolean(reader);
  const policy = reader.bytes();
  const authenticatedAt = readTime(reader);
  const wakes = reader.value();
  if (typeof wakes !== "number") throw invalid();
  return {
    data: { protocol, bytes, lifetime, extendedMasterSecret },
    policy,
    authenticatedAt,
    wakes,
    issuedAt: readTime(reader),
    expiresAt: readTime(reader),
    verifiedUntil: readTime(reader),
    used: readBoolean(reader),
    reserved: readBoolean(reader),
  };
}

function readTime(reader: CBORReader): number | undefined {
  const value = reader.value();
  if (value !== null && typeof value !== "number") throw invalid();
  return value ?? undefined;
}

function readBoolean(reader: CBORReader): boolean {
  const value = reader.value();
  if (typeof value !== "boolean") throw invalid();
  return value;
}

function invalid(): SealwireError {
  return new SealwireError("CBOR_INVALID", "These are not sessions that can be read.");
}
