/**
 * Reads what a broker sends to a device, and tells where it breaks rules that no client can make good:
 *
 * - It must not send PUBLISH again once it has sent PUBREL [MQTT-4.3.3-1]: the client has forgotten the identifier by then and must take it for a
 *   new message.
 * - It must send the messages of a topic in the order in which they were published [MQTT-4.6.0-5].
 *
 * Mosquitto 2.0.11 breaks both when a client with messages in flight comes back and is cut off again.
 */
import { type Assured, type Numbered, decode } from "./numbered.js";

const PUBLISH = 3;
const PUBREL = 6;

/** What is done about it. */
export interface Faults {
  /** The message came again after its PUBREL. */
  repeated(message: Numbered): void;
  /** The message came before one that was published earlier. */
  early(message: Numbered): void;
}

/** Splits a stream into packets: type, flags, and what follows the fixed header. */
class PacketReader {
  #rest: Buffer = Buffer.alloc(0);
  readonly #onPacket: (type: number, flags: number, body: Buffer) => void;

  constructor(onPacket: (type: number, flags: number, body: Buffer) => void) {
    this.#onPacket = onPacket;
  }

  feed(chunk: Buffer): void {
    let bytes = this.#rest.byteLength === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    for (;;) {
      const length = readVariable(bytes, 1);
      if (!length || bytes.byteLength < length.next + length.value) break;
      const first = bytes[0]!;
      const end = length.next + length.value;
      this.#onPacket(first >> 4, first & 15, bytes.subarray(length.next, end));
      bytes = bytes.subarray(end);
    }
    this.#rest = bytes;
  }
}

function readVariable(bytes: Buffer, offset: number): { value: number; next: number } | undefined {
  let value = 0;
  for (let shift = 0; offset < bytes.byteLength; shift += 7) {
    const byte = bytes[offset++]!;
    value |= (byte & 127) << shift;
    if (byte < 128) return { value, next: offset };
  }
  return undefined;
}

/** Messages of one QoS that were sent at least once. */
class Lane {
  readonly #sent = new Set<number>();
  #next = 1;

  /** @returns whether one that was published earlier was never sent before */
  add(number: number): boolean {
    if (this.#sent.has(number)) return false;
    this.#sent.add(number);
    const early = number > this.#next;
    while (this.#sent.has(this.#next)) this.#next++;
    return early;
  }
}

export class BrokerConduct {
  readonly #version: 4 | 5;
  readonly #faults: Faults;
  readonly #lanes: Record<Assured, Lane> = { 1: new Lane(), 2: new Lane() };
  /** QoS 2: the message that each packet identifier stands for. */
  readonly #identified = new Map<number, number>();
  /** QoS 2: messages of which PUBREL was sent. */
  readonly #released = new Set<number>();

  constructor(version: 4 | 5, faults: Faults) {
    this.#version = version;
    this.#faults = faults;
  }

  /** A connection begins. @returns takes what arrives at the device: bytes that a cut swallowed were not said */
  connection(): (bytes: Buffer) => void {
    const reader = new PacketReader((type, flags, body) => {
      if (type === PUBREL) {
        const number = this.#identified.get(body.readUInt16BE());
        if (number !== undefined) this.#released.add(number);
      }
      if (type === PUBLISH && (flags & 6) !== 0) this.#published(body);
    });
    return (bytes) => reader.feed(bytes);
  }

  #published(body: Buffer): void {
    let offset = 2 + body.readUInt16BE();
    const id = body.readUInt16BE(offset);
    offset += 2;
    if (this.#version === 5) {
      const properties = readVariable(body, offset);
      offset = (properties?.next ?? offset) + (properties?.value ?? 0);
    }
    const message = decode(body.subarray(offset));
    if (!message) return;
    const { qos, number } = message;
    if (this.#lanes[qos].add(number)) this.#faults.early(message);
    if (qos === 1) return;
    if (this.#released.has(number)) this.#faults.repeated(message);
    this.#identified.set(id, number);
  }
}
