/** Writes PUBLISH packets, whole or in parts. */
import { SealwireError } from "../errors.js";
import type { BufferLike } from "../platform.js";
import { MAXIMUM_VARIABLE_INTEGER, PUBLISH } from "./codec/constants.js";
import { checkQoS } from "./codec/encode.js";
import { invalidArgument } from "./codec/errors.js";
import { encodeProperties } from "./codec/properties.js";
import { OutboundTopic, lengthOfPublishHeader, writePublishHeader } from "./codec/publish.js";
import type { Output } from "./output.js";
import type { ProtocolVersion, ServerLimits, WriteOptions } from "./types.js";
import { checkId, checkPacketSize, notOffered, overflow, viewOf } from "./write-options.js";

const EMPTY = new Uint8Array(0);
/** A property section without properties (MQTT 5.0 section 2.2.2.1). */
const NO_PROPERTIES = Uint8Array.of(0);

export class Publisher {
  readonly #output: Output;
  readonly #noProperties: Uint8Array | undefined;
  readonly #topic = new OutboundTopic();

  constructor(output: Output, version: ProtocolVersion) {
    this.#output = output;
    this.#noProperties = version === 5 ? NO_PROPERTIES : undefined;
  }

  /** Writes a PUBLISH with all of its payload or its first part. @param id packet identifier, `undefined` with QoS 0 */
  publish(
    data: BufferLike | null | undefined,
    options: WriteOptions,
    id: number | undefined,
    limits: ServerLimits,
  ): void {
    const output = this.#output;
    const { QoS = 0, retain, duplicate, topic } = options;
    let first = PUBLISH << 4;
    if (QoS !== 0) {
      checkQoS(QoS, "The option QoS"); // [MQTT-3.3.1-4]
      if (QoS > limits.maximumQoS) throw notOffered(`QoS ${QoS}`); // [MQTT-3.2.2-11]
      checkId(id);
      first |= QoS << 1;
      if (duplicate) first |= 0x08; // [MQTT-3.3.1-1]
    } else {
      if (duplicate) throw invalidArgument("The option duplicate must not be set with QoS 0."); // [MQTT-3.3.1-2]
      if (id !== undefined) throw invalidArgument("The option id must not be set with QoS 0."); // [MQTT-2.3.1-5], [MQTT-2.2.1-2]
    }
    if (retain) {
      if (!limits.retainAvailable) throw notOffered("retained messages"); // [MQTT-3.2.2-14]
      first |= 0x01;
    }
    const payload = data == null ? EMPTY : viewOf(data);
    const partLength = payload.byteLength;
    const { byteLength = partLength } = options;
    if (byteLength !== partLength && !(Number.isInteger(byteLength) && byteLength > partLength))
      throw invalidArgument("The option byteLength must be an integer, at least the length of the data.");
    let properties = this.#noProperties;
    if (options.properties !== undefined) properties = this.#properties(options, limits);
    if (topic === "" && options.properties?.topicAlias !== undefined) this.#topic.clear();
    else if (topic === undefined) throw invalidArgument("The option topic is missing.");
    else this.#topic.set(topic);

    const variable = 2 + this.#topic.byteLength + (QoS === 0 ? 0 : 2) + (properties ? properties.byteLength : 0);
    const remaining = variable + byteLength;
    if (remaining > MAXIMUM_VARIABLE_INTEGER) throw invalidArgument("The message is larger than MQTT allows.");
    const headerLength = lengthOfPublishHeader(remaining, byteLength);
    checkPacketSize(headerLength + byteLength, limits);
    if (output.streaming > 0) throw payloadUnderWay();
    const length = headerLength + partLength;
    if (length > output.writable) throw overflow(length, output.writable);

    if (length <= output.bufferLength) {
      const buffer = output.buffer;
      let offset = output.reserve(length);
      offset = writePublishHeader(buffer, offset, first, remaining, this.#topic, id ?? 0, properties);
      buffer.set(payload, offset);
      output.commit(offset + partLength);
    } else {
      const fits = headerLength <= output.bufferLength;
      const header = fits ? output.buffer : new Uint8Array(headerLength);
      const offset = fits ? output.reserve(headerLength) : 0;
      const end = writePublishHeader(header, offset, first, remaining, this.#topic, id ?? 0, properties);
      if (fits) output.commit(end);
      else output.direct(header);
      output.direct(payload);
    }
    if (byteLength > partLength) {
      output.flush();
      output.streaming = byteLength - partLength;
    }
  }

  #properties(options: WriteOptions, limits: ServerLimits): Uint8Array {
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
  part(data: BufferLike | null | undefined): void {
    const output = this.#output;
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
}

export function payloadUnderWay(): SealwireError {
  return new SealwireError(
    "INVALID_STATE",
    "The payload of a message is under way: nothing can be written before its end.",
  );
}
