/**
 * The ECMA-419 TCP socket class pattern of the contract, over the SDK's `embedded:io/socket/tcp`.
 *
 * What the SDK's sockets do otherwise, and is made good here: they throw when more is read than there is; they may call back in the turn in
 * which they were closed, so they are closed in a turn of their own; the desktop's forgets to tell of an error that came by writing, or
 * while something was unread.
 */
import { toBytes } from "../../src/bytes.js";
import { SealwireError } from "../../src/errors.js";
import type { BufferLike, Transport, TransportOptions } from "../../src/platform.js";
import * as sdk from "./sdk.js";

/** What is read ahead so that the end of a connection is noticed; the SDK's desktop socket holds 1,536 bytes more. */
const readAhead = 4096;

export class TCP implements Transport {
  readonly #options: TransportOptions;
  #socket: sdk.TCP | undefined;
  #chunks: ArrayBuffer[] = [];
  /** Of the first chunk. */
  #offset = 0;
  /** In the chunks, and in the socket. */
  #held = 0;
  #waiting = 0;
  #writable = 0;
  #connected = false;
  #failed = false;
  #told = false;

  /** @throws SealwireError `INVALID_ARGUMENT` */
  constructor(options: TransportOptions) {
    const { address, port } = options;
    if (port === undefined || !Number.isInteger(port) || port < 1 || port > 65_535)
      throw new SealwireError("INVALID_ARGUMENT", "TCP needs the peer's port, 1 to 65535.");
    if (address === undefined || !/^[0-9a-fA-F.:]+$/.test(address))
      throw new SealwireError("INVALID_ARGUMENT", "TCP needs the peer's IP address; find it with the resolver.");
    this.#options = options;
    try {
      this.#socket = new sdk.TCP({
        address,
        port,
        nodelay: options.noDelay ?? false,
        onReadable: (count) => this.#onReadable(count),
        onWritable: (count) => this.#onWritable(count),
        onError: () => this.#fail(),
      });
    } catch {
      // An address that is well-formed but cannot be used: told as every failure to connect is.
      sdk.Timer.set(() => this.#fail(), 0);
    }
  }

  read(count?: number): ArrayBuffer | undefined;
  read(buffer: BufferLike): number | undefined;
  read(target?: number | BufferLike): ArrayBuffer | number | undefined {
    const into = target === undefined || typeof target === "number" ? undefined : toBytes(target);
    const wanted = into?.byteLength ?? (target as number | undefined) ?? Infinity;
    const size = Math.min(wanted, this.#held + this.#waiting);
    if (size <= 0 || this.#socket === undefined) return undefined;
    const bytes = into ?? new Uint8Array(size);
    for (let done = 0; done < size;) {
      this.#pull();
      done += this.#take(bytes.subarray(done, size));
    }
    this.#pull();
    if (this.#failed && this.#held === 0) sdk.Timer.set(() => this.#tell(), 0);
    return into === undefined ? (bytes.buffer as ArrayBuffer) : size;
  }

  write(buffer: BufferLike): number {
    const socket = this.#socket;
    const { byteLength } = toBytes(buffer);
    if (socket === undefined || this.#failed) return 0;
    if (byteLength > this.#writable)
      throw new SealwireError("INVALID_ARGUMENT", `${byteLength} bytes cannot be written now; ${this.#writable} can.`);
    if (byteLength === 0) return this.#writable;
    const writable = socket.write(buffer);
    // The desktop's socket never tells of this one by its callback.
    if (writable === undefined) sdk.Timer.set(() => this.#fail(), 0);
    return (this.#writable = writable ?? 0);
  }

  close(): void {
    const socket = this.#socket;
    this.#socket = undefined;
    this.#told = true;
    this.#chunks = [];
    this.#held = 0;
    if (socket) sdk.Timer.set(() => socket.close(), 0);
  }

  #onReadable(count: number): void {
    if (this.#socket === undefined) return;
    this.#waiting = count;
    this.#pull();
    this.#options.onReadable?.(this.#held + this.#waiting);
  }

  #onWritable(count: number): void {
    if (this.#socket === undefined || this.#failed) return;
    this.#connected = true;
    this.#writable = count;
    this.#options.onWritable?.(count);
  }

  #fail(): void {
    this.#failed = true;
    this.#writable = 0;
    if (this.#held + this.#waiting === 0) this.#tell();
  }

  #tell(): void {
    if (this.#told) return;
    this.#told = true;
    this.#options.onError?.(
      sdk.Net.get("IP") === undefined
        ? new SealwireError("NETWORK_DOWN", "The network interface is down.")
        : this.#connected
          ? new SealwireError("CONNECTION_LOST", "The peer closed the connection, or it was lost.")
          : new SealwireError("CONNECTION_REFUSED", "Nothing accepts connections at that address and port."),
    );
  }

  /** Moves what the socket holds into the chunks, as far as the bound allows. */
  #pull(): void {
    const room = readAhead - this.#held;
    const count = Math.min(this.#waiting, room);
    if (count <= 0) return;
    const chunk = this.#socket?.read(count);
    if (chunk === undefined) {
      this.#waiting = 0;
      return;
    }
    this.#chunks.push(chunk);
    this.#held += chunk.byteLength;
    this.#waiting -= chunk.byteLength;
  }

  #take(target: Uint8Array): number {
    const first = this.#chunks[0];
    if (first === undefined) return target.byteLength;
    const count = Math.min(target.byteLength, first.byteLength - this.#offset);
    target.set(new Uint8Array(first, this.#offset, count));
    this.#offset += count;
    this.#held -= count;
    if (this.#offset === first.byteLength) {
      this.#chunks.shift();
      this.#offset = 0;
    }
    return count;
  }
}
