/** A TCP transport of the ECMA-419 shape over `node:net`, as small as these tests need it. */
import { connect, type Socket } from "node:net";
import { SealwireError } from "../../src/errors.js";
import type { BufferLike, Transport, TransportOptions } from "../../src/platform.js";

const HIGH_WATER = 65_536;

export class TCP implements Transport {
  readonly #socket: Socket;
  #chunks: Buffer[] = [];
  #readable = 0;
  #closed = false;

  constructor(options: TransportOptions) {
    const socket = connect({ host: options.address ?? "127.0.0.1", port: options.port ?? 0, noDelay: true });
    this.#socket = socket;
    socket.on("connect", () => options.onWritable?.(HIGH_WATER));
    socket.on("data", (chunk) => {
      this.#chunks.push(chunk);
      this.#readable += chunk.byteLength;
      if (this.#readable > HIGH_WATER) socket.pause();
      options.onReadable?.(this.#readable);
    });
    socket.on("drain", () => {
      if (!this.#closed) options.onWritable?.(HIGH_WATER - socket.writableLength);
    });
    socket.on("error", (error) => {
      if (this.#closed) return;
      this.close();
      options.onError?.(new SealwireError("CONNECTION_LOST", "The TCP connection failed.", { cause: error }));
    });
    socket.on("close", () => {
      if (this.#closed) return;
      this.close();
      options.onError?.();
    });
  }

  read(count?: number): ArrayBuffer | undefined;
  read(buffer: BufferLike): number | undefined;
  read(target?: number | BufferLike): ArrayBuffer | number | undefined {
    if (this.#readable === 0) return undefined;
    if (typeof target === "object") return this.#into(target instanceof Uint8Array ? target : new Uint8Array(target));
    const bytes = new Uint8Array(Math.min(target ?? this.#readable, this.#readable));
    this.#into(bytes);
    return bytes.buffer;
  }

  #into(bytes: Uint8Array): number {
    let offset = 0;
    while (offset < bytes.byteLength) {
      const chunk = this.#chunks[0];
      if (!chunk) break;
      const part = chunk.subarray(0, bytes.byteLength - offset);
      bytes.set(part, offset);
      offset += part.byteLength;
      if (part.byteLength === chunk.byteLength) this.#chunks.shift();
      else this.#chunks[0] = chunk.subarray(part.byteLength);
    }
    this.#readable -= offset;
    if (this.#socket.isPaused() && this.#readable < HIGH_WATER / 2) this.#socket.resume();
    return offset;
  }

  write(buffer: BufferLike): number {
    this.#socket.write(Buffer.from(buffer instanceof Uint8Array ? buffer : new Uint8Array(buffer)));
    return Math.max(0, HIGH_WATER - this.#socket.writableLength);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#socket.destroy();
  }
}
