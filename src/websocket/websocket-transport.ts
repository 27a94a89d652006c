/**
 * A WebSocket (RFC 6455) as a transport that wraps a transport: MQTT travels in binary frames (MQTT 5.0 section 6), for networks that let nothing but
 * HTTPS through. Payloads pass through; what is held is one buffer each way.
 */
import { toBytes } from "../bytes.js";
import { SealwireError, toSealwireError } from "../errors.js";
import type { BufferLike, Transport, TransportDescriptor, TransportOptions } from "../platform.js";
import { BINARY, CLOSE, encodeFrame, FRAME_OVERHEAD, FrameReader, PING, PONG } from "./websocket-frames.js";
import { checkResponse, encodeRequest, type WebSocketRequest } from "./websocket-handshake.js";

export interface WebSocketTransportOptions extends TransportOptions {
  /** The transport below, TLS as a rule. It is made with `address`, `host` and `port` of these options. */
  readonly socket: TransportDescriptor;
  /** `/mqtt` when left out. */
  readonly path?: string | undefined;
  /** The subprotocol: `mqtt` when left out. */
  readonly protocol?: string | undefined;
  /** Cryptographic random bytes: with masks that can be guessed a program could make proxies see what it likes. */
  readonly random: (byteLength: number) => Uint8Array;
}

/** Bytes of the buffer each way. */
const BUFFER = 1024;

/** Payload of one frame at most. */
const FRAME = BUFFER - FRAME_OVERHEAD;

/** Bytes of the server's answer to the handshake. */
const LONGEST_HEAD = 2048;

export class WebSocketTransport implements Transport {
  readonly #options: WebSocketTransportOptions;
  readonly #below: Transport;
  readonly #request: WebSocketRequest;
  readonly #frames: FrameReader;
  readonly #output = new Uint8Array(BUFFER);
  /** Payload that was not read yet: from `#start` to `#end`. */
  readonly #ready = new Uint8Array(BUFFER);
  #start = 0;
  #end = 0;
  /** The server's answer, while it is not whole. */
  #head: Uint8Array | undefined = new Uint8Array(LONGEST_HEAD);
  #headLength = 0;
  #belowReadable = 0;
  #belowWritable = 0;
  #state: "connecting" | "handshake" | "open" | "closed" = "connecting";
  /** The transport below ended; told when everything was read. */
  #error: SealwireError | undefined;
  /** The payload of a ping that is to be answered: of several, the newest (section 5.5.3). */
  #pong: Uint8Array | undefined;
  #pulling = false;

  /** @throws SealwireError `INVALID_ARGUMENT` */
  constructor(options: WebSocketTransportOptions) {
    const { socket, address, host, port = 443, path = "/mqtt", protocol = "mqtt", random } = options;
    const name = host ?? address;
    if (name === undefined) throw new SealwireError("INVALID_ARGUMENT", "A WebSocket needs a host or an address.");
    this.#options = options;
    this.#request = { host: name, port, path, protocol, nonce: random(16) };
    // A request that cannot be made is found here, not in a callback.
    encodeRequest(this.#request);
    this.#frames = new FrameReader({
      onData: (bytes) => {
        this.#ready.set(bytes, this.#end);
        this.#end += bytes.byteLength;
      },
      onControl: (opcode, payload) => this.control(opcode, payload),
    });
    this.#below = new socket.io({
      ...socket,
      ...(address !== undefined && { address }),
      ...(host !== undefined && { host }),
      port,
      noDelay: true,
      onReadable: (count: number) => {
        this.#belowReadable = count;
        this.guard(() => this.pull());
      },
      onWritable: (count: number) => {
        this.#belowWritable = count;
        this.guard(() => (this.#state === "connecting" ? this.handshake() : this.roomy()));
      },
      onError: (error?: SealwireError) => {
        this.#error = error ?? new SealwireError("CONNECTION_LOST", "The connection was lost.");
        this.#belowWritable = 0;
        this.guard(() => this.pull());
        if (this.#state !== "open") this.fail(this.#error);
      },
    });
  }

  read(count?: number): ArrayBuffer | undefined;
  read(buffer: BufferLike): number | undefined;
  read(into?: number | BufferLike): ArrayBuffer | number | undefined {
    const readable = this.#end - this.#start;
    if (this.#state !== "open" || readable === 0) return undefined;
    const given = typeof into === "object";
    const wanted = given ? into.byteLength : (into ?? readable);
    const bytes = this.#ready.subarray(this.#start, this.#start + Math.min(wanted, readable));
    const result = given ? undefined : bytes.slice();
    if (given) toBytes(into).set(bytes);
    this.#start += bytes.byteLength;
    // What was read made room for more; a failure there must not take away what was read.
    this.guard(() => this.pull());
    return result ? result.buffer : bytes.byteLength;
  }

  write(buffer: BufferLike): number {
    const bytes = toBytes(buffer);
    if (this.#state !== "open" || bytes.byteLength > this.writable)
      throw new SealwireError(
        "INVALID_ARGUMENT",
        `${bytes.byteLength} bytes are more than can be written to the WebSocket now.`,
      );
    for (let offset = 0; offset < bytes.byteLength; offset += FRAME)
      this.send(BINARY, bytes.subarray(offset, offset + FRAME));
    return this.writable;
  }

  /** Says goodbye, if there is room for it, and ends the connection. Nothing is called back any more. */
  close(): void {
    this.endWith(1000);
  }

  private endWith(status: number): void {
    if (this.#state === "closed") return;
    const open = this.#state === "open";
    this.#state = "closed";
    try {
      if (open && this.#error === undefined && this.#belowWritable >= FRAME_OVERHEAD)
        this.send(CLOSE, Uint8Array.of(status >> 8, status & 0xff));
    } catch {
      // The connection is being given up: a goodbye that fails changes nothing.
    }
    this.#below.close();
  }

  private handshake(): void {
    const request = encodeRequest(this.#request);
    // It is small: a transport that takes not even that at its beginning is told again that there is room.
    if (request.byteLength > this.#belowWritable) return;
    this.#belowWritable = this.#below.write(request);
    this.#state = "handshake";
  }

  private pull(): void {
    if (this.#pulling) return;
    this.#pulling = true;
    const before = this.#end - this.#start;
    try {
      while (this.#belowReadable > 0 && this.#state !== "closed") {
        this.compact();
        const room = BUFFER - this.#end;
        if (room === 0) break;
        // A frame's payload is never longer than what it came in.
        const chunk = this.#below.read(Math.min(room, this.#belowReadable));
        if (chunk === undefined || chunk.byteLength === 0) {
          this.#belowReadable = 0;
          break;
        }
        this.#belowReadable -= chunk.byteLength;
        this.take(new Uint8Array(chunk));
      }
    } finally {
      this.#pulling = false;
    }
    if (!this.isOpen()) return;
    const readable = this.#end - this.#start;
    if (readable > before) this.#options.onReadable?.(readable);
    if (this.#error && this.#end === this.#start && this.#belowReadable === 0) this.fail(this.#error);
  }

  private take(bytes: Uint8Array): void {
    const head = this.#head;
    if (head === undefined) {
      this.#frames.feed(bytes);
      return;
    }
    for (let i = 0; i < bytes.byteLength; i++) {
      if (this.#headLength === LONGEST_HEAD)
        throw new SealwireError("CONNECTION_REFUSED", "The server's answer to the WebSocket is too long.");
      head[this.#headLength++] = bytes[i]!;
      if (!endsHead(head, this.#headLength)) continue;
      this.#head = undefined;
      checkResponse(head.subarray(0, this.#headLength - 4), this.#request);
      this.#state = "open";
      this.#frames.feed(bytes.subarray(i + 1));
      this.#options.onWritable?.(this.writable);
      return;
    }
  }

  private control(opcode: number, payload: Uint8Array): void {
    if (opcode === CLOSE) {
      const status = payload.byteLength >= 2 ? (payload[0]! << 8) | payload[1]! : 1005;
      throw new SealwireError("CONNECTION_LOST", `The server closed the WebSocket with status ${status}.`, {
        // The answer to a close is a close.
        reasonCode: 1000,
      });
    }
    if (opcode !== PING) return;
    this.#pong = payload;
    this.answer();
  }

  private answer(): void {
    const pong = this.#pong;
    if (pong === undefined || this.#belowWritable < pong.byteLength + FRAME_OVERHEAD) return;
    this.#pong = undefined;
    this.send(PONG, pong);
  }

  private roomy(): void {
    if (this.#state !== "open") return;
    this.answer();
    const writable = this.writable;
    if (writable > 0) this.#options.onWritable?.(writable);
  }

  private send(opcode: number, payload: Uint8Array): void {
    const frame = encodeFrame(this.#output, opcode, payload, this.#options.random(4));
    this.#belowWritable = this.#below.write(frame);
  }

  private compact(): void {
    if (this.#start === 0) return;
    this.#ready.copyWithin(0, this.#start, this.#end);
    this.#end -= this.#start;
    this.#start = 0;
  }

  /** Nothing that is thrown in a callback may reach the host: there it would restart the device. */
  private guard(body: () => void): void {
    if (this.#state === "closed") return;
    try {
      body();
    } catch (error) {
      this.fail(toSealwireError(error, "CONNECTION_LOST", "The WebSocket failed."));
    }
  }

  private fail(error: SealwireError): void {
    if (this.#state === "closed") return;
    this.endWith(error.reasonCode ?? 1002);
    try {
      // The status of a WebSocket is no reason code of MQTT.
      const told =
        error.reasonCode === undefined ? error : new SealwireError(error.code, error.message, { cause: error });
      this.#options.onError?.(told);
    } catch {
      // What the owner throws at the end of a connection must not reach the host either.
    }
  }

  private isOpen(): boolean {
    return this.#state === "open";
  }

  /** Payload that can be written now, the heads of its frames accounted for. */
  private get writable(): number {
    if (this.#state !== "open") return 0;
    const whole = Math.floor(this.#belowWritable / BUFFER);
    return whole * FRAME + Math.max(0, (this.#belowWritable % BUFFER) - FRAME_OVERHEAD);
  }
}

function endsHead(bytes: Uint8Array, length: number): boolean {
  return (
    length >= 4 &&
    bytes[length - 1] === 10 &&
    bytes[length - 2] === 13 &&
    bytes[length - 3] === 10 &&
    bytes[length - 4] === 13
  );
}
