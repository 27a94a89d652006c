/**
 * TLS as a transport that wraps a transport (ECMA-419 style): plaintext above, a {@link TLSEngine} in the middle, any transport
 * below. It moves bytes between the three and holds at most one buffer of ciphertext each way.
 */
import { toBytes } from "../bytes.js";
import { SealwireError, toSealwireError } from "../errors.js";
import type {
  BufferLike,
  PlatformTimer,
  TLSEngine,
  TLSNegotiated,
  TLSSessionData,
  TimerHandle,
  Transport,
  TransportDescriptor,
  TransportOptions,
} from "../platform.js";
import { EngineOptions, type EngineOwner, type SecureOptions } from "./engine-options.js";

export type { SecureOptions } from "./engine-options.js";

export interface TLSSocketOptions extends TransportOptions {
  /** The transport below. It is made with `address`, `host` and `port` of these options. */
  readonly socket: TransportDescriptor;
  /**
   * Asked for once, when the transport below is connected: so a session that may be used only once is not spent on a connection that
   * never comes about. What it returns is the socket's from then on, which lets go of the session once that was offered.
   */
  readonly secure: (host: string | undefined) => SecureOptions;
  readonly timer: PlatformTimer;
  /** Everything is gone, the goodbye sent: called once, a moment after `close()` or `onError`. A device should not sleep before. */
  readonly onReleased?: (() => void) | undefined;
}

/** Milliseconds that a goodbye or an alert may take to leave. */
const LINGER = 1000;

// States, in their order
/** The transport below connects. */
const CONNECTING = 0;
const HANDSHAKE = 1;
const OPEN = 2;
/** What is unsent leaves. */
const CLOSING = 3;
const CLOSED = 4;

export class TLSSocket implements Transport, EngineOwner {
  readonly #options: TLSSocketOptions;
  readonly #below: Transport;
  #engine: TLSEngine | undefined;
  #belowReadable = 0;
  #belowWritable = 0;
  /** The transport below ended; what the engine still holds is delivered before that is reported. */
  #belowError: SealwireError | undefined;
  #fedEnd = false;
  /**
   * First what was read from below, of which the engine did not take yet what lies from `#start` to `#end`; behind it room for what is
   * drained. There as long as the engine.
   */
  #buffer: Uint8Array | undefined;
  #start = 0;
  #end = 0;
  /** Of the next step of the handshake, or of the end of lingering. */
  #timer: TimerHandle;
  #state = CONNECTING;
  #pumping = false;

  constructor(options: TLSSocketOptions) {
    this.#options = options;
    const { socket, address, host, port } = options;
    const below = {
      ...socket,
      noDelay: true,
      onReadable: (count: number) => this.belowReadable(count),
      onWritable: (count: number) => this.belowWritable(count),
      onError: (error?: SealwireError) => this.belowFailed(error),
    } as { -readonly [Name in keyof TransportOptions]: TransportOptions[Name] };
    // Not spread: that would make an object for each, at the moment when a chip's heap is fullest.
    if (address !== undefined) below.address = address;
    if (host !== undefined) below.host = host;
    if (port !== undefined) below.port = port;
    this.#below = new socket.io(below);
  }

  read(count?: number): ArrayBuffer | undefined;
  read(buffer: BufferLike): number | undefined;
  read(into?: number | BufferLike): ArrayBuffer | number | undefined {
    const engine = this.isOver() ? undefined : this.#engine;
    const readable = engine?.readable ?? 0;
    if (engine === undefined || readable === 0) return undefined;
    const given = typeof into === "object";
    const target = given ? toBytes(into) : new Uint8Array(Math.min(into ?? readable, readable));
    const count = engine.read(target);
    // What was read made room for more; a failure there must not take away what was read.
    this.tryPump(true);
    if (given) return count;
    return (count < target.byteLength ? target.slice(0, count) : target).buffer as ArrayBuffer;
  }

  write(buffer: BufferLike): number {
    const bytes = toBytes(buffer);
    const engine = this.#engine;
    if (engine === undefined || this.#state !== OPEN || bytes.byteLength > engine.writable)
      throw new SealwireError(
        "INVALID_ARGUMENT",
        `${bytes.byteLength} bytes are more than can be written to the TLS socket now.`,
      );
    engine.write(bytes);
    this.tryPump(false);
    return this.writable;
  }

  /** Says goodbye (close_notify) and ends the connection. What was written before is still sent; nothing is called back any more. */
  close(): void {
    if (this.#state === CLOSING || this.#state === CLOSED) return;
    try {
      if (this.#state === OPEN) this.#engine?.end();
    } catch {
      // The connection is being given up: a goodbye that fails changes nothing.
    }
    this.linger();
  }

  /** Lets what is unsent leave, for a limited time. */
  private linger(): void {
    const { timer } = this.#options;
    this.#state = CLOSING;
    timer.clear(this.#timer);
    this.#timer = timer.set(() => this.release(), LINGER);
    this.flush();
  }

  private flush(): void {
    try {
      this.pumpOut();
    } catch {
      this.release();
    }
    if (this.#state === CLOSING && (this.#engine?.unsent !== true || this.#belowError !== undefined)) this.release();
  }

  private release(): void {
    if (this.#state === CLOSED) return;
    this.#state = CLOSED;
    this.#options.timer.clear(this.#timer);
    this.#timer = undefined;
    this.#buffer?.fill(0);
    this.#buffer = undefined;
    const engine = this.#engine;
    this.#engine = undefined;
    // Each of them whatever the others do: what is left open leaks, and who waits for the end would wait for ever.
    ignore(() => engine?.close());
    ignore(() => this.#below.close());
    ignore(() => this.#options.onReleased?.());
  }

  private belowReadable(count: number): void {
    this.#belowReadable = count;
    this.tryPump(true);
  }

  private belowWritable(count: number): void {
    this.#belowWritable = count;
    if (this.#state === CLOSING) this.flush();
    if (this.isOver()) return;
    try {
      if (this.#state === CONNECTING) this.handshake();
      else this.pumpOut();
      // A handshake that waited for room goes on.
      if (this.#state === HANDSHAKE) this.pumpIn();
    } catch (error) {
      this.failWith(error);
    }
  }

  private belowFailed(error?: SealwireError): void {
    this.#belowError = error ?? new SealwireError("CONNECTION_LOST", "The connection was lost.");
    this.#belowWritable = 0;
    if (this.#state === CONNECTING) this.fail(this.#belowError);
    else if (this.#state === CLOSING) this.release();
    else this.tryPump(true);
  }

  private handshake(): void {
    const { host, secure } = this.#options;
    this.#state = HANDSHAKE;
    const options = secure(host);
    const engine = (this.#engine = options.createTLSEngine(new EngineOptions(this, options)));
    // It has been read. A kilobyte, that should not lie in the heap while the handshake needs it.
    delete (options as { session?: unknown }).session;
    this.#buffer = new Uint8Array(engine.feedSize + engine.drainSize);
    this.step();
    this.pumpIn();
  }

  // What the engine tells

  /** @internal */
  opened(negotiated: TLSNegotiated, secure: SecureOptions): void {
    if (this.isOver()) return;
    try {
      secure.onOpen?.(negotiated);
      if (this.isOver()) return;
      this.#state = OPEN;
      this.#options.onWritable?.(this.writable);
    } catch (error) {
      this.failWith(error);
    }
  }

  /** A session that comes while the goodbye leaves is late: its owner may have begun the next connection. @internal */
  issued(session: TLSSessionData, secure: SecureOptions): void {
    if (this.isOver()) return;
    try {
      secure.onSession?.(session);
    } catch (error) {
      this.failWith(error);
    }
  }

  /** @internal */
  tellReadable(): void {
    if (this.isOver()) return;
    try {
      this.#options.onReadable?.(this.#engine?.readable ?? 0);
    } catch (error) {
      this.failWith(error);
    }
  }

  /** @internal */
  tellWritable(): void {
    if (this.#state !== OPEN) return;
    try {
      this.#options.onWritable?.(this.writable);
    } catch (error) {
      this.failWith(error);
    }
  }

  /** @internal */
  drainable(): void {
    if (this.#state === CLOSING) this.flush();
    this.tryPump(false);
  }

  /** @internal */
  engineFailed(error: SealwireError): void {
    // That the peer left without a goodbye is better told by the transport, which knows how.
    this.fail(error.code === "CONNECTION_LOST" ? (this.#belowError ?? error) : error);
  }

  /** One piece of work at a time, with a turn of the event loop in between: a handshake must not starve the watchdog. */
  private step(): void {
    if (this.#engine === undefined || this.#timer !== undefined || this.isOver()) return;
    const more = this.#engine.step();
    this.pumpOut();
    if (!more || this.isOver()) return;
    this.#timer = this.#options.timer.set(() => {
      this.#timer = undefined;
      this.turn();
    }, 0);
  }

  private turn(): void {
    if (this.isOver()) return;
    try {
      this.step();
      this.pumpIn();
    } catch (error) {
      this.failWith(error);
    }
  }

  private pumpIn(): void {
    // The engine may call back while it is fed, and the application may read from there.
    if (this.#pumping) return;
    this.#pumping = true;
    try {
      while (this.#engine && !this.isOver()) {
        if (this.#start === this.#end) {
          if (this.#belowReadable <= 0) {
            this.feedEnd();
            break;
          }
          const count = this.#below.read(this.#buffer!.subarray(0, this.#engine.feedSize)) ?? 0;
          this.#belowReadable = count === 0 ? 0 : this.#belowReadable - count;
          this.#start = 0;
          this.#end = count;
          if (count === 0) continue;
        }
        const taken = this.#engine.feed(this.#buffer!.subarray(this.#start, this.#end));
        this.#start += taken;
        this.step();
        if (taken === 0) break;
      }
    } finally {
      this.#pumping = false;
    }
  }

  private feedEnd(): void {
    if (this.#belowError === undefined || this.#fedEnd) return;
    this.#fedEnd = true;
    this.#engine?.feedEnd();
  }

  private pumpOut(): void {
    while (this.#engine && this.#belowWritable > 0 && this.#buffer) {
      const begin = this.#engine.feedSize;
      const count = this.#engine.drain(this.#buffer.subarray(begin, begin + this.#belowWritable));
      if (count === 0) break;
      this.#belowWritable = this.#below.write(this.#buffer.subarray(begin, begin + count));
    }
  }

  /** Nothing that is thrown in a callback may reach the host: there it would restart the device. */
  private tryPump(inwards: boolean): void {
    if (this.isOver()) return;
    try {
      if (inwards) this.pumpIn();
      else this.pumpOut();
    } catch (error) {
      this.failWith(error);
    }
  }

  private failWith(error: unknown): void {
    const code = this.#state === OPEN ? "CONNECTION_LOST" : "TLS_HANDSHAKE_FAILED";
    this.fail(toSealwireError(error, code, "The TLS connection failed."));
  }

  /** @internal */
  fail(error: SealwireError): void {
    if (this.isOver()) return;
    // An alert that tells the server why may still have to leave.
    this.linger();
    ignore(() => this.#options.onError?.(error));
  }

  private isOver(): boolean {
    return this.#state >= CLOSING;
  }

  private get writable(): number {
    return this.#state === OPEN ? (this.#engine?.writable ?? 0) : 0;
  }
}

/** For the end of a connection, where nobody is left to tell, and nothing that is thrown may reach the host. */
function ignore(body: () => void): void {
  try {
    body();
  } catch {
    // See above.
  }
}
