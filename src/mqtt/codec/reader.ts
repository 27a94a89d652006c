/** Reads the data types of MQTT (5.0 section 1.5) from a packet that is there as a whole. Every read is checked against the packet's end. */
import { fromUTF8 } from "../../bytes.js";
import { malformed, protocolError } from "./errors.js";

export class Reader {
  private readonly bytes: Uint8Array;
  offset = 0;
  end: number;

  constructor(bytes: Uint8Array, start = 0, end = bytes.byteLength) {
    this.bytes = bytes;
    this.offset = start;
    this.end = end;
  }

  get left(): number {
    return this.end - this.offset;
  }

  byte(): number {
    if (this.offset >= this.end) throw cutShort();
    return this.bytes[this.offset++]!;
  }

  twoBytes(): number {
    const offset = this.offset;
    if (offset + 2 > this.end) throw cutShort();
    this.offset = offset + 2;
    return (this.bytes[offset]! << 8) | this.bytes[offset + 1]!;
  }

  fourBytes(): number {
    const high = this.twoBytes();
    return high * 0x1_0000 + this.twoBytes();
  }

  /** A variable byte integer, in its shortest form [MQTT-1.5.5-1]. */
  variable(): number {
    let value = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.byte();
      value |= (byte & 0x7f) << shift;
      if (byte >= 0x80) continue;
      if (byte === 0 && shift > 0) throw malformed("a variable byte integer is longer than needed");
      return value;
    }
    throw malformed("a variable byte integer is longer than four bytes");
  }

  string(): string {
    const start = this.skip();
    return stringFrom(this.bytes, start, this.offset);
  }

  /** @returns a copy: the input buffer is used again */
  binary(): Uint8Array {
    const start = this.skip();
    return this.bytes.slice(start, this.offset);
  }

  /** A packet identifier is never 0: [MQTT-2.3.1-1], [MQTT-2.2.1-3], [MQTT-2.2.1-4]. */
  identifier(): number {
    const id = this.twoBytes();
    if (id === 0) throw protocolError("a packet identifier is 0");
    return id;
  }

  /** A packet must be used up by its fields. */
  finish(): void {
    if (this.offset !== this.end) throw malformed("a packet is longer than its fields");
  }

  /** Reads a length of two bytes and moves behind that many bytes. @returns where they start */
  private skip(): number {
    const byteLength = this.twoBytes();
    const start = this.offset;
    if (start + byteLength > this.end) throw cutShort();
    this.offset = start + byteLength;
    return start;
  }
}

/** Strict UTF-8 without U+0000: [MQTT-1.5.3-1], [MQTT-1.5.3-2] (3.1.1), [MQTT-1.5.4-1], [MQTT-1.5.4-2] (5.0). */
export function stringFrom(bytes: Uint8Array, start: number, end: number): string {
  const text = fromUTF8(bytes, start, end);
  if (text === undefined) throw malformed("a string is not well-formed UTF-8");
  if (text.includes("\0")) throw malformed("a string holds U+0000");
  return text;
}

function cutShort(): Error {
  return malformed("a packet is shorter than its fields");
}
