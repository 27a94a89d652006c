/**
 * A WebSocket client as the firmware of a chip brings it: the class pattern of ECMA-419, reading its answer byte by byte as numbers, and telling nothing of why it
 * failed. What it does not do (checking the answer's hash, fragments of its own) a real one does.
 */
import { randomBytes } from "node:crypto";
import type { Transport } from "../../../src/platform.js";
import type { WebSocketClient, WebSocketClientOptions } from "../../../src/websocket/index.js";

interface ByteSocket extends Omit<Transport, "read"> {
  format: "number" | "buffer";
  read(into?: number | Uint8Array): ArrayBuffer | number | undefined;
}

export class EmbeddedWebSocket implements WebSocketClient {
  static made = 0;
  readonly #options: WebSocketClientOptions;
  #socket: ByteSocket | undefined;
  #answer = "";
  #open = false;
  #writable = 0;
  /** Of the frame that is being read. */
  #head: number[] = [];
  #left = 0;
  #arrived = 0;

  constructor(options: WebSocketClientOptions) {
    EmbeddedWebSocket.made++;
    this.#options = options;
    new options.dns.io({}).resolve({
      host: options.host,
      onResolved: (host, address) => {
        this.#socket = new options.socket.io({
          ...options.socket,
          host,
          address,
          port: options.port,
          onReadable: (count: number) => this.#onReadable(count),
          onWritable: (count: number) => this.#onWritable(count),
          onError: () => options.onError(),
        }) as unknown as ByteSocket;
      },
    });
  }

  read(into?: number | Uint8Array): never;
  read(into?: number | Uint8Array): ArrayBuffer | number | undefined {
    const socket = this.#socket!;
    socket.format = "buffer";
    const count = Math.min(typeof into === "object" ? into.byteLength : (into ?? this.#left), this.#left);
    const result = typeof into === "object" ? socket.read(into.subarray(0, count)) : socket.read(count);
    const taken = typeof result === "number" ? result : (result?.byteLength ?? 0);
    this.#left -= taken;
    this.#arrived -= taken;
    if (this.#left === 0 && this.#arrived > 0) setImmediate(() => this.#onReadable(this.#arrived));
    return result;
  }

  write(data: Uint8Array): number {
    const mask = randomBytes(4);
    const { byteLength } = data;
    const head = byteLength < 126 ? [0x82, 0x80 | byteLength] : [0x82, 0xfe, byteLength >> 8, byteLength & 0xff];
    if (head.length + 4 + byteLength > this.#writable) throw new Error("more than is writable");
    const frame = Uint8Array.of(...head, ...mask, ...data.map((byte, i) => byte ^ mask[i & 3]!));
    this.#writable = this.#socket!.write(frame);
    return Math.max(0, this.#writable - 8);
  }

  close(): void {
    this.#socket?.close();
    this.#socket = undefined;
  }

  #onWritable(count: number): void {
    const { host, port, path, protocol, onWritable } = this.#options;
    this.#writable = count;
    if (this.#open) onWritable(Math.max(0, count - 8));
    else if (this.#answer === "") {
      this.#answer = " ";
      const key = randomBytes(16).toString("base64");
      this.#socket!.write(
        Buffer.from(
          `GET ${path} HTTP/1.1\r\nHost: ${host}:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: ${key}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: ${protocol}\r\n\r\n`,
        ),
      );
    }
  }

  #onReadable(count: number): void {
    this.#arrived = count;
    const socket = this.#socket;
    if (socket === undefined || this.#left > 0) {
      if (this.#left > 0) this.#options.onReadable(Math.min(this.#left, count), { binary: true, more: false });
      return;
    }
    socket.format = "number";
    while (this.#arrived > 0 && this.#socket) {
      const byte = socket.read() as number;
      this.#arrived--;
      if (!this.#open) {
        this.#answer += String.fromCharCode(byte);
        if (!this.#answer.endsWith("\r\n\r\n")) continue;
        if (!this.#answer.startsWith(" HTTP/1.1 101 ")) {
          this.#options.onError();
          return;
        }
        this.#open = true;
        this.#options.onWritable(this.#writable - 8);
        continue;
      }
      this.#head.push(byte);
      const short = this.#head[1];
      if (short === undefined || (short === 126 && this.#head.length < 4)) continue;
      const [first, second, high, low] = this.#head as [number, number, number, number];
      this.#left = second === 126 ? (high << 8) | low : second;
      this.#head = [];
      if ((first & 15) === 8) {
        this.#options.onClose();
        return;
      }
      if (this.#left > 0 && this.#arrived > 0) {
        this.#options.onReadable(Math.min(this.#left, this.#arrived), { binary: (first & 15) === 2, more: false });
        return;
      }
      if (this.#left > 0) return;
    }
  }
}
