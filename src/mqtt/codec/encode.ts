/**
 * Makes the packets that a client sends, other than PUBLISH and the short acknowledgements (`output.ts` writes those in place).
 * Every argument is checked before a byte is written; a wrong one is `INVALID_ARGUMENT`.
 */
import { lengthOfUTF8, toUTF8 } from "../../bytes.js";
import type { BufferLike } from "../../platform.js";
import type { Properties, ProtocolVersion, SubscriptionItem, Will } from "../types.js";
import { CONNECT, SUBSCRIBE, WILL, nameOfPacket } from "./constants.js";
import { invalidArgument } from "./errors.js";
import { encodeProperties, writeProperties } from "./properties.js";
import { checkString, checkTopicFilter, checkTopicName, isShared } from "./topic.js";
import { Writer, beginPacket, makePacket } from "./writer.js";

/** What CONNECT says (MQTT 5.0 and 3.1.1, section 3.1). */
export interface ConnectFields {
  readonly version: ProtocolVersion;
  readonly clean: boolean;
  /** Seconds. */
  readonly keepAlive: number;
  readonly id: string;
  readonly will: Will | undefined;
  readonly user: string | undefined;
  readonly password: BufferLike | string | undefined;
  readonly properties: Properties | undefined;
}

/** A property section without properties (MQTT 5.0 section 2.2.2.1). */
export const NO_PROPERTIES = Uint8Array.of(0);

/** CONNECT. It may hold a password: wipe it after sending. */
export function encodeConnect(fields: ConnectFields): Uint8Array {
  const { version, id, will, user, password } = fields;
  // [MQTT-3.1.3-7] (3.1.1): the server can only choose an identifier for a session that it forgets
  if (version === 4 && id === "" && !fields.clean)
    throw invalidArgument("The option id must not be empty when clean is false (MQTT 3.1.1).");
  // [MQTT-3.1.2-22] (3.1.1): no password without a user name
  if (version === 4 && password !== undefined && user === undefined)
    throw invalidArgument("The option password needs the option user (MQTT 3.1.1).");
  const willQoS = will?.QoS ?? 0;
  let flags = fields.clean ? 0x02 : 0;
  if (will) {
    checkTopicName(will.topic, "The option will.topic");
    checkQoS(willQoS, "The option will.QoS");
    flags |= 0x04 | (willQoS << 3) | (will.retain ? 0x20 : 0); // [MQTT-3.1.2-11] to [MQTT-3.1.2-15]
  }
  if (user !== undefined) flags |= 0x80;
  if (password !== undefined) flags |= 0x40;
  const willMessage = bytesOf(will?.message ?? "", "The option will.message");
  const passwordBytes = password === undefined ? undefined : bytesOf(password, "The option password");
  const properties = version === 5 ? sectionOf(fields.properties, CONNECT) : undefined;
  const willProperties = version === 5 && will ? sectionOf(will.properties, WILL) : undefined;
  // Measured and checked, then written, without a function for it: the stack of a chip is small.
  for (let writer = new Writer(); ; writer = beginPacket(CONNECT << 4, writer.offset)) {
    writer.string("MQTT", "The protocol name"); // [MQTT-3.1.2-1]
    writer.byte(version); // [MQTT-3.1.2-2]
    writer.byte(flags); // bit 0 is reserved [MQTT-3.1.2-3]
    writer.twoBytes(fields.keepAlive);
    if (properties) writer.bytes(properties);
    writer.string(id, "The option id"); // [MQTT-3.1.3-3]
    if (will) {
      if (willProperties) writer.bytes(willProperties);
      writer.string(will.topic, "The option will.topic");
      writer.binary(willMessage, "The option will.message");
    }
    if (user !== undefined) writer.string(user, "The option user");
    if (passwordBytes) writer.binary(passwordBytes, "The option password");
    if (!writer.target) continue;
    // Text became bytes of our own: they are no longer needed. What the caller gave as bytes stays the caller's.
    if (typeof password === "string") passwordBytes?.fill(0);
    return writer.target;
  }
}

function sectionOf(properties: Properties | undefined, packet: number): Uint8Array {
  return properties ? encodeProperties(properties, packet) : NO_PROPERTIES;
}

function bytesOf(data: BufferLike | string, what: string): Uint8Array {
  if (typeof data === "string") {
    checkString(data, what);
    return toUTF8(data);
  }
  if (data instanceof Uint8Array) return data;
  if (data instanceof ArrayBuffer) return new Uint8Array(data);
  throw invalidArgument(`${what} must be a string, an ArrayBuffer or a Uint8Array.`);
}

/** @throws SealwireError `INVALID_ARGUMENT` unless it is 0, 1 or 2 [MQTT-3.3.1-4] */
export function checkQoS(QoS: unknown, what: string): void {
  if (QoS !== 0 && QoS !== 1 && QoS !== 2) throw invalidArgument(`${what} must be 0, 1 or 2.`);
}

/** One topic filter of a request. */
export interface RequestEntry {
  readonly filter: string;
  /** As SUBSCRIBE has them (MQTT 5.0 section 3.8.3.1): QoS, and from bit 2 on No Local, Retain As Published, Retain Handling. */
  readonly options: number;
}

/** SUBSCRIBE (section 3.8) or UNSUBSCRIBE (section 3.10), checked. */
export function encodeRequest(
  operation: number,
  version: ProtocolVersion,
  id: number,
  items: readonly SubscriptionItem[],
  properties: Properties | undefined,
): Uint8Array {
  return encodeEntries(operation, version, id, checkItems(items, operation, version), properties);
}

/** SUBSCRIBE or UNSUBSCRIBE, from what was checked. In 3.1.1 only the QoS is sent. */
export function encodeEntries(
  operation: number,
  version: ProtocolVersion,
  id: number,
  entries: readonly RequestEntry[],
  properties: Properties | undefined,
): Uint8Array {
  const section = version === 4 ? undefined : properties ? encodeProperties(properties, operation) : NO_PROPERTIES;
  const subscribes = operation === SUBSCRIBE;
  let remaining = 2 + (section ? section.byteLength : 0);
  for (const { filter } of entries) remaining += 2 + lengthOfUTF8(filter) + (subscribes ? 1 : 0);
  // [MQTT-3.8.1-1], [MQTT-3.10.1-1]: the reserved bits are 0010
  const writer = beginPacket((operation << 4) | 2, remaining);
  writer.twoBytes(id);
  if (section) writer.bytes(section);
  for (const { filter, options } of entries) {
    writer.string(filter, "The topic filter");
    if (subscribes) writer.byte(version === 4 ? options & 3 : options);
  }
  return writer.target;
}

function subscriptionOptions(version: ProtocolVersion, item: SubscriptionItem, index: number): number {
  const what = `The option items[${index}]`;
  for (const name in item) {
    const known = name === "topic" || name === "QoS";
    const known5 = name === "noLocal" || name === "retainAsPublished" || name === "retainHandling";
    if (!known && !known5) throw invalidArgument(`There is no option items[${index}].${name}.`);
    if (known5 && version === 4 && item[name] !== undefined) throw invalidArgument(`${what}.${name} needs MQTT 5.0.`);
  }
  const QoS = item.QoS ?? 0;
  checkQoS(QoS, `${what}.QoS`);
  const retainHandling: number = item.retainHandling ?? 0;
  if (retainHandling !== 0 && retainHandling !== 1 && retainHandling !== 2)
    throw invalidArgument(`${what}.retainHandling must be 0, 1 or 2.`);
  // [MQTT-3.8.3-4]
  if (item.noLocal && isShared(item.topic)) throw invalidArgument(`${what}.noLocal is not for shared subscriptions.`);
  return QoS | (item.noLocal ? 0x04 : 0) | (item.retainAsPublished ? 0x08 : 0) | (retainHandling << 4);
}

/** [MQTT-3.8.3-3] (3.1.1), [MQTT-3.8.3-2] (5.0), [MQTT-3.10.3-2]: at least one topic filter */
function checkItems(items: unknown, operation: number, version: ProtocolVersion): RequestEntry[] {
  if (!Array.isArray(items) || items.length === 0)
    throw invalidArgument(`The option items must be an array with at least one item for ${nameOfPacket(operation)}.`);
  return items.map((item: SubscriptionItem | null, index) => {
    if (typeof item !== "object" || item === null)
      throw invalidArgument(`The option items[${index}] must be an object.`);
    const options = operation === SUBSCRIBE ? subscriptionOptions(version, item, index) : 0;
    checkTopicFilter(item.topic, version === 5, `The option items[${index}].topic`); // [MQTT-3.8.3-1], [MQTT-3.10.3-1]
    return { filter: item.topic, options };
  });
}

/**
 * PUBACK, PUBREC, PUBREL, PUBCOMP with a reason or properties (MQTT 5.0 sections 3.4 to 3.7).
 * @param first first byte: packet type and flags
 */
export function encodeAcknowledgement(
  first: number,
  id: number,
  reasonCode: number,
  properties: Properties | undefined,
): Uint8Array {
  return makePacket(first, (writer) => {
    writer.twoBytes(id);
    writer.byte(reasonCode);
    if (properties !== undefined) writeProperties(writer, properties, first >> 4);
  });
}

/** DISCONNECT or AUTH with a reason or properties (MQTT 5.0 sections 3.14 and 3.15). */
export function encodeReason(packet: number, reasonCode: number, properties: Properties | undefined): Uint8Array {
  return makePacket(packet << 4, (writer) => {
    writer.byte(reasonCode);
    if (properties !== undefined) writeProperties(writer, properties, packet);
  });
}
