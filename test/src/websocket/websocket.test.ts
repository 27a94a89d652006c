import { concat, fromUTF8, toBytes, toHex, toUTF8 } from "../../../src/bytes.js";
import type { SealwireError } from "../../../src/errors.js";
import type { BufferLike, Transport, TransportOptions } from "../../../src/platform.js";
import { sha1 } from "../../../src/websocket/sha1.js";
import { WebSocketTransport } from "../../../src/websocket/index.js";
import { deepEqual, ok, strictEqual, throws } from "../../support/assert.js";
import { describe, it } from "../../support/bdd.js";

/** The transport below, with a test for a server. */
class Below implements Transport {
  static latest: Below;
  readonly options: TransportOptions;
  sent: number[] = [];
  closed = false;
  writable = 4096;
  #waiting: Uint8Array = new Uint8Array(0);

  constructor(options: TransportOptions) {
    this.options = options;
    Below.latest = this;
  }

  read(count?: number): ArrayBuffer | undefined;
  read(buffer: BufferLike): number | undefined;
  read(into?: number | BufferLike): ArrayBuffer | number | undefined {
    if (typeof into === "object") throw new Error("not used");
    const bytes = this.#waiting.slice(0, into);
    this.#waiting = this.#waiting.slice(bytes.byteLength);
    return bytes.byteLength === 0 ? undefined : bytes.buffer;
  }

  write(buffer: BufferLike): number {
    const bytes = toBytes(buffer);
    ok(bytes.byteLength <= this.writable, "more than is writable");
    this.sent.push(...bytes);
    return (this.writable -= bytes.byteLength);
  }

  close(): void {
    this.closed = true;
  }

  arrive(bytes: Uint8Array, part = bytes.byteLength): void {
    for (let i = 0; i < bytes.byteLength; i += part) {
      this.#waiting = concat(this.#waiting, bytes.subarray(i, i + part));
      this.options.onReadable?.(this.#waiting.byteLength);
    }
  }
}

// The example of RFC 6455 section 1.3.
const nonce = toUTF8("the sample nonce");
const accept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
const head = (lines: readonly string[]): Uint8Array => toUTF8(`${lines.join("\r\n")}\r\n\r\n`);
const answer = [
  "HTTP/1.1 101 Switching Protocols",
  "upgrade: WebSocket",
  "Connection: keep-alive, Upgrade",
  `Sec-WebSocket-Accept: ${accept}`,
  "Sec-WebSocket-Protocol: mqtt",
];

function setUp({ path, reading = true }: { path?: string; reading?: boolean } = {}) {
  const world = {
    errors: [] as (SealwireError | undefined)[],
    read: [] as number[],
    writable: [] as number[],
  };
  const socket: WebSocketTransport = new WebSocketTransport({
    socket: { io: Below },
    host: "broker.example",
    port: 443,
    path,
    random: (length) => (length === 16 ? nonce.slice() : Uint8Array.of(1, 2, 3, 4)),
    onReadable: () => {
      if (reading) world.read.push(...new Uint8Array(socket.read() ?? new ArrayBuffer(0)));
    },
    onWritable: (count) => world.writable.push(count),
    onError: (error) => world.errors.push(error),
  });
  const below = Below.latest;
  const open = (): void => {
    below.options.onWritable?.(4096);
    below.arrive(head(answer));
    below.sent = [];
  };
  return { ...world, socket, below, open };
}

const binary = (...payload: number[]): Uint8Array => Uint8Array.of(0x82, payload.length, ...payload);

describe("SHA-1 of the WebSocket's answer", () => {
  it("agrees with FIPS 180 for one block, two blocks, and none", () => {
    strictEqual(toHex(sha1(toUTF8("abc"))), "a9993e364706816aba3e25717850c26c9cd0d89d");
    strictEqual(
      toHex(sha1(toUTF8("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"))),
      "84983e441c3bd26ebaae4aa1f95129e5e54670f1",
    );
    strictEqual(toHex(sha1(new Uint8Array(0))), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
  });
});

describe("WebSocket transport", () => {
  it("asks as RFC 6455 says, and opens with the right answer, in whatever parts it comes", () => {
    for (let part = 1; part < 200; part += 7) {
      const { below, writable, errors } = setUp();
      below.options.onWritable?.(4096);
      const request = fromUTF8(Uint8Array.from(below.sent))!;
      ok(request.startsWith("GET /mqtt HTTP/1.1\r\nHost: broker.example:443\r\n"), request);
      ok(request.includes("\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"));
      ok(request.includes("\r\nSec-WebSocket-Protocol: mqtt\r\n") && request.endsWith("\r\n\r\n"));
      below.arrive(head(answer), part);
      strictEqual(writable.length, 1);
      strictEqual(errors.length, 0);
    }
  });

  it("refuses every other answer", () => {
    const without = (name: string): string[] => answer.filter((each) => !each.toLowerCase().startsWith(name));
    for (const lines of [
      ["HTTP/1.1 200 OK", ...answer.slice(1)],
      ["HTTP/1.1 301 Moved", "Location: https://elsewhere.example"],
      ["SSH-2.0-OpenSSH"],
      without("upgrade"),
      without("connection"),
      without("sec-websocket-accept"),
      without("sec-websocket-protocol"),
      [...without("sec-websocket-protocol"), "Sec-WebSocket-Protocol: chat"],
      [...without("sec-websocket-accept"), "Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA="],
      [...answer, "Sec-WebSocket-Extensions: permessage-deflate"],
      [...answer, "no colon"],
      ["HTTP/1.1 101 ".padEnd(3000, "x")],
    ]) {
      const { below, errors, writable } = setUp();
      below.options.onWritable?.(4096);
      below.arrive(head(lines), 500);
      strictEqual(errors[0]?.code, "CONNECTION_REFUSED", lines.join("|").slice(0, 60));
      deepEqual([errors.length, writable.length, below.closed], [1, 0, true]);
    }
  });

  it("masks what it sends, in frames that leave room for their heads", () => {
    const { socket, below, open, writable } = setUp();
    open();
    const left = socket.write(Uint8Array.of(0x10, 0, 0x11, 0x12, 0x13));
    deepEqual(below.sent, [0x82, 0x85, 1, 2, 3, 4, 0x11, 2, 0x12, 0x16, 0x12]);
    ok(left < writable[0]!);
    throws(() => socket.write(new Uint8Array(left + 1)), "INVALID_ARGUMENT");
    socket.write(new Uint8Array(left));
    ok(below.writable >= 0);
  });

  it("delivers binary messages, fragments and empty ones, with control frames in between, however they are cut", () => {
    const stream = concat(
      binary(1, 2, 3),
      Uint8Array.of(0x02, 2, 4, 5, 0x89, 1, 0x77, 0x00, 0, 0x80, 1, 6),
      binary(),
      Uint8Array.of(0x82, 126, 0, 126, ...Array<number>(126).fill(7)),
      Uint8Array.of(0x8a, 0),
    );
    for (let part = 1; part < 40; part++) {
      const { below, open, read, errors } = setUp();
      open();
      below.arrive(stream, part);
      deepEqual(read, [1, 2, 3, 4, 5, 6, ...Array<number>(126).fill(7)]);
      deepEqual(below.sent, [0x8a, 0x81, 1, 2, 3, 4, 0x76], "the ping was answered");
      strictEqual(errors.length, 0);
    }
  });

  it("ends a connection whose server breaks the protocol", () => {
    for (const [bytes, status] of [
      [[0xc2, 0], 1002],
      [[0x82, 0x81, 0, 0, 0, 0, 1], 1002],
      [[0x81, 1, 0x61], 1003],
      [[0x80, 0], 1002],
      [[0x02, 0, 0x82, 0], 1002],
      [[0x83, 0], 1003],
      [[0x8b, 0], 1002],
      [[0x09, 0], 1002],
      [[0x89, 126, 0, 126], 1002],
      [[0x82, 126, 0, 5], 1002],
      [[0x82, 127, 0, 0, 0, 0, 0, 0, 0xff, 0xff], 1002],
      [[0x82, 127, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], 1009],
    ] as const) {
      const { below, open, errors } = setUp();
      open();
      below.arrive(Uint8Array.from(bytes));
      strictEqual(errors.length, 1, bytes.join());
      strictEqual(errors[0]?.code, "CONNECTION_LOST");
      const [type, length, ...rest] = below.sent;
      deepEqual([type, length], [0x88, 0x82]);
      strictEqual(((rest[4]! ^ 1) << 8) | (rest[5]! ^ 2), status, bytes.join());
      ok(below.closed);
    }
  });

  it("answers a close with a close, and tells of the end once everything was read", () => {
    const closing = setUp({ reading: false });
    closing.open();
    closing.below.arrive(binary(1));
    closing.below.options.onError?.();
    strictEqual(closing.errors.length, 0, "a byte is unread");
    deepEqual(new Uint8Array(closing.socket.read()!), Uint8Array.of(1));
    strictEqual(closing.errors.length, 1);
    const closed = setUp();
    closed.open();
    closed.below.arrive(Uint8Array.of(0x88, 2, 3, 0xe9));
    ok(closed.errors[0]?.message.includes("1001"));
    strictEqual(closed.errors[0]?.reasonCode, undefined, "its status is no reason code of MQTT");
    strictEqual(closed.below.sent[0], 0x88);
  });

  it("holds no more than its buffer while nobody reads", () => {
    const { below, open, socket } = setUp({ reading: false });
    open();
    const frame = concat(Uint8Array.of(0x82, 126, 0x13, 0x88), new Uint8Array(5000).fill(9));
    below.arrive(frame);
    let total = 0;
    for (;;) {
      const bytes = socket.read();
      if (bytes === undefined) break;
      ok(bytes.byteLength <= 1024);
      total += bytes.byteLength;
    }
    strictEqual(total, 5000);
  });

  it("calls nothing back once it is closed, and may be closed in every callback", () => {
    const { below, open, socket, errors, read } = setUp();
    open();
    socket.close();
    socket.close();
    below.arrive(binary(1));
    below.options.onError?.();
    deepEqual([errors.length, read.length, below.closed], [0, 0, true]);
    deepEqual(below.sent.slice(0, 2), [0x88, 0x82]);
  });

  it("refuses a path or host that would change the request", () => {
    throws(() => setUp({ path: "/a b" }), "INVALID_ARGUMENT");
    throws(() => setUp({ path: "/\r\nX: y" }), "INVALID_ARGUMENT");
    throws(() => setUp({ path: "mqtt" }), "INVALID_ARGUMENT");
  });
});
