/**
 * Takes packets out of a stream of bytes, whatever pieces it comes in.
 *
 * The decoder holds one window of bytes that were read and not used yet. A packet other than PUBLISH is decoded when the window holds all of
 * it, a PUBLISH when it holds the variable header; the payload is never gathered here. The window grows with what arrives at once up to a
 * fixed length, and beyond it only for a packet that needs more, after its lengths were checked against the limits.
 */
import type { InboundMessage, ProtocolVersion, QoS, ReceivedProperties } from "../types.js";
import { AUTH, PUBLISH, REASON_TOPIC_ALIAS_INVALID, REASON_TOPIC_NAME_INVALID, nameOfPacket } from "./constants.js";
import type { ControlReader } from "./control.js";
import { malformed, protocolError, tooLarge } from "./errors.js";
import { checkPropertiesLength, readProperties, type PropertyRules } from "./properties.js";
import { Reader, stringFrom } from "./reader.js";

/** What a decoder accepts. */
export interface DecoderOptions<Message> extends PropertyRules {
  readonly version: ProtocolVersion;
  readonly readControl: ControlReader<Message>;
  /** Bytes of the window, at most. */
  readonly windowLength: number;
  /** Longest topic name, in bytes. */
  readonly topicLength: number;
  /** Largest packet other than PUBLISH, in bytes. */
  readonly controlPacketSize: number;
  /** Largest packet of any type, in bytes, as this side announced it. */
  readonly maximumPacketSize: number;
  /** Highest topic alias, as this side announced it. */
  readonly topicAliasMaximum: number;
}

/** A message whose parts are being received. */
export type Inbound = { -readonly [Name in keyof InboundMessage]: InboundMessage[Name] };

/** Topic names up to this length are remembered, to make no new string for a topic that comes again and again. */
const REMEMBERED_TOPIC = 128;
/** Bytes of a window that holds little: it grows when more arrives at once. */
const SMALLEST_WINDOW = 64;
const EMPTY = new Uint8Array(0);

export class Decoder<Message> {
  /** Packet types that may arrive now: bit n stands for type n. Others end the connection. */
  expected = 0xffff;
  /** The packet that {@link next} found, when it is not PUBLISH. */
  control: Message | undefined;
  /** The PUBLISH that {@link next} found. Its payload must be taken before {@link next} is called again. */
  message: Inbound | undefined;

  private readonly options: DecoderOptions<Message>;
  /** The window; empty while nothing arrived. */
  private bytes: Uint8Array<ArrayBuffer> = EMPTY;
  private start = 0;
  private end = 0;
  /** Bytes that must be there, counted from `start`, before a look at them is worth while. */
  private need = 2;
  /** Topic aliases of the server, from the first one on. */
  declare private aliases?: string[];
  declare private topic?: string;
  declare private topicBytes?: Uint8Array;
  declare private topicLength?: number;

  constructor(options: DecoderOptions<Message>) {
    this.options = options;
  }

  /** Bytes of the window, at most. */
  get windowLength(): number {
    return this.options.windowLength;
  }

  /** Bytes in the window that were not used yet. */
  get buffered(): number {
    return this.end - this.start;
  }

  /**
   * Where the next bytes of the stream shall be put; tell {@link filled} how many came. Never empty.
   * @param count how many are there: the window grows for them, up to its bound
   */
  space(count = this.options.windowLength): Uint8Array {
    const { bytes, need } = this;
    const { windowLength } = this.options;
    const held = this.end - this.start;
    if (held === 0) this.start = this.end = 0;
    const wanted = Math.max(need, Math.min(windowLength, Math.max(held + count, SMALLEST_WINDOW)));
    if (wanted > bytes.byteLength || (held === 0 && wanted <= windowLength && bytes.byteLength > windowLength)) {
      const window = new Uint8Array(wanted);
      if (held > 0) window.set(bytes.subarray(this.start, this.end));
      this.bytes = window;
      this.start = 0;
      this.end = held;
    } else if (this.start + need > bytes.byteLength || this.end === bytes.byteLength) {
      bytes.copyWithin(0, this.start, this.end);
      this.start = 0;
      this.end = held;
    }
    return this.end === 0 ? this.bytes : this.bytes.subarray(this.end);
  }

  /** Gives the window's memory back, while it is empty. */
  shrink(): void {
    if (this.start !== this.end) return;
    this.drop();
    this.bytes = EMPTY;
  }

  /** Gives the window away, with the bytes in it. */
  detach(): Uint8Array {
    const part = this.bytes.subarray(this.start, this.end);
    this.drop();
    this.bytes = EMPTY;
    return part;
  }

  filled(count: number): void {
    this.end += count;
  }

  /** Makes {@link space} leave room for a payload of this length, at most the window's. */
  expect(count: number): void {
    this.need = count;
  }

  /** Moves `count` bytes of payload out of the window. There must be as many. */
  take(target: Uint8Array, count: number): void {
    const start = this.start;
    target.set(this.bytes.subarray(start, start + count));
    this.start = start + count;
    this.need = 2;
  }

  /** As {@link take}, into a buffer of its own. */
  slice(count: number): ArrayBuffer {
    const start = this.start;
    const { buffer, byteOffset } = this.bytes;
    this.start = start + count;
    this.need = 2;
    return buffer.slice(byteOffset + start, byteOffset + start + count);
  }

  /** Passes over payload in the window. @returns the number of bytes passed over, at most `count` */
  skip(count: number): number {
    const skipped = Math.min(count, this.buffered);
    this.start += skipped;
    this.need = 2;
    return skipped;
  }

  /** Forgets the bytes in the window. */
  drop(): void {
    this.start = this.end = 0;
    this.need = 2;
  }

  /**
   * Looks for a packet.
   * @returns its type, with {@link message} or {@link control} set; 0 when more bytes are needed
   * @throws SealwireError `MQTT_MALFORMED_PACKET`, `MQTT_PROTOCOL_ERROR`, `MQTT_PACKET_TOO_LARGE`, with the reason code to disconnect with
   */
  next(): number {
    const available = this.end - this.start;
    if (available < this.need) return 0;
    const bytes = this.bytes;
    let offset = this.start;
    const first = bytes[offset++]!;
    let remaining = bytes[offset++]!;
    const type = first >> 4;
    if ((this.expected & (1 << type)) === 0) throw this.unexpected(type);
    if (remaining > 0x7f) {
      // The remaining length, a variable byte integer (section 2.1.4 of 5.0, 2.2.3 of 3.1.1)
      remaining &= 0x7f;
      for (let shift = 7; ; shift += 7) {
        if (shift > 21) throw malformed("a remaining length is longer than four bytes");
        if (offset === this.end) return this.wait(offset + 1);
        const byte = bytes[offset++]!;
        remaining |= (byte & 0x7f) << shift;
        if (byte > 0x7f) continue;
        if (byte === 0 && this.options.version === 5) throw malformed("a remaining length is longer than needed"); // [MQTT-1.5.5-1]
        break;
      }
    }
    const end = offset + remaining;
    const size = end - this.start;
    if (size > this.options.maximumPacketSize)
      throw tooLarge(`a packet of ${size} bytes, more than ${this.options.maximumPacketSize}`);
    if (type === PUBLISH) return this.publish(first, offset, end);
    if (size > this.options.controlPacketSize)
      throw tooLarge(`${nameOfPacket(type)} of ${size} bytes, more than ${this.options.controlPacketSize}`);
    if (end > this.end) return this.wait(end);
    const { options } = this;
    this.control = options.readControl(options.version, first, new Reader(bytes, offset, end), options);
    this.start = end;
    this.need = 2;
    return type;
  }

  /** Decodes the variable header of a PUBLISH (section 3.3). */
  private publish(first: number, offset: number, end: number): number {
    const { version } = this.options;
    const qos = (first >> 1) & 3;
    if (qos === 3) throw malformed("PUBLISH has QoS 3"); // [MQTT-3.3.1-4]
    if (qos === 0 && (first & 0x08) !== 0) throw malformed("PUBLISH has DUP with QoS 0"); // [MQTT-3.3.1-2]
    const bytes = this.bytes;
    if (offset + 2 > end) throw malformed("PUBLISH is shorter than its fields");
    if (offset + 2 > this.end) return this.wait(offset + 2);
    const topicLength = (bytes[offset]! << 8) | bytes[offset + 1]!;
    offset += 2;
    const topicEnd = offset + topicLength;
    let headerEnd = topicEnd + (qos === 0 ? 0 : 2);
    // An empty property section is one byte.
    if (headerEnd + (version === 5 ? 1 : 0) > end) throw malformed("PUBLISH is shorter than its fields");
    if (topicLength > this.options.topicLength)
      throw tooLarge(`a topic of ${topicLength} bytes, more than ${this.options.topicLength}`);
    const propertiesStart = headerEnd;
    if (version === 5) {
      headerEnd = this.endOfProperties(propertiesStart, end);
      if (headerEnd === 0) return 0;
    }
    if (headerEnd > this.end) return this.wait(headerEnd);

    let topic = topicLength === 0 ? "" : this.topicFrom(offset, topicEnd);
    let id = 0;
    if (qos !== 0) {
      id = (bytes[topicEnd]! << 8) | bytes[topicEnd + 1]!;
      if (id === 0) throw protocolError("a packet identifier is 0"); // [MQTT-2.3.1-1] (3.1.1), [MQTT-2.2.1-4] (5.0)
    }
    let properties: ReceivedProperties | undefined;
    if (headerEnd - propertiesStart > 1) {
      properties = readProperties(new Reader(bytes, propertiesStart, headerEnd), PUBLISH, this.options);
      if (properties?.topicAlias !== undefined) {
        topic = this.aliased(topic, properties.topicAlias);
        properties = withoutAlias(properties);
      }
    }
    if (topic === "") throw noTopic(version);
    this.start = headerEnd;
    this.need = 2;
    this.message = {
      topic,
      QoS: qos as QoS,
      retain: (first & 0x01) !== 0,
      duplicate: (first & 0x08) !== 0,
      id,
      byteLength: end - headerEnd,
      more: false,
      properties,
    };
    return PUBLISH;
  }

  /** Finds where the properties end, from their length; 0 when it is not there yet. */
  private endOfProperties(start: number, end: number): number {
    let length = 0;
    let offset = start;
    for (let shift = 0; ; shift += 7) {
      if (shift > 21) throw malformed("a variable byte integer is longer than four bytes");
      if (offset === end) throw malformed("PUBLISH is shorter than its fields");
      if (offset >= this.end) return this.wait(offset + 1);
      const byte = this.bytes[offset++]!;
      length |= (byte & 0x7f) << shift;
      if (byte > 0x7f) continue;
      break;
    }
    if (offset + length > end) throw malformed("the properties are longer than the packet");
    checkPropertiesLength(length, this.options);
    return offset + length;
  }

  /** The topic name between two offsets: the string of the last message when it is the same again. */
  private topicFrom(start: number, end: number): string {
    const bytes = this.bytes;
    const length = end - start;
    const remembered = this.topicBytes;
    if (length === this.topicLength && remembered) {
      let i = 0;
      while (i < length && remembered[i] === bytes[start + i]) i++;
      if (i === length) return this.topic!;
    }
    for (let i = start; i < end; i++)
      if (bytes[i] === 0x23 || bytes[i] === 0x2b)
        throw malformed("a topic name holds a wildcard", REASON_TOPIC_NAME_INVALID); // [MQTT-3.3.2-2]
    const topic = stringFrom(bytes, start, end);
    if (length <= REMEMBERED_TOPIC) {
      let copy = this.topicBytes;
      if (!copy || copy.byteLength < length) copy = this.topicBytes = new Uint8Array(length);
      for (let i = 0; i < length; i++) copy[i] = bytes[start + i]!;
      this.topic = topic;
      this.topicLength = length;
    }
    return topic;
  }

  /** Learns or uses a topic alias (MQTT 5.0 section 3.3.2.3.4). The table is bounded by what this side announced. */
  private aliased(topic: string, alias: number): string {
    // [MQTT-3.3.2-9], [MQTT-3.3.2-11]
    if (alias > this.options.topicAliasMaximum)
      throw protocolError("a topic alias is higher than the announced maximum", REASON_TOPIC_ALIAS_INVALID);
    this.aliases ??= [];
    if (topic !== "") return (this.aliases[alias] = topic);
    const known = this.aliases[alias];
    if (known === undefined) throw protocolError("a topic alias is not known"); // section 3.3.2.3.4
    return known;
  }

  private unexpected(type: number): Error {
    if (type === 0 || (type === AUTH && this.options.version === 4))
      return malformed(`packet type ${type} is reserved`);
    return protocolError(`${nameOfPacket(type)} is not allowed now`);
  }

  /** Asks for all bytes before this offset. */
  private wait(offset: number): 0 {
    this.need = offset - this.start;
    return 0;
  }
}

function withoutAlias(properties: ReceivedProperties): ReceivedProperties | undefined {
  const rest: { -readonly [Name in keyof ReceivedProperties]: ReceivedProperties[Name] } = { ...properties };
  delete rest.topicAlias;
  return Object.keys(rest).length === 0 ? undefined : rest;
}

/** [MQTT-4.7.3-1]; in 5.0 a topic name may be empty with a topic alias only (section 3.3.2.1) */
function noTopic(version: ProtocolVersion): Error {
  return version === 5 ? protocolError("PUBLISH has no topic") : malformed("PUBLISH has an empty topic");
}
