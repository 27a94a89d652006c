/**
 * The life of one connection: it connects, exchanges packets, keeps alive, and ends. Whoever extends it is called back: `client.ts` for an
 * application, `session-connection.ts` for a session.
 *
 * Callbacks come in turns, never from within a call of the owner, and a turn never runs within another: what is asked for meanwhile is done in one
 * later turn, when the present job is over (in a microtask).
 */
import { SealwireError, toSealwireError } from "../errors.js";
import type { BufferLike, PlatformTimer, Resolver, TimerHandle } from "../platform.js";
import { DEFAULT_BUFFER, keepAliveOf, limitsBeforeConnack, serverLimits } from "./client-options.js";
import * as code from "./codec/constants.js";
import type { Inbound } from "./codec/decoder.js";
import { connectionRefused, disconnectedByServer } from "./codec/reason.js";
import { closeResolver, openTransport, resolve } from "./connector.js";
import { writeGoodbye } from "./control-writer.js";
import { lookAfter, untilPing } from "./keep-alive.js";
import { DONE, Input, NOTHING, PART } from "./input.js";
import {
  authenticationStep,
  checkConnack,
  decoderOptions,
  encodeAuthentication,
  expectedAfterConnack,
} from "./handshake.js";
import { NOW } from "./microtask.js";
import { Output, transportFailed } from "./output.js";
import type {
  AuthenticationStep,
  ConnackMessage,
  ControlMessage,
  MQTTClientOptions,
  Properties,
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
/** The same for the way to CONNACK, when nothing else is said. */
const CONNECT_TIMEOUT = 30_000;
/** Taken off what is reported as writable: the smallest header of a PUBLISH, roughly. */
const OVERHEAD = 8;
/** Bytes that must be free in the output buffer before another packet is looked at: its acknowledgement must fit. */
const ACKNOWLEDGEMENT_ROOM = 16;

export abstract class Connection {
  readonly version: ProtocolVersion;
  readonly input: Input<ControlMessage>;
  readonly output: Output;
  /** What the server allows; before CONNACK what `pipeline` said, or the defaults. */
  limits: ServerLimits;
  /** The owner is calling, or is called back: callbacks wait. */
  busy = true;
  /** The transport took bytes: the owner is to be told. */
  drained = false;

  private readonly timer: PlatformTimer;
  /** Of CONNECT (MQTT 5.0). */
  declare readonly properties?: Properties;
  private readonly clean: boolean;
  private readonly pipelined: boolean;
  declare readonly pingTimeout?: number;
  keepAlive: number;
  private state = CONNECTING;
  declare resolver?: Resolver | undefined;
  /** For the end of the wait for CONNACK, for the keep-alive, for the server to close after DISCONNECT. */
  private handle: TimerHandle;
  /** What ended the connection while nothing could be called back; `null`: the transport closed without an error. */
  declare private failure?: SealwireError | null;
  /** A turn will be taken after the present job. */
  private scheduled = false;
  /** Ticks of the ping after which nothing arrived yet. */
  pingedAt: number | undefined;
  /** Called when the transport takes more, with a count, when it ended, with an error or nothing, and by a microtask, with `null`. */
  readonly wake: (event?: number | SealwireError | null) => void;

  /** @param options checked. @param connect the packet; it is wiped */
  constructor(options: MQTTClientOptions<never>, connect: Uint8Array) {
    const { version = 4, properties, pipeline } = options;
    this.version = version;
    this.timer = options.timer;
    if (properties) this.properties = properties;
    this.clean = options.clean ?? true;
    this.pipelined = pipeline !== undefined && pipeline !== false;
    this.limits = limitsBeforeConnack(pipeline);
    if (options.pingTimeout !== undefined) this.pingTimeout = options.pingTimeout;
    this.keepAlive = keepAliveOf(options);
    const bounds = decoderOptions(options);
    this.input = new Input(bounds);
    this.input.expected = (1 << code.CONNACK) | this.authBit;
    this.output = new Output(options.outputBuffer ?? DEFAULT_BUFFER, options.ticks);
    // It leaves as soon as the transport takes bytes.
    this.output.opening(connect, this.pipelined);
    this.wake = (event) => {
      if (event === null) this.turn(undefined);
      else if (typeof event === "number") {
        if (this.idles()) {
          // Most writes are followed by nothing but this: a turn would find nothing to do.
          this.output.capacity = event;
          this.drained = true;
        } else this.turn(event);
      } else this.raise(event ?? null);
    };
  }

  // What the owner does when it is called back. What it throws ends the connection.

  /** `count` bytes of a message can be read. */
  protected abstract readable(count: number, message: Inbound): void;
  /** The payload of a message was read to its end. */
  protected abstract complete(message: Inbound): void;
  /** There is nothing left to receive; {@link drained} says whether the transport took bytes since the last time. */
  protected abstract received(): void;
  /** Whether the owner has nothing to send, nor wants to be told that the transport takes more. */
  protected abstract sated(): boolean;
  protected abstract control(message: ControlMessage): void;
  /** One step of enhanced authentication. @returns data to answer with; `null`: nobody answers */
  protected abstract authenticate(step: AuthenticationStep): BufferLike | null | undefined;
  /** The connection has ended. @param error `undefined` when it was in order */
  protected abstract ended(error: SealwireError | undefined, properties: ReceivedProperties | undefined): void;

  /** Begins to connect. @throws what the transport or resolver class throws */
  protected open(options: MQTTClientOptions<never>): void {
    const { address, host } = options;
    try {
      this.setTimer(options.connectTimeout ?? CONNECT_TIMEOUT);
      if (address !== undefined) openTransport(this, options, address);
      else resolve(this, options, host!, options.dns!);
    } catch (error) {
      this.shut();
      throw error;
    }
    this.busy = false;
  }

  /** Whether packets can be written. */
  get isOpen(): boolean {
    return this.state === CONNECTED || (this.state === HANDSHAKE && this.pipelined);
  }

  /** Bytes that can be written, as the owner is told. */
  get writable(): number {
    if (!this.isOpen) return 0;
    const { writable, streaming } = this.output;
    return streaming > 0 ? writable : Math.max(0, writable - OVERHEAD);
  }

  /** Before CONNACK, enhanced authentication may be answered by hand [MQTT-3.1.2-30]. */
  answersAuthentication(operation: number): boolean {
    return this.state === HANDSHAKE && operation === code.AUTH && this.authBit !== 0;
  }

  /** The bit of AUTH, when the server may send it [MQTT-4.12.0-6]. */
  private get authBit(): number {
    return this.properties?.authenticationMethod === undefined ? 0 : 1 << code.AUTH;
  }

  /** The transport threw under a write: this is reported later. */
  transportFailed(error: unknown): void {
    this.failure ??= transportFailed(error);
    this.schedule();
  }

  /** Reads what was announced of a payload, as much as fits. @returns the number of bytes */
  read(target: Uint8Array): number {
    const count = this.input.read(target);
    if (this.input.announced === 0) this.request();
    return count;
  }

  /** DISCONNECT was written: what is left is to see it off, then to close [MQTT-3.14.4-1], [MQTT-3.14.4-2]. */
  end(): void {
    this.state = ENDING;
    this.setTimer(LINGER);
    this.drained = false;
  }

  /** Ends the connection without a word. */
  close(): void {
    if (this.state === CLOSED) return;
    try {
      if (this.state >= HANDSHAKE) this.output.flush();
    } catch {
      // It is over anyway.
    }
    this.shut();
  }

  private idles(): boolean {
    return (
      this.state === CONNECTED && !this.busy && this.failure === undefined && this.output.pending === 0 && this.sated()
    );
  }

  /** Has a turn taken after the present job, unless one is under way that will see to it. */
  request(): void {
    if (!this.busy) this.schedule();
  }

  /** Has a turn taken after the present job. */
  schedule(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    void NOW.then(this.wake);
  }

  /**
   * Takes a turn, now or later: does all there is to do. Only this calls the owner back, but for the end of the connection. It is one function
   * since whatever the owner does comes on top of it, and the stack of a chip is small.
   * @param count bytes that the transport takes now; `undefined`: the present job is over; negative: neither
   */
  turn(count: number | undefined): void {
    const { input, output } = this;
    if (count === undefined) this.scheduled = false;
    else if (count >= 0) {
      output.capacity = count;
      this.drained = true;
    }
    if (this.busy) {
      this.schedule();
      return;
    }
    this.busy = true;
    try {
      if (this.failure !== undefined) this.lost(this.failure);
      else if (this.state === ENDING) this.seeOff();
      else if (this.state !== CLOSED) {
        if (this.state === CONNECTING && output.capacity > 0) {
          this.state = HANDSHAKE;
          this.drained = this.pipelined;
        }
        // Joined with what the owner writes now.
        if (this.state !== HANDSHAKE || !this.drained) output.flush();
        // Packets are taken until none is complete, a payload waits to be read, or acknowledgements wait for the transport.
        while (this.state < ENDING) {
          if (output.room < ACKNOWLEDGEMENT_ROOM) {
            output.flush();
            if (output.room < ACKNOWLEDGEMENT_ROOM) break;
          }
          const step = input.step();
          if (step === NOTHING) break;
          if (step === PART) this.readable(input.announced, input.message!);
          else if (step === DONE) {
            const message = input.message!;
            input.message = undefined;
            this.complete(message);
          } else {
            const message = input.takeControl();
            if (this.takes(message)) {
              this.control(message);
              if (step === code.DISCONNECT) this.ending(message as ReasonMessage);
            }
          }
        }
        if (this.isOpen) this.received();
        output.flush();
        if (this.state === ENDING) input.discardAll();
      }
    } catch (error) {
      const failed = output.broken
        ? transportFailed(error)
        : toSealwireError(error, "INVALID_STATE", "A callback threw an error: the connection was closed.");
      this.fail(failed);
    }
    this.busy = false;
  }

  /** What becomes of a packet before the owner is told. @returns whether it is to be told */
  private takes(message: ControlMessage): boolean {
    if (message.operation === code.CONNACK) return this.accept(message);
    return message.operation !== code.AUTH || !this.answer(message);
  }

  /** The server sent DISCONNECT, and the owner knows. */
  private ending({ reasonCode, properties }: ReasonMessage): void {
    if (this.state === CLOSED) return;
    this.output.capacity = 0; // [MQTT-3.14.4-3]: nothing is sent after it
    if (reasonCode >= 0x80) this.fail(disconnectedByServer(reasonCode, properties), properties);
    else this.finish();
  }

  /** @returns whether the server accepted the connection, and it goes on */
  private accept(message: ConnackMessage): boolean {
    const { reasonCode, properties } = message;
    if (reasonCode !== 0) {
      const form = reasonCode < 0x80 ? 4 : this.version;
      this.fail(connectionRefused(form, reasonCode, properties), properties);
      return false;
    }
    checkConnack(message, this.clean, this.properties);
    this.answer(message);
    if (this.state !== HANDSHAKE) return false;
    this.state = CONNECTED;
    this.drained = true;
    this.limits = serverLimits(properties);
    this.input.expected = expectedAfterConnack(this.version) | this.authBit;
    this.clearTimer();
    // Many connections are silent from here on.
    this.input.shrink();
    const serverKeepAlive = properties?.serverKeepAlive; // [MQTT-3.2.2-21]
    if (serverKeepAlive !== undefined) this.keepAlive = 1000 * serverKeepAlive;
    if (this.keepAlive > 0) this.setTimer(untilPing(this));
    return true;
  }

  /** @returns whether the owner took the step of enhanced authentication */
  private answer(message: ReasonMessage | ConnackMessage): boolean {
    const method = this.properties?.authenticationMethod;
    const step = authenticationStep(message, method);
    const answer = step ? this.authenticate(step) : null;
    if (answer === null) return false;
    if (message.reasonCode === code.REASON_CONTINUE_AUTHENTICATION && this.state < ENDING)
      this.output.opening(encodeAuthentication(method!, answer));
    return true;
  }

  /** The transport took more, or closed: ends the connection when it took everything before. */
  private seeOff(): void {
    const sent = this.output.pending === 0;
    this.output.flush();
    this.input.discardAll();
    if (sent && this.drained) this.finish();
    this.drained = false;
  }

  /** Reports an end that came from outside, as soon as it can be called back. @param error `null` for a close without an error */
  raise(error: SealwireError | null): void {
    if (this.failure === undefined) this.failure = error;
    this.turn(-1);
  }

  private lost(error: SealwireError | null): void {
    const { state, input, output } = this;
    if (state === CLOSED) return;
    const complete = input.atBoundary && output.streaming === 0;
    output.capacity = 0;
    if (state === ENDING || (state === CONNECTED && error === null && complete)) this.finish();
    else
      this.fail(error ?? new SealwireError("CONNECTION_LOST", "The server closed the connection at a wrong moment."));
  }

  /** Ends the connection without an error. */
  private finish(): void {
    this.shut();
    this.tell(undefined, undefined);
  }

  fail(error: SealwireError, properties?: ReceivedProperties): void {
    if (this.state === CLOSED) return;
    try {
      if (this.state === CONNECTED && this.version === 5) writeGoodbye(this.output, error.reasonCode);
    } catch {
      // The connection is over anyway.
    }
    this.shut();
    this.tell(error, properties);
  }

  private tell(error: SealwireError | undefined, properties: ReceivedProperties | undefined): void {
    try {
      this.ended(error, properties);
    } catch {
      // Nobody is left to be told, and nothing may escape to the host.
    }
  }

  private shut(): void {
    this.state = CLOSED;
    this.clearTimer();
    closeResolver(this);
    const { transport } = this.output;
    this.input.close();
    this.output.close();
    transport?.close();
  }

  setTimer(milliseconds: number): void {
    this.clearTimer();
    this.handle = this.timer.set(() => {
      this.handle = undefined;
      this.onTimer();
    }, milliseconds);
  }

  private clearTimer(): void {
    if (this.handle === undefined) return;
    this.timer.clear(this.handle);
    this.handle = undefined;
  }

  private onTimer(): void {
    if (this.state === ENDING) this.finish();
    else if (this.state === CONNECTED) lookAfter(this);
    else {
      const what = this.output.transport
        ? "server did not accept the connection"
        : "name of the server was not resolved";
      this.fail(new SealwireError("TIMEOUT", `The ${what} in time.`));
    }
  }
}
