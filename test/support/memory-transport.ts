/**
 * A transport in memory with a test on its other end, and time that a test moves. Deliveries go out in rounds, never from within a call:
 * a test decides when.
 */
import { SealwireError } from "../../src/errors.js";
import type {
  BufferLike,
  PlatformTimer,
  ResolveOptions,
  Resolver,
  Transport,
  TransportOptions,
} from "../../src/platform.js";

/** How a {@link MemoryTransport} behaves. */
export interface MemoryTransportOptions {
  /** Bytes that can be written at a time; what is written is taken by the next {@link Wire.turn}. 4096 when left out. */
  readonly writable?: number;
  /** Bytes that arrive per turn; all when left out. 1 fragments at every byte. */
  readonly fragment?: number;
  /** The write, counted from 1, that throws. */
  readonly failAtWrite?: number;
  /** Nothing that is written is taken: `onWritable` does not come again. */
  readonly stalled?: boolean;
}

/** The other end of the transport of the latest connection, and the clock. */
export class Wire {
  /** Milliseconds. */
  now = 1000;
  /** Everything that was written, in order. */
  sent: number[] = [];
  /** The number of writes. */
  writes = 0;
  /** Largest number of bytes handed over in one read. */
  largestRead = 0;
  transport: MemoryTransport | undefined;
  behaviour: MemoryTransportOptions;
  stalled: boolean;
  #timers = new Map<number, { at: number; callback: () => void }>();
  #nextTimer = 1;

  constructor(behaviour: MemoryTransportOptions = {}) {
    this.behaviour = behaviour;
    this.stalled = behaviour.stalled ?? false;
  }

  readonly timer: PlatformTimer = {
    set: (callback, milliseconds) => {
      const handle = this.#nextTimer++;
      this.#timers.set(handle, { at: this.now + milliseconds, callback });
      return handle;
    },
    clear: (handle) => void this.#timers.delete(handle as number),
  };

  readonly ticks = (): number => this.now;

  /** Timers that are set. */
  get timers(): number {
    return this.#timers.size;
  }

  /** Lets time pass, timer by timer. */
  async advance(milliseconds: number): Promise<void> {
    const end = this.now + milliseconds;
    for (;;) {
      let next: [number, { at: number; callback: () => void }] | undefined;
      for (const entry of this.#timers) if (entry[1].at <= end && (!next || entry[1].at < next[1].at)) next = entry;
      if (!next) break;
      this.#timers.delete(next[0]);
      this.now = Math.max(this.now, next[1].at);
      next[1].callback();
      await this.turn();
    }
    this.now = end;
  }

  /** Moves bytes both ways until nothing is left to move. */
  async turn(): Promise<void> {
    for (let idle = 0; idle < 2;) {
      await Promise.resolve();
      if (this.transport?.pump()) idle = 0;
      else idle++;
    }
  }

  /** The peer sends bytes. */
  async receive(...parts: readonly (Uint8Array | readonly number[])[]): Promise<void> {
    for (const part of parts) this.transport?.arrive(part);
    await this.turn();
  }

  /** Takes what was written since the last call. */
  take(): Uint8Array {
    const bytes = Uint8Array.from(this.sent);
    this.sent = [];
    return bytes;
  }

  /** The peer closes the connection, or it breaks. */
  async end(error?: SealwireError): Promise<void> {
    this.transport?.end(error);
    await this.turn();
  }
}

/** Makes a transport class whose transports are the other end of `wire`. */
export function transportClass(wire: Wire): new (options: TransportOptions) => MemoryTransport {
  return class extends MemoryTransport {
    constructor(options: TransportOptions) {
      super(wire, options);
      wire.transport = this;
    }
  };
}

export class MemoryTransport implements Transport {
  readonly options: TransportOptions;
  readonly #wire: Wire;
  #incoming: number[] = [];
  /** Bytes that arrived, as a queue with a start. */
  #readable: number[] = [];
  #writable: number;
  #connected = false;
  #took = 0;
  #ended: { error: SealwireError | undefined } | undefined;
  #over = false;
  /** Whether its owner closed it, as it must also when it ended by itself: there are resources to give back. */
  closed = false;

  constructor(wire: Wire, options: TransportOptions) {
    this.#wire = wire;
    this.options = options;
    this.#writable = wire.behaviour.writable ?? 4096;
  }

  /** Bytes that wait to be read. */
  get unread(): number {
    return this.#readable.length + this.#incoming.length;
  }

  arrive(bytes: Uint8Array | readonly number[]): void {
    for (const byte of bytes) this.#incoming.push(byte);
  }

  end(error: SealwireError | undefined): void {
    this.#ended = { error };
  }

  /** Does one round of deliveries. @returns whether there was any */
  pump(): boolean {
    if (this.closed || this.#over) return false;
    let moved = false;
    if (!this.#connected) {
      this.#connected = true;
      this.options.onWritable?.(this.#writable);
      return true;
    }
    if (this.#took > 0 && !this.#wire.stalled) {
      this.#writable += this.#took;
      this.#took = 0;
      this.options.onWritable?.(this.#writable);
      moved = true;
    }
    if (this.#incoming.length > 0 && !this.isClosed) {
      const count = Math.min(this.#incoming.length, this.#wire.behaviour.fragment ?? this.#incoming.length);
      // Not `push(...)`: the arguments of a call lie on the stack, which on XS is small.
      for (const byte of this.#incoming.splice(0, count)) this.#readable.push(byte);
      this.options.onReadable?.(this.#readable.length);
      moved = true;
    }
    if (this.#ended && this.unread === 0 && !this.isClosed) {
      const { error } = this.#ended;
      this.#over = true;
      this.options.onError?.(error);
      moved = true;
    }
    return moved;
  }

  /** A property access that the compiler does not narrow: callbacks close. */
  private get isClosed(): boolean {
    return this.closed;
  }

  read(count?: number): ArrayBuffer | undefined;
  read(buffer: BufferLike): number | undefined;
  read(target?: number | BufferLike): ArrayBuffer | number | undefined {
    if (this.#readable.length === 0) return undefined;
    const given = typeof target === "object";
    const length = given ? target.byteLength : (target ?? this.#readable.length);
    const bytes = this.#readable.splice(0, length);
    this.#wire.largestRead = Math.max(this.#wire.largestRead, bytes.length);
    if (!given) return Uint8Array.from(bytes).buffer;
    (target instanceof Uint8Array ? target : new Uint8Array(target)).set(bytes);
    return bytes.length;
  }

  write(buffer: BufferLike): number {
    const bytes = buffer instanceof Uint8Array ? buffer : new Uint8Array(buffer);
    if (this.closed || this.#over) throw new SealwireError("INVALID_STATE", "The transport is closed.");
    if (++this.#wire.writes === this.#wire.behaviour.failAtWrite)
      throw new SealwireError("CONNECTION_LOST", "The write failed, as the test wanted.");
    if (bytes.byteLength > this.#writable)
      throw new SealwireError("INVALID_ARGUMENT", `${bytes.byteLength} bytes do not fit, ${this.#writable} would.`);
    for (const byte of bytes) this.#wire.sent.push(byte);
    this.#writable -= bytes.byteLength;
    this.#took += bytes.byteLength;
    return this.#writable;
  }

  close(): void {
    this.closed = true;
  }
}

/** A resolver that knows one name, `broker.example`, and answers in the next job. */
export class MemoryResolver implements Resolver {
  #closed = false;

  resolve({ host, onResolved, onError }: ResolveOptions): void {
    void Promise.resolve().then(() => {
      if (this.#closed) return;
      if (host === "broker.example") onResolved(host, "192.0.2.1");
      else onError?.();
    });
  }

  close(): void {
    this.#closed = true;
  }
}
