/** One MQTT connection: the ECMA-419 MQTT client class pattern. Nothing durable is kept here. */
import { SealwireError } from "../errors.js";
import type { BufferLike } from "../platform.js";
import {
  DISCONNECT,
  PUBACK,
  PUBCOMP,
  PUBLISH,
  PUBREC,
  PUBREL,
  REASON_RECEIVE_MAXIMUM_EXCEEDED,
  SUBSCRIBE,
  UNSUBSCRIBE,
  nameOfPacket,
} from "./codec/constants.js";
import { invalidArgument, protocolError } from "./codec/errors.js";
import { checkClientOptions, connectPacket } from "./client-options.js";
import type { Inbound } from "./codec/decoder.js";
import { Connection } from "./connection.js";
import { checkSessionExpiry, writeControl } from "./control-writer.js";
import { publishChecked, writePart } from "./publish-writer.js";
import type {
  AuthenticationStep,
  ClientCallbacks,
  ControlMessage,
  MQTTClientOptions,
  ProtocolVersion,
  ReceivedProperties,
  ServerLimits,
  WriteOptions,
} from "./types.js";
import { checkWriteOptions, viewOf } from "./write-options.js";

/**
 * An MQTT 3.1.1 or 5.0 client for one connection, streaming in both directions. It dies with its transport; what outlives a
 * connection is the business of `MQTTSession`.
 *
 * Packets that are written outside of a callback are joined and leave at the end of the present job (in a microtask), or as soon as
 * the output buffer is full. Packets written in a callback leave when it returns. No callback is called from within a method.
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

  /** The option `target`. */
  readonly target: unknown;

  readonly #connection: ClientConnection;
  /** The packet identifier for the next request that comes without one. */
  #nextId = 1;

  /** @throws SealwireError `INVALID_ARGUMENT` naming the option; what the transport or resolver class throws */
  constructor(options: MQTTClientOptions<MQTTClient>) {
    checkClientOptions(options);
    this.target = options.target;
    this.#connection = new ClientConnection(this, options);
  }

  get version(): ProtocolVersion {
    return this.#connection.version;
  }

  /** What the server allows; before CONNACK what `pipeline` said, or the defaults. */
  get limits(): ServerLimits {
    return this.#connection.limits;
  }

  /** Bytes that {@link write} takes now; 0 before the first `onWritable`. A small header is taken off already. */
  get writable(): number {
    return this.#connection.writable;
  }

  /** For drop-in use. */
  get format(): "buffer" {
    return "buffer";
  }

  /**
   * Sends a packet, or without `options` the next part of a PUBLISH whose `byteLength` was announced. While such a payload is under way
   * only its parts and acknowledgements can be written; acknowledgements leave after it.
   *
   * A call that throws has sent nothing. A transport that fails under a write is reported to `onError`, later.
   * @param data payload of PUBLISH (nothing is the empty payload); `null` or left out for other packets
   * @returns bytes that can be written now
   * @throws SealwireError `INVALID_STATE` before the first `onWritable`, after DISCONNECT or close, and on overflow: when the packet is larger
   * than what is writable; wait for `onWritable` then. A PUBLISH whose topic and properties alone are larger than all that the transport takes is
   * written without its payload, which follows in parts. Acknowledgements also fit while 0 is writable, as long as the output buffer has room.
   * @throws SealwireError `INVALID_ARGUMENT` naming the wrong option; `MQTT_PACKET_TOO_LARGE` beyond the server's maximum packet size;
   * `UNSUPPORTED` for what the server said it does not offer (QoS, retain, wildcards, ...)
   */
  write(data?: BufferLike | null, options?: WriteOptions): number {
    const connection = this.#connection;
    const operation = options?.operation ?? PUBLISH;
    if (!connection.isOpen && !connection.answersAuthentication(operation))
      throw new SealwireError("INVALID_STATE", "Nothing can be written: the client is not connected.");
    const within = connection.busy;
    connection.busy = true;
    try {
      if (options === undefined) writePart(connection.output, data);
      else {
        checkWriteOptions(options, operation, connection.version);
        if (operation === PUBLISH) this.writePublish(data, options);
        else this.writeControl(data, operation, options);
      }
    } catch (error) {
      if (!connection.output.broken) throw error;
      connection.transportFailed(error);
    } finally {
      connection.busy = within;
      connection.request();
    }
    return connection.writable;
  }

  /**
   * Reads payload of the message being received: at most `count` bytes (all that was announced when left out), or as many as fit into the
   * buffer.
   * @returns the bytes; for a given buffer the number of bytes put there; `undefined` when there is nothing to read
   */
  read(count?: number): ArrayBuffer | undefined;
  read(buffer: BufferLike): number | undefined;
  read(target?: number | BufferLike): ArrayBuffer | number | undefined {
    const { input } = this.#connection;
    const { announced } = input;
    let result: ArrayBuffer | number;
    if (target === undefined || typeof target === "number") {
      if (target !== undefined && !(target >= 0)) throw invalidArgument("The count to read must not be negative.");
      const count = target === undefined ? announced : Math.trunc(target);
      if (announced === 0 || count === 0) return undefined;
      result = input.readSlice(count);
    } else {
      const bytes = viewOf(target);
      if (announced === 0 || bytes.byteLength === 0) return undefined;
      result = input.read(bytes);
    }
    if (input.announced === 0) this.#connection.request();
    return result;
  }

  /**
   * Ends the connection at once, without DISCONNECT: the server will publish the will. Safe inside every callback and more than once; no
   * callback follows. For a clean end write DISCONNECT and wait for `onClose`.
   */
  close(): void {
    this.#connection.close();
  }

  private writePublish(data: BufferLike | null | undefined, options: WriteOptions): void {
    const given = options.id;
    const id = given === undefined && options.QoS ? this.#nextId : given;
    const { output, version, limits } = this.#connection;
    publishChecked(output, version, limits, data, options, id);
    if (id !== given) this.countId();
  }

  private writeControl(data: BufferLike | null | undefined, operation: number, options: WriteOptions): void {
    if (data != null && data.byteLength > 0)
      throw invalidArgument(`${nameOfPacket(operation)} has no payload: the data must be null.`);
    const connection = this.#connection;
    const given = options.id;
    const requests = operation === SUBSCRIBE || operation === UNSUBSCRIBE;
    const id = given === undefined && requests ? this.#nextId : given;
    if (operation === DISCONNECT) checkSessionExpiry(options, connection.properties?.sessionExpiryInterval);
    writeControl(connection.output, connection.version, connection.limits, operation, id, options);
    if (id !== given) this.countId();
    if (operation === PUBACK || operation === PUBCOMP) connection.acknowledged();
    else if (operation === PUBREC && (options.reasonCode ?? 0) >= 0x80) connection.acknowledged();
    else if (operation === DISCONNECT) connection.end();
  }

  /** Identifiers go from 1 to 65535 and start again. */
  private countId(): void {
    this.#nextId = this.#nextId === 0xffff ? 1 : this.#nextId + 1;
  }
}

/** Calls the application back. */
class ClientConnection extends Connection {
  readonly #client: MQTTClient;
  readonly #callbacks: ClientCallbacks<MQTTClient> & Pick<MQTTClientOptions<MQTTClient>, "onAuth">;
  readonly #manual: boolean;
  readonly #receiveMaximum: number;
  /** Publications with QoS > 0 that the server sent and that were not acknowledged to the end (`acknowledge: "manual"`). */
  #unacknowledged = 0;

  constructor(client: MQTTClient, options: MQTTClientOptions<MQTTClient>) {
    super(options, connectPacket(options));
    this.#client = client;
    this.#manual = options.acknowledge === "manual";
    this.#receiveMaximum = options.properties?.receiveMaximum ?? 65535;
    const { onReadable, onWritable, onControl, onClose, onError, onAuth } = options;
    this.#callbacks = { onReadable, onWritable, onControl, onClose, onError, onAuth };
    this.open(options);
  }

  /** PUBACK, PUBCOMP or a refusing PUBREC was written. */
  acknowledged(): void {
    if (this.#unacknowledged > 0) this.#unacknowledged--;
  }

  protected override readable(count: number, message: Inbound): void {
    if (this.input.first && message.QoS > 0 && this.#manual && ++this.#unacknowledged > this.#receiveMaximum)
      // [MQTT-3.3.4-7], [MQTT-3.3.4-9]
      throw protocolError("more publications than the receive maximum", REASON_RECEIVE_MAXIMUM_EXCEEDED);
    const { onReadable } = this.#callbacks;
    if (onReadable) onReadable.call(this.#client, count, message);
    else this.input.discard();
  }

  /** The payload was read to its end: now the message may be acknowledged [MQTT-4.3.2-2], [MQTT-4.3.3-2] (3.1.1). */
  protected override complete(message: Inbound): void {
    if (!this.#manual && message.QoS > 0)
      this.output.identifier((message.QoS === 1 ? PUBACK : PUBREC) << 4, message.id);
  }

  protected override received(): void {
    if (!this.drained) return;
    const { writable } = this;
    if (writable === 0) return;
    this.drained = false;
    this.#callbacks.onWritable?.call(this.#client, writable);
  }

  protected override sated(): boolean {
    return this.#callbacks.onWritable === undefined;
  }

  protected override control(message: ControlMessage): void {
    const { operation } = message;
    if (!this.#manual) {
      if (operation === PUBREC && message.reasonCode < 0x80) this.output.identifier((PUBREL << 4) | 2, message.id);
      else if (operation === PUBREL) this.output.identifier(PUBCOMP << 4, message.id);
    }
    this.#callbacks.onControl?.call(this.#client, message);
  }

  protected override authenticate(step: AuthenticationStep): BufferLike | null | undefined {
    const { onAuth } = this.#callbacks;
    return onAuth ? onAuth.call(this.#client, step) : null;
  }

  protected override ended(error: SealwireError | undefined, properties: ReceivedProperties | undefined): void {
    const { onClose, onError } = this.#callbacks;
    if (error) onError?.call(this.#client, error, properties);
    else onClose?.call(this.#client);
  }
}
