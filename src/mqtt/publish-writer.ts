/** Writes PUBLISH packets, whole or in parts. */
import { writeUTF8 } from "../bytes.js";
import { SealwireError } from "../errors.js";
import type { BufferLike } from "../platform.js";
import { MAXIMUM_VARIABLE_INTEGER, PUBLISH } from "./codec/constants.js";
import { checkQoS, NO_PROPERTIES } from "./codec/encode.js";
import { invalidArgument } from "./codec/errors.js";
import { encodeProperties } from "./codec/properties.js";
import { lengthOfPublishHeader, writePublishHeader } from "./codec/publish.js";
import { writeVariableInteger } from "./codec/writer.js";
import type { Output } from "./output.js";
import type { ProtocolVersion, ServerLimits, WriteOptions } from "./types.js";
import { checkId, checkPacketSize, notOffered, overflow, viewOf } from "./write-options.js";

const EMPTY = new Uint8Array(0);

/**
 * Writes a PUBLISH, to the topic of the output, with all of its payload or its first part.
 * @param first first byte of the packet
 * @param id packet identifier; 0 for none
 * @param properties their section; `undefined` in 3.1.1
 * @param byteLength of the whole payload
 * @returns 0 when it was written, or else the bytes that would have to be writable
 * @throws SealwireError `MQTT_PACKET_TOO_LARGE`, and what the transport throws
 */
export function writePublish(
  output: Output,
  first: number,
  id: number,
  properties: Uint8Array | undefined,
  part: Uint8Array,
  byteLength: number,
  limits: ServerLimits,
): number {
  const { topic } = output;
  const partLength = part.byteLength;
  const remaining = 2 + topic.byteLength + (id === 0 ? 0 : 2) + (properties ? properties.byteLength : 0) + byteLength;
  if (remaining > MAXIMUM_VARIABLE_INTEGER) throw invalidArgument("The message is larger than MQTT allows.");
  const headerLength = lengthOfPublishHeader(remaining, byteLength);
  checkPacketSize(headerLength + byteLength, limits);
  if (output.streaming > 0) throw payloadUnderWay();
  const length = headerLength + partLength;
  if (length > output.writable || length > output.bufferLength) {
    const needed = writeLong(output, first, id, properties, part, remaining, headerLength);
    if (needed > 0) return needed;
  } else {
    // As writePublishHeader() does, but here: the stack is deepest where a packet is written.
    let offset = output.reserve(length);
    const { buffer } = output;
    buffer[offset++] = first;
    if (remaining < 0x80) buffer[offset++] = remaining;
    else offset = writeVariableInteger(buffer, offset, remaining);
    buffer[offset++] = topic.byteLength >> 8;
    buffer[offset++] = topic.byteLength;
    if (topic.bytes) buffer.set(topic.bytes, offset);
    else writeUTF8(topic.text, buffer, offset);
    offset += topic.byteLength;
    if (id !== 0) {
      buffer[offset++] = id >> 8;
      buffer[offset++] = id;
    }
    if (properties) {
      buffer.set(properties, offset);
      offset += properties.byteLength;
    }
    buffer.set(part, offset);
    output.commit(offset + partLength);
  }
  if (byteLength > partLength) {
    output.flush();
    output.streaming = byteLength - partLength;
  }
  return 0;
}

/** Writes a head and a part that do not fit together into the buffer, or into what the transport takes. @returns as {@link writePublish} */
function writeLong(
  output: Output,
  first: number,
  id: number,
  properties: Uint8Array | undefined,
  part: Uint8Array,
  remaining: number,
  headerLength: number,
): number {
  const { topic, writable } = output;
  const length = headerLength + part.byteLength;
  if (length > writable) {
    // A head may be longer than all that the transport ever takes at once: alone it leaves in pieces.
    if (part.byteLength > 0 || writable === 0 || output.pending > 0) return length;
    const header = new Uint8Array(headerLength);
    writePublishHeader(header, 0, first, remaining, topic, id, properties);
    output.opening(header);
    return 0;
  }
  if (headerLength <= output.bufferLength) {
    const offset = output.reserve(headerLength);
    output.commit(writePublishHeader(output.buffer, offset, first, remaining, topic, id, properties));
  } else {
    const header = new Uint8Array(headerLength);
    writePublishHeader(header, 0, first, remaining, topic, id, properties);
    output.direct(header);
  }
  output.direct(part);
  return 0;
}

/** As {@link writePublish}, from options that are checked here. @param id packet identifier, `undefined` with QoS 0 */
export function publishChecked(
  output: Output,
  version: ProtocolVersion,
  limits: ServerLimits,
  data: BufferLike | null | undefined,
  options: WriteOptions,
  id: number | undefined,
): void {
  const { QoS = 0, retain, duplicate, topic } = options;
  let first = PUBLISH << 4;
  if (QoS !== 0) {
    checkQoS(QoS, "The option QoS"); // [MQTT-3.3.1-4]
    checkId(id);
    first |= QoS << 1;
    if (duplicate) first |= 0x08; // [MQTT-3.3.1-1]
  } else {
    if (duplicate) throw invalidArgument("The option duplicate must not be set with QoS 0."); // [MQTT-3.3.1-2]
    if (id !== undefined) throw invalidArgument("The option id must not be set with QoS 0."); // [MQTT-2.3.1-5], [MQTT-2.2.1-2]
  }
  if (retain) first |= 0x01;
  checkOffered(first, limits);
  const part = data == null ? EMPTY : viewOf(data);
  const { byteLength = part.byteLength } = options;
  if (byteLength !== part.byteLength && !(Number.isInteger(byteLength) && byteLength > part.byteLength))
    throw invalidArgument("The option byteLength must be an integer, at least the length of the data.");
  let properties: Uint8Array | undefined = version === 5 ? NO_PROPERTIES : undefined;
  if (options.properties !== undefined) properties = encodeChecked(options, limits);
  if (topic === "" && options.properties?.topicAlias !== undefined) output.topic.clear();
  else if (topic === undefined) throw invalidArgument("The option topic is missing.");
  else output.topic.set(topic);
  const needed = writePublish(output, first, id ?? 0, properties, part, byteLength, limits);
  if (needed > 0) throw overflow(needed, output.writable);
}

/** @throws SealwireError `UNSUPPORTED` when the server said that it does not take such a PUBLISH */
export function checkOffered(first: number, limits: ServerLimits): void {
  const QoS = (first >> 1) & 3;
  if (QoS > limits.maximumQoS) throw notOffered(`QoS ${QoS}`); // [MQTT-3.2.2-11]
  if ((first & 0x01) !== 0 && !limits.retainAvailable) throw notOffered("retained messages"); // [MQTT-3.2.2-14]
}

function encodeChecked(options: WriteOptions, limits: ServerLimits): Uint8Array {
  const properties = options.properties!;
  const { topicAlias } = properties;
  // [MQTT-3.3.2-9], [MQTT-3.3.2-10]
  if (topicAlias !== undefined && topicAlias > limits.topicAliasMaximum)
    throw invalidArgument(`The property topicAlias must be at most ${limits.topicAliasMaximum}, as the server said.`);
  // [MQTT-3.3.4-6]
  if (properties.subscriptionIdentifier !== undefined || properties.subscriptionIdentifiers !== undefined)
    throw invalidArgument("A client must not publish with subscription identifiers.");
  return encodeProperties(properties, PUBLISH);
}

/** Writes the next part of the payload under way. */
export function writePart(output: Output, data: BufferLike | null | undefined): void {
  const { streaming } = output;
  if (streaming === 0) throw new SealwireError("INVALID_STATE", "No payload is under way: the options are missing.");
  if (data == null) return;
  const part = viewOf(data);
  const length = part.byteLength;
  if (length > streaming) throw invalidArgument(`The data is longer than the ${streaming} bytes that are missing.`);
  if (length > output.writable) throw overflow(length, output.writable);
  output.direct(part);
  output.streaming = streaming - length;
}

export function payloadUnderWay(): SealwireError {
  return new SealwireError(
    "INVALID_STATE",
    "The payload of a message is under way: nothing can be written before its end.",
  );
}
