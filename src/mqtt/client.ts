/** One MQTT connection: the ECMA-419 MQTT client class pattern. Nothing durable is kept here. */
import { SealwireError } from "../errors.js";
import type { BufferLike } from "../platform.js";
import type { MQTTClientOptions, ProtocolVersion, ServerLimits, WriteOptions } from "./types.js";

/**
 * An MQTT 3.1.1 or 5.0 client for one connection, streaming in both directions. It dies with its transport; what outlives a
 * connection is the business of `MQTTSession`.
 *
 * Small packets that are written outside of a callback are joined and leave at the end of the present job (a microtask), or as soon as
 * the output buffer is full; DISCONNECT leaves at once. Packets written in a callback leave when the callback returns.
 */
export class MQTTClient {
  static readonly CONNECT = 1;
  static readonly CONNACK = 2;
  static readonly PUBLISH = 3;
  static readonly PUBACK = 4;
  static readonly PUBREC = 5;
  static readonly PUBREL = 6;
  static readonly PUBCOMP = 7;
  static readonly SUBSCRIBE = 8;
  static readonly SUBACK = 9;
  static readonly UNSUBSCRIBE = 10;
  static readonly UNSUBACK = 11;
  static readonly PINGREQ = 12;
  static readonly PINGRESP = 13;
  static readonly DISCONNECT = 14;
  static readonly AUTH = 15;

  /** @throws SealwireError `INVALID_ARGUMENT` naming the option; what the transport or resolver class throws */
  constructor(options: MQTTClientOptions<MQTTClient>) {
    void options;
  }

  get version(): ProtocolVersion {
    return 4;
  }

  /** What the server allows; before CONNACK what `pipeline` said, or the defaults. */
  get limits(): ServerLimits {
    throw new SealwireError("UNSUPPORTED", "Not there yet.");
  }

  /** Bytes that {@link write} takes now, 0 before the first `onWritable`. Overhead of a small header is taken off already. */
  get writable(): number {
    return 0;
  }

  /**
   * Sends a packet, or without `options` the next part of a PUBLISH whose `byteLength` was announced. While such a payload is under way
   * only its parts and acknowledgements can be written; acknowledgements leave after it.
   *
   * A call that throws has sent nothing.
   * @param data payload of PUBLISH (nothing is the empty payload); `null` or left out for other packets
   * @returns bytes that can be written now
   * @throws SealwireError `INVALID_STATE` before the first `onWritable`, after DISCONNECT or close, and on overflow: when the packet is larger
   * than what is writable; wait for `onWritable` then. Acknowledgements also fit while 0 is writable, as long as the output buffer has room.
   * @throws SealwireError `INVALID_ARGUMENT` naming the wrong option; `MQTT_PACKET_TOO_LARGE` beyond the server's maximum packet size;
   * `UNSUPPORTED` for what the server said it does not offer (QoS, retain, wildcards, ...)
   */
  write(data?: BufferLike | null, options?: WriteOptions): number {
    void data;
    void options;
    return 0;
  }

  /**
   * Reads payload of the message being received: at most `count` bytes (all that was announced when left out), or as many as fit into the
   * buffer.
   * @returns the bytes; for a given buffer the number of bytes put there; `undefined` when there is nothing to read
   */
  read(count?: number): ArrayBuffer | undefined;
  read(buffer: BufferLike): number | undefined;
  read(target?: number | BufferLike): ArrayBuffer | number | undefined {
    void target;
    return undefined;
  }

  /**
   * Ends the connection at once, without DISCONNECT: the server will publish the will. Safe inside every callback and more than once; no
   * callback follows. For a clean end write DISCONNECT and wait for `onClose`.
   */
  close(): void {
    return;
  }
}
