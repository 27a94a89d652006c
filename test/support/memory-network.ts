/** A network in memory: connections that deliver in parts, take little at a time, and are cut where a test wants it. */
import { toBytes } from "../../src/bytes.js";
import { SealwireError } from "../../src/errors.js";
import type {
  BufferLike,
  ResolverDescriptor,
  Transport,
  TransportDescriptor,
  TransportOptions,
} from "../../src/platform.js";

/** The server's end of a connection. */
export interface ServerEnd {
  send(bytes: Uint8Array): void;
  /** Closes it from the server's side, after what was sent. */
  finish(): void;
  onData: (bytes: Uint8Array) => void;
  onClose: () => void;
}

export class MemoryNetwork {
  /** Bytes that a client may have written and not yet delivered. */
  capacity = 4096;
  /** Most bytes that are delivered at once; a function gives another number each time. */
  chunk: number | (() => number) = 65536;
  /** Bytes, of both directions together, after which each new connection is cut; `undefined`: never. */
  cutAfter: (() => number | undefined) | undefined;
  /** Nothing gets through from clients to the server, until {@link resume}. */
  stalled = false;
  /** A server that accepts no connection. */
  refuse = false;
  /** Called before every operation of a transport: what it throws is a crash of the device. */
  onOperation: (() => void) | undefined;
  readonly #accept: (end: ServerEnd) => void;
  readonly #tasks: (() => void)[] = [];
  #links: Link[] = [];

  /** @param accept takes the server's end of every new connection */
  constructor(accept: (end: ServerEnd) => void) {
    this.#accept = accept;
  }

  /** For the option `socket`. */
  get socket(): TransportDescriptor {
    // eslint-disable-next-line @typescript-eslint/no-this-alias -- the class below has a `this` of its own
    const network = this;
    return {
      io: class implements Transport {
        readonly #link: Link;
        constructor(options: TransportOptions) {
          this.#link = new Link(network, options);
        }
        read(count?: number): ArrayBuffer | undefined;
        read(buffer: BufferLike): number | undefined;
        read(target?: number | BufferLike): ArrayBuffer | number | undefined {
          return this.#link.read(target);
        }
        write(buffer: BufferLike): number {
          return this.#link.write(buffer);
        }
        close(): void {
          this.#link.close();
        }
      },
    };
  }

  /** For the option `dns`. */
  get dns(): ResolverDescriptor {
    // eslint-disable-next-line @typescript-eslint/no-this-alias -- the class below has a `this` of its own
    const network = this;
    return {
      io: class {
        resolve(options: { host: string; onResolved: (host: string, address: string) => void }): void {
          network.post(() => options.onResolved(options.host, "192.0.2.1"));
        }
        close(): void {
          return;
        }
      },
    };
  }

  /** Ends {@link stalled}. */
  resume(): void {
    this.stalled = false;
    for (const link of this.#links) link.resume();
  }

  /** Cuts every connection, without a goodbye. */
  cut(): void {
    for (const link of [...this.#links]) link.cut();
  }

  /** The device is gone: nothing reaches it any more; the server sees its connections end. */
  crash(): void {
    for (const link of [...this.#links]) link.vanish();
  }

  post(task: () => void): void {
    this.#tasks.push(task);
  }

  /** Connections that are open. */
  get connections(): number {
    return this.#links.length;
  }

  /** Runs until nothing more happens by itself. */
  async run(): Promise<void> {
    for (let idle = 0; idle < 8; idle++) {
      while (await this.step()) idle = 0;
      await turn();
    }
  }

  /** Lets the next thing happen, and what follows from it at once. @returns whether there was one */
  async step(): Promise<boolean> {
    const task = this.#tasks.shift();
    task?.();
    if (task) await turn();
    return task !== undefined;
  }

  /** @internal */
  opened(link: Link): void {
    this.#links.push(link);
    this.#accept(link);
  }

  /** @internal */
  ended(link: Link): void {
    this.#links = this.#links.filter((other) => other !== link);
  }

  /** @internal */
  nextChunk(): number {
    return typeof this.chunk === "number" ? this.chunk : this.chunk();
  }
}

/** Lets the promises that are settled call back. */
async function turn(): Promise<void> {
  for (let i = 0; i < 3; i++) await Promise.resolve();
}

class Link implements ServerEnd {
  onData: (bytes: Uint8Array) => void = () => undefined;
  onClose: () => void = () => undefined;
  readonly #network: MemoryNetwork;
  readonly #options: TransportOptions;
  #up: Uint8Array = new Uint8Array(0);
  #down: Uint8Array = new Uint8Array(0);
  #readable: Uint8Array = new Uint8Array(0);
  #budget: number | undefined;
  #open = false;
  /** The client closed its end, or was told of the end: it hears nothing more. */
  #deaf = false;
  #finishing = false;
  #upScheduled = false;
  #downScheduled = false;

  constructor(network: MemoryNetwork, options: TransportOptions) {
    this.#network = network;
    this.#options = options;
    this.#budget = network.cutAfter?.();
    network.post(() => {
      if (this.#deaf) return;
      if (network.refuse) {
        this.#deaf = true;
        options.onError?.(new SealwireError("CONNECTION_REFUSED", "The server refused the connection."));
        return;
      }
      this.#open = true;
      network.opened(this);
      network.onOperation?.();
      options.onWritable?.(network.capacity);
    });
  }

  // The client's end

  read(target?: number | BufferLike): ArrayBuffer | number | undefined {
    this.#network.onOperation?.();
    if (this.#readable.byteLength === 0) return undefined;
    const wanted =
      target === undefined ? this.#readable.byteLength : typeof target === "number" ? target : target.byteLength;
    const count = Math.min(wanted, this.#readable.byteLength);
    const bytes = this.#readable.slice(0, count);
    this.#readable = this.#readable.slice(count);
    if (target === undefined || typeof target === "number") return bytes.buffer;
    toBytes(target).set(bytes);
    return count;
  }

  write(buffer: BufferLike): number {
    this.#network.onOperation?.();
    const bytes = toBytes(buffer);
    const writable = this.#network.capacity - this.#up.byteLength;
    if (bytes.byteLength > writable)
      throw new SealwireError("INVALID_ARGUMENT", `Wrote ${bytes.byteLength} bytes where ${writable} were writable.`);
    this.#up = join(this.#up, bytes);
    this.#scheduleUp();
    return writable - bytes.byteLength;
  }

  close(): void {
    this.#deaf = true;
    this.#end();
  }

  // The server's end

  send(bytes: Uint8Array): void {
    if (!this.#open) return;
    this.#down = join(this.#down, bytes);
    this.#scheduleDown();
  }

  finish(): void {
    this.#finishing = true;
    this.#scheduleDown();
  }

  // The network

  resume(): void {
    this.#scheduleUp();
  }

  cut(): void {
    if (!this.#open) return;
    this.#end();
    this.#tell();
  }

  vanish(): void {
    this.#deaf = true;
    this.#end();
  }

  #end(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#network.ended(this);
    this.#network.post(() => this.onClose());
  }

  #tell(): void {
    this.#network.post(() => {
      if (this.#deaf) return;
      this.#deaf = true;
      this.#options.onError?.(new SealwireError("CONNECTION_LOST", "The connection was cut."));
    });
  }

  /** How many of `count` bytes get through; cuts the connection behind the last one that does. */
  #pass(count: number): number {
    if (this.#budget === undefined) return count;
    const passed = Math.min(count, this.#budget);
    this.#budget -= passed;
    return passed;
  }

  #scheduleUp(): void {
    if (this.#upScheduled) return;
    this.#upScheduled = true;
    this.#network.post(() => {
      this.#upScheduled = false;
      if (!this.#open || this.#network.stalled) return;
      const wanted = Math.min(this.#network.nextChunk(), this.#up.byteLength);
      const count = this.#pass(wanted);
      const bytes = this.#up.slice(0, count);
      this.#up = this.#up.slice(count);
      if (count > 0) this.onData(bytes);
      if (count < wanted || this.#budget === 0) {
        this.cut();
        return;
      }
      if (this.#up.byteLength > 0) this.#scheduleUp();
      if (!this.#deaf) {
        this.#network.onOperation?.();
        this.#options.onWritable?.(this.#network.capacity - this.#up.byteLength);
      }
    });
  }

  #scheduleDown(): void {
    if (this.#downScheduled) return;
    this.#downScheduled = true;
    this.#network.post(() => {
      this.#downScheduled = false;
      if (!this.#open) return;
      const wanted = Math.min(this.#network.nextChunk(), this.#down.byteLength);
      const count = this.#pass(wanted);
      this.#readable = join(this.#readable, this.#down.subarray(0, count));
      this.#down = this.#down.slice(count);
      if (count < wanted || this.#budget === 0) this.cut();
      else if (this.#down.byteLength > 0) this.#scheduleDown();
      else if (this.#finishing) this.cut();
      if (!this.#deaf && count > 0) {
        this.#network.onOperation?.();
        this.#options.onReadable?.(this.#readable.byteLength);
      }
    });
  }
}

function join(a: Uint8Array, b: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(a.byteLength + b.byteLength);
  bytes.set(a);
  bytes.set(b, a.byteLength);
  return bytes;
}
