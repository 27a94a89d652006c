/**
 * Reads what a broker and a device say to each other, and tells where the broker breaks the rule that no client can make good: it must not send
 * PUBLISH again once it has sent PUBREL [MQTT-4.3.3-1], for the client has forgotten the identifier by then and must take it for a new message.
 *
 * Mosquitto 2.0.11 does, when the connection on which it repeated a PUBREL is cut before PUBCOMP.
 */

const PUBLISH = 3;
const PUBREL = 6;
const PUBCOMP = 7;

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

export interface Watched {
  fromBroker(bytes: Buffer): void;
  fromDevice(bytes: Buffer): void;
}

export class BrokerConduct {
  readonly #version: 4 | 5;
  readonly #onFault: (payload: Buffer) => void;
  /** Identifiers of which the broker has sent PUBREL and not got PUBCOMP. They outlive connections. */
  readonly #released = new Set<number>();

  /** @param onFault called with the payload of a PUBLISH that must not have been sent again */
  constructor(version: 4 | 5, onFault: (payload: Buffer) => void) {
    this.#version = version;
    this.#onFault = onFault;
  }

  /** A connection of the device begins. What is fed is what arrives: bytes that a cut swallowed were not said. */
  connection(): Watched {
    const broker = new PacketReader((type, flags, body) => {
      if (type === PUBREL) this.#released.add(body.readUInt16BE());
      if (type === PUBLISH && (flags & 6) === 4) this.#published((flags & 8) !== 0, body);
    });
    const device = new PacketReader((type, _flags, body) => {
      if (type === PUBCOMP) this.#released.delete(body.readUInt16BE());
    });
    return { fromBroker: (bytes) => broker.feed(bytes), fromDevice: (bytes) => device.feed(bytes) };
  }

  #published(duplicate: boolean, body: Buffer): void {
    let offset = 2 + body.readUInt16BE();
    const id = body.readUInt16BE(offset);
    offset += 2;
    if (!this.#released.delete(id) || !duplicate) return;
    if (this.#version === 5) {
      const properties = readVariable(body, offset);
      offset = (properties?.next ?? offset) + (properties?.value ?? 0);
    }
    this.#onFault(body.subarray(offset));
  }
}
