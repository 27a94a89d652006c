/**
 * The records in which a session survives. The same bytes go to storage, one record to a key, and into `save()`. Numbers are big-endian; the
 * first byte is the kind of the record. Whoever reads one takes it for hostile: a record that is not exactly what is described here is
 * `STORAGE_CORRUPT`.
 */
import { SealwireError } from "../errors.js";
import { Reader } from "./codec/reader.js";
import { checkTopicFilter, checkTopicName } from "./codec/topic.js";
import { Writer } from "./codec/writer.js";
import { IdentifierSet } from "./identifier-set.js";
import { OutgoingMessage } from "./outgoing-message.js";
import { readPublishProperties, writePublishProperties } from "./publish-properties.js";
import type { ProtocolVersion, QoS, ServerLimits } from "./types.js";

/** Kinds of records. They are part of the format: never used again for something else. */
export const RECORD = { publication: 1, release: 2, inbound: 3, subscription: 4, session: 5 } as const;

/** Longest mark of the application. */
export const MAXIMUM_MARK = 255;

const RETAIN = 0x04;
const SOURCE = 0x08;
const EXPIRY = 0x10;
const PROPERTIES = 0x20;
const SENT = 0x40;

/** The clocks that message expiry is reckoned by. */
export interface ExpiryClock {
  readonly ticks: () => number;
  /** Milliseconds since 1970. */
  readonly time?: (() => number | undefined) | undefined;
}

/** A subscription as it is kept. */
export interface StoredSubscription {
  filter: string;
  /** As SUBSCRIBE has them (MQTT 5.0 section 3.8.3.1): QoS, and from bit 2 on No Local, Retain As Published, Retain Handling. */
  options: number;
  /** 0: none. */
  identifier: number;
  /** What the server granted; `undefined` while it does not hold the subscription. */
  granted: QoS | undefined;
}

/** What is kept of the session as such. */
export interface StoredSession {
  clientIdentifier: string;
  /** The identifier that the server assigned, or empty. */
  assignedIdentifier: string;
  /** The version that `"auto"` settled on; 0: none yet. */
  version: ProtocolVersion | 0;
  /** Whether it is unknown if the server's session is the one this state belongs to. */
  uncertain: boolean;
  /** What the server allowed last time. */
  limits: ServerLimits | undefined;
}

/** @returns a record of a publication or a release, payload included where the message holds it */
export function encodeMessage(message: OutgoingMessage, clock: ExpiryClock): Uint8Array {
  const measure = new Writer();
  writeMessage(measure, message, clock);
  const bytes = new Uint8Array(measure.offset);
  writeMessage(new Writer(bytes), message, clock);
  return bytes;
}

function writeMessage(writer: Writer, message: OutgoingMessage, clock: ExpiryClock): void {
  if (message.state === "release") {
    writer.byte(RECORD.release);
    writeSixBytes(writer, message.sequence);
    return;
  }
  const { qos, retain, payload, expiresAt, properties } = message;
  writer.byte(RECORD.publication);
  writeSixBytes(writer, message.sequence);
  writer.byte(
    qos |
      (retain ? RETAIN : 0) |
      (message.sent ? SENT : 0) |
      (payload ? 0 : SOURCE) |
      (expiresAt === undefined ? 0 : EXPIRY) |
      (properties ? PROPERTIES : 0),
  );
  writer.string(message.topic, "The topic");
  if (expiresAt !== undefined) {
    const left = Math.max(0, Math.ceil(expiresAt - clock.ticks()));
    const now = clock.time?.();
    writeSixBytes(writer, left);
    writeSixBytes(writer, now === undefined ? 0 : Math.ceil(now + left));
  }
  if (properties) writePublishProperties(writer, properties);
  if (payload) writer.bytes(payload);
  else {
    writeSixBytes(writer, message.byteLength);
    writer.string(message.reference ?? "", "The reference");
  }
}

/**
 * Reads a record of a publication or a release.
 * @param keepPayload whether the message shall hold a copy of the payload; else it holds its length only
 */
export function decodeMessage(
  bytes: Uint8Array,
  id: number,
  clock: ExpiryClock,
  keepPayload: boolean,
): OutgoingMessage {
  return decode(() => {
    const reader = new Reader(bytes);
    const kind = reader.byte();
    const sequence = readSixBytes(reader);
    let message: OutgoingMessage;
    if (kind === RECORD.release) {
      message = new OutgoingMessage("", 2, false, undefined, 0);
      message.state = "release";
      if (reader.left > 0) throw corrupt();
    } else {
      if (kind !== RECORD.publication) throw corrupt();
      message = readPublication(reader, bytes, clock, keepPayload);
    }
    if (id === 0) throw corrupt();
    message.id = id;
    message.sequence = sequence;
    return message;
  });
}

function readPublication(reader: Reader, bytes: Uint8Array, clock: ExpiryClock, keepPayload: boolean): OutgoingMessage {
  const flags = reader.byte();
  const qos = flags & 3;
  if (flags > 0x7f || (qos !== 1 && qos !== 2)) throw corrupt();
  const topic = reader.string();
  checkTopicName(topic);
  let expiresAt: number | undefined;
  if (flags & EXPIRY) {
    const left = readSixBytes(reader);
    const deadline = readSixBytes(reader);
    const now = deadline === 0 ? undefined : clock.time?.();
    // A clock that jumped must not make a message live longer than its publisher wanted.
    expiresAt = clock.ticks() + (now === undefined ? left : Math.min(left, deadline - now));
  }
  const properties = flags & PROPERTIES ? readPublishProperties(reader) : undefined;
  let message: OutgoingMessage;
  if (flags & SOURCE) {
    const byteLength = readSixBytes(reader);
    message = new OutgoingMessage(topic, qos, (flags & RETAIN) !== 0, undefined, byteLength);
    message.reference = reader.string();
    if (reader.left > 0) throw corrupt();
  } else {
    const payload = keepPayload ? bytes.slice(reader.offset) : undefined;
    message = new OutgoingMessage(topic, qos, (flags & RETAIN) !== 0, payload, reader.left);
  }
  if (expiresAt !== undefined) message.expiresAt = expiresAt;
  if (properties) message.properties = properties;
  message.sent = (flags & SENT) !== 0;
  return message;
}

export function encodeInbound(handled: IdentifierSet | undefined, mark: Uint8Array | undefined): Uint8Array {
  const markLength = mark?.byteLength ?? 0;
  const bytes = new Uint8Array(2 + markLength + (handled?.encodedLength ?? 0));
  bytes[0] = RECORD.inbound;
  bytes[1] = markLength;
  if (mark) bytes.set(mark, 2);
  handled?.encode(bytes, 2 + markLength);
  return bytes;
}

/** @returns the mark; the identifiers go to `handled` */
export function decodeInbound(bytes: Uint8Array, handled: IdentifierSet): Uint8Array | undefined {
  const markLength = bytes[1] ?? 0;
  if (bytes.byteLength < 2 + markLength || bytes[0] !== RECORD.inbound) throw corrupt();
  handled.decode(bytes.subarray(2 + markLength));
  return markLength === 0 ? undefined : bytes.slice(2, 2 + markLength);
}

export function encodeSubscription(subscription: StoredSubscription): Uint8Array {
  // Measured, then written, without a function for it: the stack of a chip is small.
  for (let writer = new Writer(); ; writer = new Writer(new Uint8Array(writer.offset))) {
    writer.byte(RECORD.subscription);
    writer.byte(subscription.options);
    writer.byte(subscription.granted ?? 0xff);
    writer.fourBytes(subscription.identifier);
    writer.string(subscription.filter, "The topic filter");
    if (writer.target) return writer.target;
  }
}

export function decodeSubscription(bytes: Uint8Array): StoredSubscription {
  return decode(() => {
    const reader = new Reader(bytes);
    const kind = reader.byte();
    const options = reader.byte();
    const granted = reader.byte();
    const identifier = reader.fourBytes();
    const filter = reader.string();
    checkTopicFilter(filter, true);
    if (
      kind !== RECORD.subscription ||
      (options & 3) === 3 ||
      options > 0x2f ||
      identifier > 0x0fffffff ||
      reader.left > 0
    )
      throw corrupt();
    return {
      filter,
      options,
      identifier,
      granted: granted > 2 ? undefined : (granted as QoS),
    };
  });
}

export function encodeSession(session: StoredSession): Uint8Array {
  const { limits } = session;
  for (let writer = new Writer(); ; writer = new Writer(new Uint8Array(writer.offset))) {
    writer.byte(RECORD.session);
    writer.byte(session.version);
    writer.byte((session.uncertain ? 1 : 0) | (limits ? 2 : 0));
    writer.string(session.clientIdentifier, "The client identifier");
    writer.string(session.assignedIdentifier, "The client identifier");
    if (limits) {
      writer.twoBytes(limits.receiveMaximum);
      writer.fourBytes(limits.maximumPacketSize);
      writer.twoBytes(limits.topicAliasMaximum);
      writer.byte(
        limits.maximumQoS |
          (limits.retainAvailable ? 4 : 0) |
          (limits.wildcardSubscriptionAvailable ? 8 : 0) |
          (limits.subscriptionIdentifiersAvailable ? 16 : 0) |
          (limits.sharedSubscriptionAvailable ? 32 : 0),
      );
    }
    if (writer.target) return writer.target;
  }
}

export function decodeSession(bytes: Uint8Array): StoredSession {
  return decode(() => {
    const reader = new Reader(bytes);
    const kind = reader.byte();
    const version = reader.byte();
    const flags = reader.byte();
    if (kind !== RECORD.session || (version !== 0 && version !== 4 && version !== 5) || flags > 3) throw corrupt();
    const clientIdentifier = reader.string();
    const assignedIdentifier = reader.string();
    const limits = flags & 2 ? readLimits(reader) : undefined;
    if (reader.left > 0) throw corrupt();
    return { clientIdentifier, assignedIdentifier, version, uncertain: (flags & 1) !== 0, limits };
  });
}

function readLimits(reader: Reader): ServerLimits {
  const receiveMaximum = reader.twoBytes();
  const maximumPacketSize = reader.fourBytes();
  const topicAliasMaximum = reader.twoBytes();
  const flags = reader.byte();
  const maximumQoS = flags & 3;
  if (receiveMaximum === 0 || maximumPacketSize === 0 || maximumQoS === 3 || flags > 0x3f) throw corrupt();
  return {
    receiveMaximum,
    maximumPacketSize,
    topicAliasMaximum,
    maximumQoS: maximumQoS as QoS,
    retainAvailable: (flags & 4) !== 0,
    wildcardSubscriptionAvailable: (flags & 8) !== 0,
    subscriptionIdentifiersAvailable: (flags & 16) !== 0,
    sharedSubscriptionAvailable: (flags & 32) !== 0,
  };
}

export function corrupt(cause?: unknown): SealwireError {
  return new SealwireError("STORAGE_CORRUPT", "A stored record of the MQTT session is damaged; it is dropped.", {
    cause,
  });
}

/** The reader's errors blame the peer: here the storage is to blame. */
function decode<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof SealwireError && error.code === "STORAGE_CORRUPT") throw error;
    throw corrupt(error);
  }
}

function writeSixBytes(writer: Writer, value: number): void {
  writer.twoBytes(Math.floor(value / 0x1_0000_0000));
  writer.fourBytes(value % 0x1_0000_0000);
}

function readSixBytes(reader: Reader): number {
  const high = reader.twoBytes();
  return high * 0x1_0000_0000 + reader.fourBytes();
}
