/** A resumable TLS session with what must be known of it to decide whether it may still be used. */
import { bytesLength, CBORReader, CBORWriter, headLength, MAJOR } from "../cbor/index.js";
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
/** The same, of a device that asks for no tickets: they do not fit. */
const FORMAT_WITHOUT_TICKETS = 2;
/** No session, but a number: see {@link encodeStarts}. */
const FORMAT_STARTS = 3;
/** Of no session at all: the head of an array, and the format. */
const EMPTY_LENGTH = 2;
/** Of one session. */
const FIELDS = 12;
/** Simple values of CBOR. */
const FALSE = 20;
const TRUE = 21;
const NULL = 22;
const VERSIONS: readonly TLSVersion[] = ["TLSv1.2", "TLSv1.3"];

/**
 * Sessions as bytes. They hold key material: only for storage that encrypts.
 * @param tickets whether the device asks for tickets
 */
export function encodeTLSSessions(sessions: readonly TLSSession[], tickets = true): Uint8Array {
  let length = headLength(sessions.length + 1) + 1;
  for (const session of sessions) length += lengthOf(session);
  const encoded = new Uint8Array(length);
  const writer = new CBORWriter(encoded).array(sessions.length + 1);
  writer.head(MAJOR.unsigned, tickets ? FORMAT : FORMAT_WITHOUT_TICKETS);
  for (const session of sessions) write(writer, session);
  return encoded;
}

function lengthOf({ data, policy, wakes, ...times }: TLSSession): number {
  const { authenticatedAt, issuedAt, expiresAt, verifiedUntil } = times;
  return (
    // The heads of the array and of the version, and three truth values.
    2 +
    3 +
    bytesLength(data.bytes.byteLength) +
    bytesLength(policy.byteLength) +
    headLength(wakes) +
    timeLength(data.lifetime) +
    timeLength(authenticatedAt) +
    timeLength(issuedAt) +
    timeLength(expiresAt) +
    timeLength(verifiedUntil)
  );
}

function write(writer: CBORWriter, session: TLSSession): void {
  const { data } = session;
  writer.array(FIELDS).head(MAJOR.unsigned, VERSIONS.indexOf(data.protocol)).bytes(data.bytes);
  writeTime(writer, data.lifetime);
  writeBoolean(writer, data.extendedMasterSecret);
  writer.bytes(session.policy);
  writeTime(writer, session.authenticatedAt);
  writer.head(MAJOR.unsigned, session.wakes);
  writeTime(writer, session.issuedAt);
  writeTime(writer, session.expiresAt);
  writeTime(writer, session.verifiedUntil);
  writeBoolean(writer, session.used);
  writeBoolean(writer, session.reserved);
}

function timeLength(time: number | undefined): number {
  return time === undefined ? 1 : headLength(magnitude(time));
}

function writeTime(writer: CBORWriter, time: number | undefined): void {
  if (time === undefined) writer.head(MAJOR.simple, NULL);
  else writer.head(time < 0 ? MAJOR.negative : MAJOR.unsigned, magnitude(time));
}

/** The argument of an integer's head: a clock may stand before 1970. */
function magnitude(time: number): number {
  const whole = Math.floor(time);
  return whole < 0 ? -1 - whole : whole;
}

function writeBoolean(writer: CBORWriter, value: boolean): void {
  writer.head(MAJOR.simple, value ? TRUE : FALSE);
}

/** How often the device started since the wakes of a session elsewhere were counted: what takes the place of a session that does not fit. */
export function encodeStarts(starts: number): Uint8Array {
  const encoded = new Uint8Array(EMPTY_LENGTH + headLength(starts));
  new CBORWriter(encoded).array(2).head(MAJOR.unsigned, FORMAT_STARTS).head(MAJOR.unsigned, starts);
  return encoded;
}

/** @returns the number that {@link encodeStarts} wrote, if these bytes are of it */
export function startsIn(bytes: Uint8Array): number | undefined {
  if (bytes[1] !== FORMAT_STARTS) return undefined;
  try {
    const reader = new CBORReader(bytes.subarray(EMPTY_LENGTH));
    const starts = reader.value();
    reader.finish();
    return typeof starts === "number" && starts >= 0 ? starts : undefined;
  } catch {
    return undefined;
  }
}

/** Whether the bytes, of {@link encodeTLSSessions}, hold a session. */
export function hasTLSSession(bytes: Uint8Array | undefined): boolean {
  return bytes !== undefined && bytes.byteLength > EMPTY_LENGTH && bytes[1] !== FORMAT_STARTS;
}

/** Whether the bytes, of {@link encodeTLSSessions}, are of a device that asks for tickets: also when they cannot be read. */
export function wantsTickets(bytes: Uint8Array | undefined): boolean {
  return bytes?.[1] !== FORMAT_WITHOUT_TICKETS;
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
    const format = reader.value();
    if (format !== FORMAT && format !== FORMAT_WITHOUT_TICKETS) return [];
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
