/** One MQTT connection: the ECMA-419 MQTT client class pattern. Nothing durable is kept here. */
import { wipe } from "../bytes.js";
import { SealwireError, toSealwireError } from "../errors.js";
import type { BufferLike, TimerHandle, Transport } from "../platform.js";
import { checkClientOptions, defaultServerLimits, serverLimits } from "./client-options.js";
import * as code from "./codec/constants.js";
import { readControlFromServer } from "./codec/control.js";
import { Decoder, type Inbound } from "./codec/decoder.js";
import { encodeReason } from "./codec/encode.js";
import { invalidArgument, protocolError } from "./codec/errors.js";
import { connectionRefused, disconnectedByServer } from "./codec/reason.js";
import { Connector } from "./connector.js";
import { checkSessionExpiry, writeControl, writeGoodbye } from "./control-writer.js";
import { DONE, Input, NOTHING, PART } from "./input.js";
import { KeepAlive } from "./keep-alive.js";
import { Output } from "./output.js";
import { Publisher } from "./publisher.js";
import type {
  ConnackMessage,
  ControlMessage,
  MQTTClientOptions,
  ProtocolVersion,
  ReasonMessage,
  ReceivedProperties,
  ServerLimits,
  WriteOptions,
} from "./types.js";
import { checkWriteOptions, viewOf } from "./write-options.js";

// States, in their order
/** The name is being resolved or the transport connects. */
const CONNECTING = 0;
/** CONNECT was sent. */
const HANDSHAKE = 1;
const CONNECTED = 2;
/** DISCONNECT was written. */
const ENDING = 3;
const CLOSED = 4;

/** Milliseconds that the server has to close the connection after DISCONNECT. */
const LINGER = 2000;
/** Bytes that must be free in the output buffer before another packet is looked at: its acknowledgement must fit. */
const ACKNOWLEDGEMENT_ROOM = 16;
/** Taken off what is reported as writable: the smallest header of a PUBLISH, roughly. */
const OVERHEAD = 8;

const AFTER_CONNACK =
  (1 << code.PUBLISH) |
  (1 << code.PUBACK) |
  (1 << code.PUBREC) |
  (1 << code.PUBREL) |
  (1 << code.PUBCOMP) |
  (1 << code.SUBACK) |
  (1 << code.UNSUBACK) |
  (1 << code.PINGRESP);

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

  readonly version: ProtocolVersion;
  /** The option `target`. */
  readonly target: unknown;

  /** Without the password and the will, which are in CONNECT. */
  readonly #options: MQTTClientOptions<MQTTClient>;
  readonly #decoder: Decoder<ControlMessage>;
  readonly #input: Input<ControlMessage>;
  readonly #output: Output;
  readonly #publisher: Publisher;
  readonly #manual: boolean;
  readonly #clean: boolean;
  readonly #pipelined: boolean;
  readonly #receiveMaximum: number;
  #keepAlive: KeepAlive | undefined;
  #keepAliveInterval: number;
  #connect: Uint8Array | undefined;
  #limits: ServerLimits;
  #state = CONNECTING;
  #connector: Connector | undefined;
  #transport: Transport | undefined;
  #timer: TimerHandle;
  /** Publications with QoS > 0 that the server sent and that were not acknowledged to the end (`acknowledge: "manual"`). */
  #unacknowledged = 0;
  #nextId = 1;
  /** The transport took bytes: `onWritable` is due. */
  #drained = false;
  /** A callback or a method of the transport runs: nothing may be called back from here. */
  #working = false;
  #scheduled = false;
  /** What ended the connection while nothing could be called back; `null`: the transport closed without an error. */
  #failure: SealwireError | null | undefined;

  /** @throws SealwireError `INVALID_ARGUMENT` naming the option; what the transport or resolver class throws */
  constructor(options: MQTTClientOptions<MQTTClient>) {
    const settings = checkClientOptions(options);
    const { version, limits } = settings;
    const { properties } = options;
    this.version = version;
    this.target = options.target;
    const { password: _, will: __, ...kept } = options;
    this.#options = kept;
    this.#manual = settings.manual;
    this.#clean = settings.clean;
    this.#receiveMaximum = properties?.receiveMaximum ?? 65535;
    this.#pipelined = settings.pipeline !== undefined;
    this.#limits = settings.pipeline ?? defaultServerLimits();
    this.#keepAliveInterval = settings.keepAlive;
    this.#connect = settings.connect;
    this.#decoder = new Decoder<ControlMessage>({
      version,
      readControl: readControlFromServer,
      windowLength: settings.inputBuffer,
      topicLength: limits.topicLength,
      propertiesLength: limits.propertiesLength,
      userProperties: limits.userProperties,
      controlPacketSize: limits.controlPacketSize,
      problemInformation: properties?.requestProblemInformation ?? true,
      maximumPacketSize: properties?.maximumPacketSize ?? code.MAXIMUM_PACKET_SIZE,
      topicAliasMaximum: properties?.topicAliasMaximum ?? 0,
    });
    this.#decoder.expected = (1 << code.CONNACK) | this.#authBit;
    this.#input = new Input(this.#decoder, settings.inputBuffer);
    this.#output = new Output(settings.outputBuffer, options.ticks);
    this.#publisher = new Publisher(this.#output, version);
    this.#timer = options.timer.set(() => this.#onTimer(), settings.connectTimeout);
    // Whatever is called back before the constructor is done has to wait.
    this.#working = true;
    try {
      this.#connector = new Connector(kept, {
        onReadable: (count) => {
          this.#input.available = count;
          if (this.#keepAlive) this.#keepAlive.heard = true;
          this.#work();
        },
        onWritable: (count) => {
          this.#output.capacity = count;
          this.#drained = true;
          this.#work();
        },
        onError: (error) => this.#raise(error ?? null),
        onTransport: (transport) => {
          this.#transport = transport;
          this.#input.open(transport);
          this.#output.open(transport);
        },
        onFailure: (error) => this.#raise(error),
      });
    } catch (error) {
      this.#shut();
      throw error;
    }
    this.#working = false;
  }

  /** What the server allows; before CONNACK what `pipeline` said, or the defaults. */
  get limits(): ServerLimits {
    return this.#limits;
  }

  /** Bytes that {@link write} takes now; 0 before the first `onWritable`. A small header is taken off already. */
  get writable(): number {
    if (!this.#open) return 0;
    const { writable, streaming } = this.#output;
    return streaming > 0 ? writable : Math.max(0, writable - OVERHEAD);
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
   * than what is writable; wait for `onWritable` then. Acknowledgements also fit while 0 is writable, as long as the output buffer has room.
   * @throws SealwireError `INVALID_ARGUMENT` naming the wrong option; `MQTT_PACKET_TOO_LARGE` beyond the server's maximum packet size;
   * `UNSUPPORTED` for what the server said it does not offer (QoS, retain, wildcards, ...)
   */
  write(data?: BufferLike | null, options?: WriteOptions): number {
    const operation = options === undefined ? code.PUBLISH : (options.operation ?? code.PUBLISH);
    if (!this.#open && !this.#answersAuthentication(operation))
      throw new SealwireError("INVALID_STATE", "Nothing can be written: the client is not connected.");
    const nested = this.#working;
    this.#working = true;
    try {
      if (options === undefined) this.#publisher.part(data);
      else {
        checkWriteOptions(options, operation, this.version);
        if (operation === code.PUBLISH) this.#writePublish(data, options);
        else this.#writeControl(data, operation, options);
      }
    } catch (error) {
      if (!this.#output.broken) throw error;
      this.#failure ??= transportFailed(error);
    } finally {
      this.#working = nested;
    }
    if (!nested) this.#schedule();
    return this.writable;
  }

  /**
   * Reads payload of the message being received: at most `count` bytes (all that was announced when left out), or as many as fit into the
   * buffer.
   * @returns the bytes; for a given buffer the number of bytes put there; `undefined` when there is nothing to read
   */
  read(count?: number): ArrayBuffer | undefined;
  read(buffer: BufferLike): number | undefined;
  read(target?: number | BufferLike): ArrayBuffer | number | undefined {
    const input = this.#input;
    const { announced } = input;
    let result: ArrayBuffer | number;
    if (target === undefined || typeof target === "number") {
      if (target !== undefined && !(target >= 0)) throw invalidArgument("The count to read must not be negative.");
      if (announced === 0 || target === 0) return undefined;
      const bytes = new Uint8Array(target === undefined ? announced : Math.min(announced, Math.trunc(target)));
      input.read(bytes);
      result = bytes.buffer;
    } else {
      const bytes = viewOf(target);
      if (announced === 0 || bytes.byteLength === 0) return undefined;
      result = input.read(bytes);
    }
    if (input.announced === 0 && !this.#working) this.#schedule();
    return result;
  }

  /**
   * Ends the connection at once, without DISCONNECT: the server will publish the will. Safe inside every callback and more than once; no
   * callback follows. For a clean end write DISCONNECT and wait for `onClose`.
   */
  close(): void {
    if (this.#state === CLOSED) return;
    try {
      if (this.#state >= HANDSHAKE) this.#output.flush();
    } catch {
      // The transport is broken: what was not sent is lost, as with every transport that is closed.
    }
    this.#shut();
  }

  // Writing

  get #open(): boolean {
    return this.#state === CONNECTED || (this.#state === HANDSHAKE && this.#pipelined);
  }

  /** Before CONNACK, enhanced authentication may be answered by hand [MQTT-3.1.2-30]. */
  #answersAuthentication(operation: number): boolean {
    return this.#state === HANDSHAKE && operation === code.AUTH && this.#authBit !== 0;
  }

  /** The bit of AUTH, when the server may send it [MQTT-4.12.0-6]. */
  get #authBit(): number {
    return this.#options.properties?.authenticationMethod === undefined ? 0 : 1 << code.AUTH;
  }

  #writePublish(data: BufferLike | null | undefined, options: WriteOptions): void {
    const given = options.id;
    const id = given === undefined && options.QoS ? this.#nextId : given;
    this.#publisher.publish(data, options, id, this.#limits);
    if (id !== given) this.#countId();
  }

  #writeControl(data: BufferLike | null | undefined, operation: number, options: WriteOptions): void {
    if (data != null && data.byteLength > 0)
      throw invalidArgument(`${code.nameOfPacket(operation)} has no payload: the data must be null.`);
    const given = options.id;
    const requests = operation === code.SUBSCRIBE || operation === code.UNSUBSCRIBE;
    const id = given === undefined && requests ? this.#nextId : given;
    if (operation === code.DISCONNECT) checkSessionExpiry(options, this.#options.properties?.sessionExpiryInterval);
    writeControl(this.#output, this.version, this.#limits, operation, id, options);
    if (id !== given) this.#countId();
    if (operation === code.PUBACK || operation === code.PUBCOMP) this.#acknowledged();
    else if (operation === code.PUBREC && (options.reasonCode ?? 0) >= 0x80) this.#acknowledged();
    else if (operation === code.DISCONNECT) this.#end();
  }

  /** Identifiers go from 1 to 65535 and start again. */
  #countId(): void {
    this.#nextId = this.#nextId === 0xffff ? 1 : this.#nextId + 1;
  }

  #acknowledged(): void {
    if (this.#unacknowledged > 0) this.#unacknowledged--;
  }

  // The connection's life

  /**
   * Does all there is to do: sends, receives, calls back. Only this calls the application back, but for the end of the connection; it never
   * runs within itself.
   */
  #work(): void {
    if (this.#working) {
      this.#schedule();
      return;
    }
    if (this.#state === CLOSED) return;
    this.#working = true;
    try {
      if (this.#failure !== undefined) this.#onLost(this.#failure);
      else if (this.#state === ENDING) this.#seeOff();
      else this.#exchange();
    } catch (error) {
      const failed = this.#output.broken
        ? transportFailed(error)
        : toSealwireError(error, "INVALID_STATE", "A callback threw an error: the connection was closed.");
      this.#fail(failed);
    } finally {
      this.#working = false;
    }
  }

  /** Works as soon as the present job is over: what is written until then leaves together. */
  #schedule(): void {
    if (this.#scheduled || this.#state === CLOSED) return;
    this.#scheduled = true;
    void Promise.resolve().then(() => {
      this.#scheduled = false;
      this.#work();
    });
  }

  #exchange(): void {
    const output = this.#output;
    if (this.#connect && output.capacity > 0) {
      output.opening(this.#connect);
      this.#connect = undefined;
      this.#state = HANDSHAKE;
      this.#drained = this.#pipelined;
    }
    output.flush();
    this.#receive();
    if (this.#drained && this.#open) {
      const { writable } = this;
      if (writable > 0) {
        this.#drained = false;
        this.#options.onWritable?.call(this, writable);
      }
    }
    output.flush();
  }

  /** Takes packets until none is complete, a payload waits to be read, or acknowledgements wait for the transport. */
  #receive(): void {
    const output = this.#output;
    while (this.#state < ENDING) {
      if (output.room < ACKNOWLEDGEMENT_ROOM) {
        output.flush();
        if (output.room < ACKNOWLEDGEMENT_ROOM) return;
      }
      const step = this.#input.step();
      if (step === NOTHING) return;
      if (step === PART) this.#onPart(this.#input.message!);
      else if (step === DONE) this.#onMessageRead(this.#input.message!);
      else this.#onControlPacket(this.#decoder.control!);
    }
  }

  #onPart(message: Inbound): void {
    const input = this.#input;
    if (input.first && message.QoS > 0 && this.#manual && ++this.#unacknowledged > this.#receiveMaximum)
      // [MQTT-3.3.4-7], [MQTT-3.3.4-9]
      throw protocolError("more publications than the receive maximum", code.REASON_RECEIVE_MAXIMUM_EXCEEDED);
    const { onReadable } = this.#options;
    if (onReadable) onReadable.call(this, input.announced, message);
    else input.discard();
  }

  /** The payload was read to its end: now the message may be acknowledged [MQTT-4.3.2-2], [MQTT-4.3.3-2] (3.1.1). */
  #onMessageRead(message: Inbound): void {
    this.#input.finish();
    if (this.#manual || message.QoS === 0) return;
    this.#output.identifier((message.QoS === 1 ? code.PUBACK : code.PUBREC) << 4, message.id);
  }

  #onControlPacket(message: ControlMessage): void {
    const { operation } = message;
    switch (operation) {
      case code.CONNACK:
        this.#onConnack(message);
        return;
      case code.AUTH:
        if (this.#authenticate(message)) return;
        break;
      case code.PUBREC:
        if (!this.#manual && message.reasonCode < 0x80) this.#output.identifier((code.PUBREL << 4) | 2, message.id);
        break;
      case code.PUBREL:
        if (!this.#manual) this.#output.identifier(code.PUBCOMP << 4, message.id);
        break;
    }
    this.#options.onControl?.call(this, message);
    if (operation === code.DISCONNECT && this.#state !== CLOSED) {
      const { reasonCode, properties } = message;
      this.#output.close(); // [MQTT-3.14.4-3]: nothing is sent after it
      if (reasonCode >= 0x80) this.#fail(disconnectedByServer(reasonCode, properties), properties);
      else this.#finish();
    }
  }

  #onConnack(message: ConnackMessage): void {
    const { reasonCode, properties } = message;
    if (reasonCode !== 0) {
      const form = reasonCode < 0x80 ? 4 : this.version;
      this.#fail(connectionRefused(form, reasonCode, properties), properties);
      return;
    }
    // [MQTT-3.2.2-1] (3.1.1), [MQTT-3.2.2-2] (5.0)
    if (message.sessionPresent && this.#clean)
      throw protocolError("a session is present though a clean one was asked for");
    if (properties?.responseInformation !== undefined && !this.#options.properties?.requestResponseInformation)
      throw protocolError("response information was sent though it was not asked for"); // [MQTT-3.1.2-28]
    this.#authenticate(message);
    if (this.#state !== HANDSHAKE) return;
    this.#state = CONNECTED;
    this.#drained = true;
    this.#limits = serverLimits(properties);
    this.#decoder.expected = AFTER_CONNACK | (this.version === 5 ? 1 << code.DISCONNECT : 0) | this.#authBit;
    this.#startKeepAlive(properties?.serverKeepAlive);
    this.#options.onControl?.call(this, message);
  }

  /**
   * Lets `onAuth` answer the server (MQTT 5.0 section 4.12).
   * @returns whether there is an `onAuth`
   */
  #authenticate({ reasonCode, properties }: ReasonMessage | ConnackMessage): boolean {
    const method = this.#options.properties?.authenticationMethod;
    const { authenticationMethod = method, authenticationData: data } = properties ?? {};
    // [MQTT-4.12.0-5], [MQTT-4.12.0-6]
    if (authenticationMethod !== method) throw protocolError("the authentication method is not the one of CONNECT");
    const { onAuth } = this.#options;
    if (!onAuth || method === undefined) return false;
    const answer = onAuth.call(this, { data, reasonCode });
    if (reasonCode !== code.REASON_CONTINUE_AUTHENTICATION || this.#state >= ENDING) return true;
    const authentication = { authenticationMethod: method, ...(answer ? { authenticationData: answer } : undefined) };
    this.#output.opening(encodeReason(code.AUTH, reasonCode, authentication)); // [MQTT-4.12.0-3]
    return true;
  }

  // Its end

  /** DISCONNECT was written: what is left is to see it off, then to close [MQTT-3.14.4-1], [MQTT-3.14.4-2]. */
  #end(): void {
    this.#state = ENDING;
    this.#setTimer(LINGER);
    this.#drained = false;
    if (this.#output.pending > 0) this.#schedule();
  }

  /** The transport took more, or closed: ends the connection when it took everything before. */
  #seeOff(): void {
    const sent = this.#output.pending === 0;
    this.#output.flush();
    if (sent && this.#drained) this.#finish();
    this.#drained = false;
  }

  /** Reports an end that came from outside, as soon as it can be called back. @param error `null` for a close without an error */
  #raise(error: SealwireError | null): void {
    if (this.#failure === undefined) this.#failure = error;
    this.#work();
  }

  #onLost(error: SealwireError | null): void {
    const complete = this.#input.atBoundary && this.#output.streaming === 0;
    this.#output.close();
    if (this.#state === ENDING || (this.#state === CONNECTED && error === null && complete)) this.#finish();
    else
      this.#fail(error ?? new SealwireError("CONNECTION_LOST", "The server closed the connection at a wrong moment."));
  }

  /** Ends the connection without an error. */
  #finish(): void {
    const { onClose } = this.#options;
    this.#shut();
    try {
      onClose?.call(this);
    } catch {
      // Nobody is left to be told: the connection is over and nothing may escape to the host.
    }
  }

  #fail(error: SealwireError, properties?: ReceivedProperties): void {
    if (this.#state === CLOSED) return;
    if (this.#state === CONNECTED && this.version === 5) this.#sayGoodbye(error);
    const { onError } = this.#options;
    this.#shut();
    try {
      onError?.call(this, error, properties);
    } catch {
      // As in #finish.
    }
  }

  /** Tells a server of MQTT 5.0 why the connection ends (section 4.13). */
  #sayGoodbye(error: SealwireError): void {
    try {
      if (!this.#output.broken) writeGoodbye(this.#output, error.reasonCode ?? code.REASON_UNSPECIFIED);
    } catch {
      // The transport failed under it: the connection ends anyway.
    }
  }

  #shut(): void {
    this.#state = CLOSED;
    this.#options.timer.clear(this.#timer);
    this.#timer = undefined;
    this.#connector?.close();
    this.#transport?.close();
    this.#transport = undefined;
    this.#input.close();
    this.#output.close();
    wipe(this.#connect);
    this.#connect = undefined;
    this.#keepAlive = undefined;
  }

  // Time

  #setTimer(milliseconds: number): void {
    const { timer } = this.#options;
    timer.clear(this.#timer);
    this.#timer = timer.set(() => this.#onTimer(), Math.max(1, milliseconds));
  }

  #startKeepAlive(serverKeepAlive: number | undefined): void {
    const { timer, ticks, pingTimeout } = this.#options;
    timer.clear(this.#timer);
    this.#timer = undefined;
    // [MQTT-3.2.2-21]
    const interval = serverKeepAlive === undefined ? this.#keepAliveInterval : 1000 * serverKeepAlive;
    if (interval === 0) return;
    this.#keepAlive = new KeepAlive(interval, pingTimeout ?? Math.min(30_000, Math.max(1000, interval >> 1)));
    this.#setTimer(this.#keepAlive.look(ticks(), this.#output.lastSent));
  }

  #onTimer(): void {
    this.#timer = undefined;
    if (this.#state === ENDING) this.#finish();
    else if (this.#state === CONNECTED) this.#checkKeepAlive();
    else {
      const what = this.#transport === undefined ? "name was not resolved" : "server did not accept the connection";
      this.#fail(new SealwireError("TIMEOUT", `The ${what} in time.`));
    }
  }

  #checkKeepAlive(): void {
    const keepAlive = this.#keepAlive;
    if (!keepAlive) return;
    const output = this.#output;
    const now = this.#options.ticks();
    // While the application leaves bytes unread the server's answer cannot get through.
    if (this.#input.announced > 0) keepAlive.heard = true;
    let wait = keepAlive.look(now, output.lastSent);
    if (wait < 0) {
      this.#fail(new SealwireError("MQTT_KEEP_ALIVE_TIMEOUT", "The server did not answer a ping in time."));
      return;
    }
    if (wait === 0) {
      if (output.room >= 2 && output.streaming === 0) output.empty(code.PINGREQ << 4); // [MQTT-3.1.2-23] (3.1.1), [MQTT-3.1.2-20] (5.0)
      wait = keepAlive.pinged(now);
    }
    this.#setTimer(wait);
    this.#work();
  }
}

function transportFailed(error: unknown): SealwireError {
  return toSealwireError(error, "CONNECTION_LOST", "The transport failed under a write.");
}
