/** Writes the header of a PUBLISH in place: the packet that is sent most. */
import { toUTF8, writeUTF8 } from "../../bytes.js";
import { checkTopicName } from "./topic.js";
import { lengthOfVariableInteger, writeVariableInteger } from "./writer.js";

/** Topic names up to this length are kept as bytes while they are published to again and again. */
const REMEMBERED_TOPIC = 256;

/**
 * The topic name of the present message. For messages in a row that have the same one, it is checked once, and encoded once from the second on: a
 * topic that changes with each message costs no memory.
 */
export class OutboundTopic {
  text = "";
  /** The same in UTF-8, once it came twice. */
  declare bytes?: Uint8Array | undefined;
  /** In UTF-8, in bytes. */
  byteLength = 0;

  /** @param what how error messages call it. @throws SealwireError `INVALID_ARGUMENT` when it is no topic name; the topic before is kept then */
  set(text: string, what = "The option topic"): void {
    if (text === this.text && text !== "") {
      if (!this.bytes && this.byteLength <= REMEMBERED_TOPIC) this.bytes = toUTF8(text);
      return;
    }
    this.byteLength = checkTopicName(text, what);
    this.text = text;
    if (this.bytes) this.bytes = undefined;
  }

  /** The empty topic name that goes with a topic alias (MQTT 5.0 section 3.3.2.1). */
  clear(): void {
    this.text = "";
    if (this.bytes) this.bytes = undefined;
    this.byteLength = 0;
  }
}

/** Bytes of a PUBLISH before its payload. @param remaining its remaining length @param payload bytes of its payload */
export function lengthOfPublishHeader(remaining: number, payload: number): number {
  return 1 + lengthOfVariableInteger(remaining) + remaining - payload;
}

/**
 * Writes the header (section 3.3).
 * @param first first byte: packet type and flags
 * @param id packet identifier, 0 for none
 * @param properties encoded properties, `undefined` for none; MQTT 5.0 needs at least the byte that says so
 * @returns the offset behind it
 */
export function writePublishHeader(
  target: Uint8Array,
  offset: number,
  first: number,
  remaining: number,
  topic: OutboundTopic,
  id: number,
  properties: Uint8Array | undefined,
): number {
  target[offset++] = first;
  if (remaining < 0x80) target[offset++] = remaining;
  else offset = writeVariableInteger(target, offset, remaining);
  const { byteLength } = topic;
  target[offset] = byteLength >> 8;
  target[offset + 1] = byteLength & 0xff;
  if (topic.bytes) target.set(topic.bytes, offset + 2);
  else writeUTF8(topic.text, target, offset + 2);
  offset += 2 + byteLength;
  if (id !== 0) {
    target[offset] = id >> 8;
    target[offset + 1] = id & 0xff;
    offset += 2;
  }
  if (properties) {
    target.set(properties, offset);
    offset += properties.byteLength;
  }
  return offset;
}
