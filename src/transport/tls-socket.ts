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
  TLSEngineOptions,
  TLSNegotiated,
  TimerHandle,
  Transport,
  TransportDescriptor,
  TransportOptions,
} from "../platform.js";

/** Of {@link TLSEngineOptions} what the socket answers itself. */
type EngineCallback = "onOpen" | "onReadable" | "onWritable" | "onDrainable" | "onClose" | "onError";

/** What a connection needs to be secure. */
export interface SecureOptions extends Omit<TLSEngineOptions, EngineCallback> {
  readonly createTLSEngine: (options: TLSEngineOptions) => TLSEngine;
  /** The handshake is done and the server verified. What it throws ends the connection before a byte is written. */
  readonly onOpen?: ((negotiated: TLSNegotiated) => void) | undefined;
}

export interface TLSSocketOptions extends TransportOptions {
  /** The transport below. It is made with `address`, `host` and `port` of these options. */
  readonly socket: TransportDescriptor;
  /**
   * Asked for once, when the transport below is connected: so a session that may be used only once is not spent on a connection that
   * never comes about.
   */
  readonly secure: (host: string | undefined) => SecureOptions;
  readonly timer: PlatformTimer;
  /** Everything is gone, the goodbye sent: called once, a moment after `close()` or `onError`. A device should not sleep before. */
  readonly onReleased?: (() => void) | undefined;
}

/** Bytes of ciphertext that are moved at once, each way. */
const CHUNK = 1024;

/** Milliseconds that a goodbye or an alert may take to leave. */
const LINGER = 1000;

export class TLSSocket implements Transport {
  readonly #options: TLSSocketOptions;
  readonly #below: Transport;
  #engine: TLSEngine | undefined;
  #belowReadable = 0;
  #belowWritable = 0;
  /** The transport below ended; what the engine still holds is delivered before that is reported. */
  #belowError: SealwireError | undefined;
  #fedEnd = false;
  /** Ciphertext that was read from below and not taken by the engine yet: `#input` from `#start` to `#end`. */
  readonly #input = new Uint8Array(CHUNK);
  readonly #output = new Uint8Array(CHUNK);
  #start = 0;
  #end = 0;
  /** Of the next step of the handshake, or of the end of lingering. */
  #timer: TimerHandle;
  #state: "connecting" | "handshake" | "open" | "closing" | "closed" = "connecting";
  #pumping = false;

  constructor(options: TLSSocketOptions) {
    this.#options = options;
    const { socket, address, host, port } = options;
    const below: TransportOptions = {
      ...socket,
      ...(address !== undefined && { address }),
      ...(host !== undefined && { host }),
      ...(port !== undefined && { port }),
      noDelay: true,
      onReadable: (count) => {
        this.#belowReadable = count;
        this.guard(() => this.pumpIn());
      },
      onWritable: (count) => {
        this.#belowWritable = count;
        if (this.#state === "closing") this.flush();
        this.guard(() => {
          if (this.#state === "connecting") this.handshake();
          else this.pumpOut();
          // A handshake that waited for room goes on.
          if (this.#state === "handshake") this.pumpIn();
        });
      },
      onError: (error) => {
        this.#belowError = error ?? new SealwireError("CONNECTION_LOST", "The connection was lost.");
        this.#belowWritable = 0;
        if (this.#state === "connecting") this.fail(this.#belowError);
        else if (this.#state === "closing") this.release();
        else this.guard(() => this.pumpIn());
      },
    };
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
    this.guard(() => this.pumpIn());
    if (given) return count;
    return (count < target.byteLength ? target.slice(0, count) : target).buffer as ArrayBuffer;
  }

  write(buffer: BufferLike): number {
    const bytes = toBytes(buffer);
    const engine = this.#engine;
    if (engine === undefined || this.#state !== "open" || bytes.byteLength > engine.writable)
      throw new SealwireError(
        "INVALID_ARGUMENT",
        `${bytes.byteLength} bytes are more than can be written to the TLS socket now.`,
      );
    engine.write(bytes);
    this.guard(() => this.pumpOut());
    return this.writable;
  }

  /** Says goodbye (close_notify) and ends the connection. What was written before is still sent; nothing is called back any more. */
  close(): void {
    if (this.#state === "closing" || this.#state === "closed") return;
    try {
      if (this.#state === "open") this.#engine?.end();
    } catch {
      // The connection is being given up: a goodbye that fails changes nothing.
    }
    this.linger();
  }

  /** Lets what is unsent leave, for a limited time. */
  private linger(): void {
    const { timer } = this.#options;
    this.#state = "closing";
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
    if (this.#state === "closing" && (this.#engine?.unsent !== true || this.#belowError !== undefined)) this.release();
  }

  private release(): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#options.timer.clear(this.#timer);
    this.#timer = undefined;
    this.#input.fill(0);
    const engine = this.#engine;
    this.#engine = undefined;
    // Each of them whatever the others do: what is left open leaks, and who waits for the end would wait for ever.
    for (const end of [() => engine?.close(), () => this.#below.close(), () => this.#options.onReleased?.()])
      ignore(end);
  }

  private handshake(): void {
    const { host, secure } = this.#options;
    this.#state = "handshake";
    const { createTLSEngine, onOpen, onSession, ...engineOptions } = secure(host);
    this.#engine = createTLSEngine({
      ...engineOptions,
      onOpen: (negotiated) => {
        this.guard(() => {
          onOpen?.(negotiated);
          if (this.isOver()) return;
          this.#state = "open";
          this.#options.onWritable?.(this.writable);
        });
      },
      // A session that comes while the goodbye leaves is late: its owner may have begun the next connection.
      onSession: onSession && ((session) => this.guard(() => onSession(session))),
      onReadable: () => {
        this.guard(() => this.#options.onReadable?.(this.#engine?.readable ?? 0));
      },
      onWritable: () => {
        this.guard(() => this.#state === "open" && this.#options.onWritable?.(this.writable));
      },
      onDrainable: () => {
        if (this.#state === "closing") this.flush();
        this.guard(() => this.pumpOut());
      },
      onClose: () => {
        this.fail(new SealwireError("CONNECTION_LOST", "The server closed the connection."));
      },
      onError: (error) => {
        // That the peer left without a goodbye is better told by the transport, which knows how.
        this.fail(error.code === "CONNECTION_LOST" ? (this.#belowError ?? error) : error);
      },
    });
    this.step();
    this.pumpIn();
  }

  /** One piece of work at a time, with a turn of the event loop in between: a handshake must not starve the watchdog. */
  private step(): void {
    if (this.#engine === undefined || this.#timer !== undefined || this.isOver()) return;
    const more = this.#engine.step();
    this.pumpOut();
    if (!more || this.isOver()) return;
    this.#timer = this.#options.timer.set(() => {
      this.#timer = undefined;
      this.guard(() => {
        this.step();
        this.pumpIn();
      });
    }, 0);
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
          const count = this.#below.read(this.#input) ?? 0;
          this.#belowReadable = count === 0 ? 0 : this.#belowReadable - count;
          this.#start = 0;
          this.#end = count;
          if (count === 0) continue;
        }
        const taken = this.#engine.feed(this.#input.subarray(this.#start, this.#end));
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
    while (this.#engine && this.#belowWritable > 0) {
      const count = this.#engine.drain(this.#output.subarray(0, Math.min(this.#belowWritable, CHUNK)));
      if (count === 0) break;
      this.#belowWritable = this.#below.write(this.#output.subarray(0, count));
    }
  }

  /** Nothing that is thrown in a callback may reach the host: there it would restart the device. */
  private guard(body: () => unknown): void {
    if (this.isOver()) return;
    try {
      body();
    } catch (error) {
      const code = this.#state === "open" ? "CONNECTION_LOST" : "TLS_HANDSHAKE_FAILED";
      this.fail(toSealwireError(error, code, "The TLS connection failed."));
    }
  }

  private fail(error: SealwireError): void {
    if (this.isOver()) return;
    // An alert that tells the server why may still have to leave.
    this.linger();
    ignore(() => this.#options.onError?.(error));
  }

  private isOver(): boolean {
    return this.#state === "closing" || this.#state === "closed";
  }

  private get writable(): number {
    return this.#state === "open" ? (this.#engine?.writable ?? 0) : 0;
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
