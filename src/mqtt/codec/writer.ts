/**
 * Writes the data types of MQTT (5.0 section 1.5). Without a target it only counts, so that the same code first measures and checks a
 * packet, then writes it.
 */
import { toBytes, writeUTF8 } from "../../bytes.js";
import type { BufferLike } from "../../platform.js";
import { MAXIMUM_VARIABLE_INTEGER } from "./constants.js";
import { invalidArgument } from "./errors.js";
import { checkString } from "./topic.js";

/** Bytes that a variable byte integer takes. */
export function lengthOfVariableInteger(value: number): number {
  return value < 0x80 ? 1 : value < 0x4000 ? 2 : value < 0x20_0000 ? 3 : 4;
}

/** @returns the offset behind it */
export function writeVariableInteger(target: Uint8Array, offset: number, value: number): number {
  while (value > 0x7f) {
    target[offset++] = (value & 0x7f) | 0x80;
    value >>>= 7;
  }
  target[offset++] = value;
  return offset;
}

export class Writer {
  readonly target: Uint8Array | undefined;
  /** Where the next byte goes; without a target, how many bytes there are so far. */
  offset: number;

  constructor(target?: Uint8Array, offset = 0) {
    this.target = target;
    this.offset = offset;
  }

  byte(value: number): void {
    if (this.target) this.target[this.offset] = value;
    this.offset += 1;
  }

  twoBytes(value: number): void {
    const { target, offset } = this;
    if (target) {
      target[offset] = value >> 8;
      target[offset + 1] = value;
    }
    this.offset = offset + 2;
  }

  fourBytes(value: number): void {
    const { target, offset } = this;
    if (target) {
      target[offset] = value >>> 24;
      target[offset + 1] = value >>> 16;
      target[offset + 2] = value >>> 8;
      target[offset + 3] = value;
    }
    this.offset = offset + 4;
  }

  variable(value: number): void {
    if (this.target) this.offset = writeVariableInteger(this.target, this.offset, value);
    else this.offset += lengthOfVariableInteger(value);
  }

  /** @param what how error messages call it */
  string(text: string, what: string): void {
    const target = this.target;
    if (target) {
      const start = this.offset;
      this.offset = writeUTF8(text, target, start + 2);
      const byteLength = this.offset - start - 2;
      target[start] = byteLength >> 8;
      target[start + 1] = byteLength & 0xff;
    } else this.offset += 2 + checkString(text, what);
  }

  /** Binary data with its length; text becomes UTF-8. */
  binary(data: BufferLike, what: string): void {
    if (data.byteLength > 0xffff) throw invalidArgument(`${what} is longer than 65,535 bytes.`);
    this.twoBytes(data.byteLength);
    this.bytes(data);
  }

  bytes(data: BufferLike): void {
    this.target?.set(toBytes(data), this.offset);
    this.offset += data.byteLength;
  }
}

/**
 * Makes room for one packet and writes its fixed header.
 * @param first first byte: packet type and flags
 * @param remaining bytes of what follows the fixed header; whoever writes it first measures it with a writer that has no target
 */
export function beginPacket(first: number, remaining: number): Writer & { readonly target: Uint8Array } {
  if (remaining > MAXIMUM_VARIABLE_INTEGER) throw invalidArgument("The packet is larger than MQTT allows.");
  const target = new Uint8Array(1 + lengthOfVariableInteger(remaining) + remaining);
  target[0] = first;
  return new Writer(target, writeVariableInteger(target, 1, remaining)) as Writer & { readonly target: Uint8Array };
}

/**
 * Makes one packet.
 * @param first first byte: packet type and flags
 * @param body writes what follows the fixed header; called twice, checks the first time
 */
export function makePacket(first: number, body: (writer: Writer) => void): Uint8Array {
  const measure = new Writer();
  body(measure);
  const writer = beginPacket(first, measure.offset);
  body(writer);
  return writer.target;
}
