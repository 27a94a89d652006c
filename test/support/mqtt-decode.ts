/** Decodes a stream of MQTT bytes in pieces of a given size, payloads included, as a client or as a server. */
import { readControlFromServer } from "../../src/mqtt/codec/control.js";
import { Decoder, type DecoderOptions } from "../../src/mqtt/codec/decoder.js";
import { readControlFromClient, type ClientMessage } from "../../src/mqtt/codec/server.js";
import type { ControlMessage, InboundMessage, ProtocolVersion } from "../../src/mqtt/index.js";

/** A PUBLISH with its payload. */
export interface WholeMessage extends InboundMessage {
  readonly operation: 3;
  readonly payload: Uint8Array;
}

export type Decoded = WholeMessage | ControlMessage | ClientMessage;

export interface DecodeOptions extends Partial<Omit<DecoderOptions<never>, "version" | "readControl">> {
  readonly role?: "client" | "server";
  /** Bytes that arrive at a time; 65536 when left out. */
  readonly fragment?: number;
}

export function createDecoder(version: ProtocolVersion, options: DecodeOptions = {}): Decoder<Decoded> {
  const { role = "client" } = options;
  return new Decoder<Decoded>({
    version,
    readControl: role === "client" ? readControlFromServer : readControlFromClient,
    windowLength: 64,
    topicLength: 65535,
    controlPacketSize: 1_000_000,
    maximumPacketSize: 268_435_460,
    topicAliasMaximum: 0,
    propertiesLength: 1_000_000,
    userProperties: 1000,
    problemInformation: true,
    ...options,
  });
}

/** @throws what the decoder throws */
export function decodeAll(
  version: ProtocolVersion,
  stream: Uint8Array | readonly number[],
  options: DecodeOptions = {},
  decoder = createDecoder(version, options),
): Decoded[] {
  const bytes = Uint8Array.from(stream);
  const fragment = options.fragment ?? 65536;
  const found: Decoded[] = [];
  let offset = 0;
  let message: { payload: Uint8Array; filled: number } | undefined;
  for (;;) {
    if (message && message.filled < message.payload.byteLength) {
      const count = Math.min(decoder.buffered, message.payload.byteLength - message.filled);
      decoder.take(message.payload.subarray(message.filled), count);
      message.filled += count;
    }
    if (message && message.filled === message.payload.byteLength) {
      found.push({ operation: 3, ...decoder.message!, payload: message.payload });
      message = undefined;
    }
    const type = message ? 0 : decoder.next();
    if (type === 3) message = { payload: new Uint8Array(decoder.message!.byteLength), filled: 0 };
    else if (type !== 0) found.push(decoder.control!);
    else if (offset === bytes.byteLength) return found;
    else {
      const space = decoder.space();
      const count = Math.min(space.byteLength, fragment, bytes.byteLength - offset);
      space.set(bytes.subarray(offset, offset + count));
      decoder.filled(count);
      offset += count;
    }
  }
}
