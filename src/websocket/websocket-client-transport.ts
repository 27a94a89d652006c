/**
 * The WebSocket client class of a host (ECMA-419 WebSocket client class pattern, `embedded:network/websocket/client` where there is one) as a transport: for devices
 * that have one anyway, so that ours need not be in their flash. TLS below it stays ours.
 */
import { toBytes } from "../bytes.js";
import { SealwireError, toSealwireError } from "../errors.js";
import type {
  BufferLike,
  PlatformTimer,
  Resolver,
  ResolveOptions,
  TimerHandle,
  Transport,
  TransportConstructor,
  TransportDescriptor,
  TransportOptions,
} from "../platform.js";

/** What such a class is made with. */
export interface WebSocketClientOptions {
  readonly host: string;
  readonly port: number;
  readonly path: string;
  readonly protocol: string;
  readonly dns: { readonly io: new (options: object) => Resolver };
  readonly socket: TransportDescriptor;
  readonly onReadable: (count: number, options?: { readonly more?: boolean; readonly binary?: boolean }) => void;
  readonly onWritable: (count: number) => void;
  readonly onClose: () => void;
  readonly onError: (error?: unknown) => void;
}

export interface WebSocketClient {
  read(buffer: Uint8Array): number | undefined;
  read(count?: number): ArrayBuffer | number | undefined;
  /** @returns what can be written now */
  write(data: Uint8Array, options?: { readonly binary?: boolean; readonly more?: boolean }): number;
  close(): void;
}

export type WebSocketClientConstructor = new (options: WebSocketClientOptions) => WebSocketClient;

export interface WebSocketClientTransportOptions extends TransportOptions {
  /** The class. */
  readonly client: WebSocketClientConstructor;
  /** The transport below, TLS as a rule. */
  readonly socket: TransportDescriptor;
  readonly timer: PlatformTimer;
  /** `/mqtt` when left out. */
  readonly path?: string | undefined;
  /** The subprotocol: `mqtt` when left out. */
  readonly protocol?: string | undefined;
}

export class WebSocketClientTransport implements Transport {
  readonly #options: WebSocketClientTransportOptions;
  readonly #client: WebSocketClient;
  #readable = 0;
  #writable = 0;
  #isOpen = false;
  #isClosed = false;
  /** What the transport below said of its end: the class in between does not pass it on. */
  #below: SealwireError | undefined;

  /** @throws SealwireError `INVALID_ARGUMENT`, what the class throws */
  constructor(options: WebSocketClientTransportOptions) {
    const { client, socket, timer, address, host, port = 443, path = "/mqtt", protocol = "mqtt" } = options;
    const name = host ?? address;
    if (name === undefined) throw new SealwireError("INVALID_ARGUMENT", "A WebSocket needs a host or an address.");
    if (typeof client !== "function")
      throw new SealwireError("INVALID_ARGUMENT", "The option client must be a class of WebSocket clients.");
    this.#options = options;
    this.#client = new client({
      host: name,
      port,
      path,
      protocol,
      dns: { io: knownAddress(address ?? name, timer, (body) => this.guard(body)) },
      socket: { io: byteTransport(socket, (error) => (this.#below = error)) },
      onReadable: (count, { binary = true } = {}) => {
        if (binary) this.readable(count);
        else this.fail(new SealwireError("CONNECTION_LOST", "The server sends what is not binary over the WebSocket."));
      },
      onWritable: (count) => {
        this.#isOpen = true;
        this.#writable = count;
        this.guard(() => this.#options.onWritable?.(count));
      },
      onClose: () => this.fail(new SealwireError("CONNECTION_LOST", "The server closed the WebSocket.")),
      onError: () => this.fail(this.#below ?? this.unexplained()),
    });
  }

  read(count?: number): ArrayBuffer | undefined;
  read(buffer: BufferLike): number | undefined;
  read(into?: number | BufferLike): ArrayBuffer | number | undefined {
    if (this.#isClosed || this.#readable === 0) return undefined;
    const given = typeof into === "object";
    const wanted = Math.min(given ? into.byteLength : (into ?? this.#readable), this.#readable);
    const target = given ? toBytes(into).subarray(0, wanted) : new Uint8Array(wanted);
    const count = this.#client.read(target) ?? 0;
    this.#readable -= count;
    if (given) return count;
    return (count < wanted ? target.slice(0, count) : target).buffer as ArrayBuffer;
  }

  write(buffer: BufferLike): number {
    const bytes = toBytes(buffer);
    if (this.#isClosed || bytes.byteLength > this.#writable)
      throw new SealwireError(
        "INVALID_ARGUMENT",
        `${bytes.byteLength} bytes are more than can be written to the WebSocket now.`,
      );
    return (this.#writable = Math.max(0, this.#client.write(bytes, { binary: true })));
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    try {
      this.#client.close();
    } catch {
      // The connection is being given up: what the class makes of it changes nothing.
    }
  }

  private readable(count: number): void {
    this.#readable = count;
    this.guard(() => this.#options.onReadable?.(count));
  }

  private unexplained(): SealwireError {
    return this.#isOpen
      ? new SealwireError("CONNECTION_LOST", "The WebSocket was lost.")
      : new SealwireError("CONNECTION_REFUSED", "The server did not accept the WebSocket.");
  }

  /** Nothing that is thrown in a callback may reach the class: there it would restart the device. */
  private guard(body: () => void): void {
    if (this.#isClosed) return;
    try {
      body();
    } catch (error) {
      this.fail(toSealwireError(error, "CONNECTION_LOST", "The WebSocket failed."));
    }
  }

  private fail(error: SealwireError): void {
    if (this.#isClosed) return;
    this.close();
    try {
      this.#options.onError?.(error);
    } catch {
      // What the owner throws at the end of a connection must not reach the host either.
    }
  }
}

/**
 * The address is known: whoever asks for it is answered, in a turn of its own as a resolver does.
 * @param guard nothing that is thrown in that turn may reach the host: the class makes the transport below then
 */
function knownAddress(
  address: string,
  timer: PlatformTimer,
  guard: (body: () => void) => void,
): new (options: object) => Resolver {
  return class KnownAddress implements Resolver {
    private answer: TimerHandle;

    resolve({ host, onResolved }: ResolveOptions): void {
      this.answer = timer.set(() => guard(() => onResolved(host, address)), 0);
    }

    close(): void {
      timer.clear(this.answer);
    }
  };
}

/**
 * The transport below as ECMA-419's classes of sockets are: `format` says whether `read()` gives a byte or a buffer.
 * @param onEnd is told why it ended
 */
function byteTransport(below: TransportDescriptor, onEnd: (error: SealwireError) => void): TransportConstructor {
  const { io, ...own } = below;
  return class ByteTransport {
    format: "number" | "buffer" = "number";
    readonly #below: Transport;

    constructor(options: TransportOptions) {
      this.#below = new io({
        ...own,
        ...options,
        noDelay: true,
        onError: (error?: SealwireError) => {
          if (error) onEnd(error);
          options.onError?.(error);
        },
      });
    }

    read(count?: number): ArrayBuffer | undefined;
    read(buffer: BufferLike): number | undefined;
    read(into?: number | BufferLike): ArrayBuffer | number | undefined {
      if (typeof into === "object") return this.#below.read(into);
      if (this.format === "buffer") return this.#below.read(into);
      const byte = new Uint8Array(1);
      return this.#below.read(byte) === 1 ? byte[0] : undefined;
    }

    write(data: BufferLike | number): number {
      return this.#below.write(typeof data === "number" ? Uint8Array.of(data) : data);
    }

    close(): void {
      this.#below.close();
    }
  };
}
