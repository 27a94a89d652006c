/**
 * The life of one connection: it connects, exchanges packets, keeps alive, and ends. It calls the application back; `client.ts` is what the
 * application calls.
 */
import { wipe } from "../bytes.js";
import { SealwireError, toSealwireError } from "../errors.js";
import type { TimerHandle, Transport } from "../platform.js";
import { checkClientOptions, defaultServerLimits, serverLimits } from "./client-options.js";
import * as code from "./codec/constants.js";
import type { Decoder, Inbound } from "./codec/decoder.js";
import { protocolError } from "./codec/errors.js";
import { connectionRefused, disconnectedByServer } from "./codec/reason.js";
import { Connector } from "./connector.js";
import { writeGoodbye } from "./control-writer.js";
import { DONE, Input, NOTHING, PART } from "./input.js";
import {
  authenticationStep,
  checkConnack,
  createDecoder,
  encodeAuthentication,
  expectedAfterConnack,
} from "./handshake.js";
import { KeepAlive } from "./keep-alive.js";
import { Output, transportFailed } from "./output.js";
import { quietly, Turn } from "./turn.js";
import type {
  ConnackMessage,
  ControlMessage,
  MQTTClientOptions,
  ProtocolVersion,
  ReasonMessage,
  ReceivedProperties,
  ServerLimits,
} from "./types.js";

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
/** Taken off what is reported as writable: the smallest header of a PUBLISH, roughly. */
const OVERHEAD = 8;
/** Bytes that must be free in the output buffer before another packet is looked at: its acknowledgement must fit. */
const ACKNOWLEDGEMENT_ROOM = 16;

export class Connection<Client> {
  readonly version: ProtocolVersion;
  readonly input: Input<ControlMessage>;
  readonly output: Output;
  readonly turn = new Turn(() => this.#work());
  /** What the server allows; before CONNACK what `pipeline` said, or the defaults. */
  limits: ServerLimits;

  readonly #client: Client;
  /** Without the password and the will, which are in CONNECT. */
  readonly #options: MQTTClientOptions<Client>;
  readonly #decoder: Decoder<ControlMessage>;
  readonly #clean: boolean;
  readonly #manual: boolean;
  readonly #pipelined: boolean;
  readonly #receiveMaximum: number;
  #keepAlive: KeepAlive | undefined;
  readonly #keepAliveInterval: number;
  #connect: Uint8Array | undefined;
  #state = CONNECTING;
  #connector: Connector | undefined;
  #transport: Transport | undefined;
  /** Ends the wait for CONNACK, or for the server to close after DISCONNECT. */
  #deadline: TimerHandle;
  /** Publications with QoS > 0 that the server sent and that were not acknowledged to the end (`acknowledge: "manual"`). */
  #unacknowledged = 0;
  /** The transport took bytes: `onWritable` is due. */
  #drained = false;
  /** What ended the connection while nothing could be called back; `null`: the transport closed without an error. */
  #failure: SealwireError | null | undefined;

  /** @throws SealwireError `INVALID_ARGUMENT` naming the option; what the transport or resolver class throws */
  constructor(client: Client, options: MQTTClientOptions<Client>) {
    this.#client = client;
    const settings = checkClientOptions(options);
    const { version } = settings;
    this.version = version;
    const kept = { ...options, password: undefined, will: undefined };
    this.#options = kept;
    this.#manual = settings.manual;
    this.#clean = settings.clean;
    this.#receiveMaximum = options.properties?.receiveMaximum ?? 65535;
    this.#pipelined = settings.pipeline !== undefined;
    this.limits = settings.pipeline ?? defaultServerLimits();
    this.#keepAliveInterval = settings.keepAlive;
    this.#connect = settings.connect;
    this.#decoder = createDecoder(settings, options.properties);
    this.#decoder.expected = (1 << code.CONNACK) | this.#authBit;
    this.input = new Input(this.#decoder, settings.inputBuffer);
    this.output = new Output(settings.outputBuffer, options.ticks);
    this.#setDeadline(settings.connectTimeout);
    // Whatever is called back before the constructor is done has to wait.
    const within = this.turn.enter();
    try {
      this.#connector = new Connector(kept, {
        onReadable: (count) => {
          this.input.available = count;
          if (this.#keepAlive) this.#keepAlive.heard = true;
          this.turn.take();
        },
        onWritable: (count) => {
          this.output.capacity = count;
          this.#drained = true;
          this.turn.take();
        },
        onError: (error) => this.#raise(error ?? null),
        onTransport: (transport) => {
          this.#transport = transport;
          this.input.open(transport);
          this.output.open(transport);
        },
        onFailure: (error) => this.#raise(error),
      });
    } catch (error) {
      this.#shut();
      throw error;
    }
    this.turn.leave(within);
  }

  /** Whether packets can be written. */
  get open(): boolean {
    return this.#state === CONNECTED || (this.#state === HANDSHAKE && this.#pipelined);
  }

  /** Bytes that can be written, as the application is told. */
  get writable(): number {
    if (!this.open) return 0;
    const { writable, streaming } = this.output;
    return streaming > 0 ? writable : Math.max(0, writable - OVERHEAD);
  }

  /** Before CONNACK, enhanced authentication may be answered by hand [MQTT-3.1.2-30]. */
  answersAuthentication(operation: number): boolean {
    return this.#state === HANDSHAKE && operation === code.AUTH && this.#authBit !== 0;
  }

  /** The property `sessionExpiryInterval` of CONNECT. */
  get sessionExpiryInterval(): number | undefined {
    return this.#options.properties?.sessionExpiryInterval;
  }

  /** The bit of AUTH, when the server may send it [MQTT-4.12.0-6]. */
  get #authBit(): number {
    return this.#options.properties?.authenticationMethod === undefined ? 0 : 1 << code.AUTH;
  }

  /** The transport threw under a write: this is reported later. */
  transportFailed(error: unknown): void {
    this.#failure ??= transportFailed(error);
  }

  /** PUBACK, PUBCOMP or a refusing PUBREC was written. */
  acknowledged(): void {
    if (this.#unacknowledged > 0) this.#unacknowledged--;
  }

  /** DISCONNECT was written: what is left is to see it off, then to close [MQTT-3.14.4-1], [MQTT-3.14.4-2]. */
  end(): void {
    this.#state = ENDING;
    this.#setDeadline(LINGER);
    this.#drained = false;
  }

  /** Ends the connection without a word. */
  close(): void {
    if (this.#state === CLOSED) return;
    if (this.#state >= HANDSHAKE) quietly(() => this.output.flush());
    this.#shut();
  }

  /** Does all there is to do. Only this calls the application back, but for the end of the connection. */
  #work(): void {
    if (this.#state === CLOSED) return;
    try {
      if (this.#failure !== undefined) this.#onLost(this.#failure);
      else if (this.#state === ENDING) this.#seeOff();
      else this.#exchange();
    } catch (error) {
      const failed = this.output.broken
        ? transportFailed(error)
        : toSealwireError(error, "INVALID_STATE", "A callback threw an error: the connection was closed.");
      this.#fail(failed);
    }
  }

  #exchange(): void {
    const output = this.output;
    output.flush();
    if (this.#connect && output.capacity > 0) {
      output.opening(this.#connect);
      this.#connect = undefined;
      this.#state = HANDSHAKE;
      this.#drained = this.#pipelined;
    }
    this.#receive();
    if (this.#drained && this.open) {
      const { writable } = this;
      if (writable > 0) {
        this.#drained = false;
        this.#options.onWritable?.call(this.#client, writable);
      }
    }
    output.flush();
    if (this.#state === ENDING) this.input.drop();
  }

  /** Takes packets until none is complete, a payload waits to be read, or acknowledgements wait for the transport. */
  #receive(): void {
    const output = this.output;
    while (this.#state < ENDING) {
      if (output.room < ACKNOWLEDGEMENT_ROOM) {
        output.flush();
        if (output.room < ACKNOWLEDGEMENT_ROOM) return;
      }
      const step = this.input.step();
      if (step === NOTHING) return;
      if (step === PART) this.#onPart(this.input.message!);
      else if (step === DONE) this.#onMessageRead(this.input.message!);
      else this.#onControlPacket(this.#decoder.control!);
    }
  }

  #onPart(message: Inbound): void {
    const input = this.input;
    if (input.first && message.QoS > 0 && this.#manual && ++this.#unacknowledged > this.#receiveMaximum)
      // [MQTT-3.3.4-7], [MQTT-3.3.4-9]
      throw protocolError("more publications than the receive maximum", code.REASON_RECEIVE_MAXIMUM_EXCEEDED);
    const { onReadable } = this.#options;
    if (onReadable) onReadable.call(this.#client, input.announced, message);
    else input.discard();
  }

  /** The payload was read to its end: now the message may be acknowledged [MQTT-4.3.2-2], [MQTT-4.3.3-2] (3.1.1). */
  #onMessageRead(message: Inbound): void {
    this.input.finish();
    if (this.#manual || message.QoS === 0) return;
    this.output.identifier((message.QoS === 1 ? code.PUBACK : code.PUBREC) << 4, message.id);
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
        if (!this.#manual && message.reasonCode < 0x80) this.output.identifier((code.PUBREL << 4) | 2, message.id);
        break;
      case code.PUBREL:
        if (!this.#manual) this.output.identifier(code.PUBCOMP << 4, message.id);
        break;
    }
    this.#options.onControl?.call(this.#client, message);
    if (operation === code.DISCONNECT && this.#state !== CLOSED) {
      const { reasonCode, properties } = message;
      this.output.close(); // [MQTT-3.14.4-3]: nothing is sent after it
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
    checkConnack(message, this.#clean, this.#options.properties);
    this.#authenticate(message);
    if (this.#state !== HANDSHAKE) return;
    this.#state = CONNECTED;
    this.#drained = true;
    this.limits = serverLimits(properties);
    this.#decoder.expected = expectedAfterConnack(this.version) | this.#authBit;
    this.#clearDeadline();
    const { serverKeepAlive } = properties ?? {}; // [MQTT-3.2.2-21]
    this.#startKeepAlive(serverKeepAlive === undefined ? this.#keepAliveInterval : 1000 * serverKeepAlive);
    this.#options.onControl?.call(this.#client, message);
  }

  /** @returns whether there is an `onAuth` that took the step */
  #authenticate(message: ReasonMessage | ConnackMessage): boolean {
    const { onAuth, properties } = this.#options;
    const step = authenticationStep(message, properties?.authenticationMethod);
    if (!onAuth || !step) return false;
    const answer = onAuth.call(this.#client, step);
    if (step.reasonCode === code.REASON_CONTINUE_AUTHENTICATION && this.#state < ENDING)
      this.output.opening(encodeAuthentication(properties!.authenticationMethod!, answer));
    return true;
  }

  /** The transport took more, or closed: ends the connection when it took everything before. */
  #seeOff(): void {
    const sent = this.output.pending === 0;
    this.output.flush();
    this.input.drop();
    if (sent && this.#drained) this.#finish();
    this.#drained = false;
  }

  /** Reports an end that came from outside, as soon as it can be called back. @param error `null` for a close without an error */
  #raise(error: SealwireError | null): void {
    if (this.#failure === undefined) this.#failure = error;
    this.turn.take();
  }

  #onLost(error: SealwireError | null): void {
    const complete = this.input.atBoundary && this.output.streaming === 0;
    this.output.close();
    if (this.#state === ENDING || (this.#state === CONNECTED && error === null && complete)) this.#finish();
    else
      this.#fail(error ?? new SealwireError("CONNECTION_LOST", "The server closed the connection at a wrong moment."));
  }

  /** Ends the connection without an error. */
  #finish(): void {
    const { onClose } = this.#options;
    this.#shut();
    quietly(() => onClose?.call(this.#client));
  }

  #fail(error: SealwireError, properties?: ReceivedProperties): void {
    if (this.#state === CLOSED) return;
    if (this.#state === CONNECTED && this.version === 5) quietly(() => writeGoodbye(this.output, error.reasonCode));
    const { onError } = this.#options;
    this.#shut();
    quietly(() => onError?.call(this.#client, error, properties));
  }

  #shut(): void {
    this.#state = CLOSED;
    this.#clearDeadline();
    this.#keepAlive?.close();
    this.#connector?.close();
    this.#transport?.close();
    this.#transport = undefined;
    this.input.close();
    this.output.close();
    wipe(this.#connect);
    this.#connect = undefined;
    this.#keepAlive = undefined;
  }

  #setDeadline(milliseconds: number): void {
    const { timer } = this.#options;
    timer.clear(this.#deadline);
    this.#deadline = timer.set(() => this.#onDeadline(), milliseconds);
  }

  #clearDeadline(): void {
    this.#options.timer.clear(this.#deadline);
    this.#deadline = undefined;
  }

  #onDeadline(): void {
    this.#deadline = undefined;
    if (this.#state === ENDING) this.#finish();
    else {
      const what = this.#transport ? "server did not accept the connection" : "name of the server was not resolved";
      this.#fail(new SealwireError("TIMEOUT", `The ${what} in time.`));
    }
  }

  /** @param interval milliseconds, 0 for none */
  #startKeepAlive(interval: number): void {
    if (interval === 0) return;
    const { timer, ticks, pingTimeout } = this.#options;
    this.#keepAlive = new KeepAlive({
      timer,
      ticks,
      interval,
      timeout: pingTimeout,
      lastSent: () => this.output.lastSent,
      paused: () => this.input.announced > 0,
      ping: () => {
        if (this.output.room >= 2 && this.output.streaming === 0) this.output.empty(code.PINGREQ << 4);
        this.turn.take();
      },
      onLost: () =>
        this.#fail(new SealwireError("MQTT_KEEP_ALIVE_TIMEOUT", "The server did not answer a ping in time.")),
    });
  }
}
