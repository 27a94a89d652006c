/**
 * Whether a server honours the maximum fragment length (RFC 6066 section 4): node:tls cannot ask for it, so a ClientHello of TLS 1.2 is
 * written by hand, and the server's first flight is read. Nothing is encrypted yet, and nothing is sent after it.
 */
import { randomBytes } from "node:crypto";
import * as net from "node:net";

const HANDSHAKE = 22;
const ALERT = 21;
const SERVER_HELLO = 2;
const SERVER_HELLO_DONE = 14;
const MAX_FRAGMENT_LENGTH = 1;

/** What may be asked for, as the extension writes it. */
const codes: ReadonlyMap<number, number> = new Map([
  [512, 1],
  [1024, 2],
  [2048, 3],
  [4096, 4],
]);

export interface FragmentResult {
  /** `unknown`: the server did not get as far as a ServerHello of TLS 1.2. */
  readonly result: "honoured" | "ignored" | "acknowledged, not kept" | "unknown";
  /** Bytes of the largest record of the first flight. */
  readonly largestRecord: number;
  /** Description of the alert, when there was one (RFC 5246 section 7.2). */
  readonly alert?: number | undefined;
}

/** Most bytes that are read of a server. */
const mostBytes = 131_072;

/** Asks for records of `length` bytes. Never rejects. */
export function probeFragmentLength(
  address: { host: string; port: number; serverName?: string | undefined },
  length = 512,
  timeout = 10_000,
): Promise<FragmentResult> {
  return new Promise((resolve) => {
    const socket = net.connect({ host: address.host, port: address.port });
    let received = Buffer.alloc(0);
    const finish = (): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(judge(received, length));
    };
    const timer = setTimeout(finish, timeout);
    socket.once("connect", () => socket.write(clientHello(length, address.serverName)));
    socket.on("data", (chunk) => {
      received = Buffer.concat([received, chunk]);
      if (received.byteLength > mostBytes || isDone(received)) finish();
    });
    socket.once("error", finish);
    socket.once("close", finish);
  });
}

/** A ClientHello in one record. Exported for tests. */
export function clientHello(length: number, serverName?: string): Buffer {
  const suites = Buffer.from("c02bc02fc02cc030cca9cca8c009c013c00ac014009c002f0035", "hex");
  const extensions = [
    extension(MAX_FRAGMENT_LENGTH, Buffer.of(codes.get(length) ?? 1)),
    // Groups: x25519, secp256r1, secp384r1. Point formats: uncompressed.
    extension(10, Buffer.from("0006001d00170018", "hex")),
    extension(11, Buffer.from("0100", "hex")),
    // ECDSA and RSA, PKCS #1 and PSS, with SHA-256, -384, -512.
    extension(13, Buffer.from("0012040305030603080408050806040105010601", "hex")),
    // Extended master secret.
    extension(23, Buffer.alloc(0)),
  ];
  if (serverName !== undefined) {
    const name = Buffer.from(serverName, "ascii");
    extensions.push(
      extension(0, Buffer.concat([uint16(name.byteLength + 3), Buffer.of(0), uint16(name.byteLength), name])),
    );
  }
  const body = Buffer.concat([
    Buffer.from("0303", "hex"),
    randomBytes(32),
    Buffer.of(0),
    uint16(suites.byteLength),
    suites,
    Buffer.from("0100", "hex"),
    prefixed(Buffer.concat(extensions)),
  ]);
  const message = Buffer.concat([Buffer.of(1, 0), uint16(body.byteLength), body]);
  return Buffer.concat([Buffer.from("160301", "hex"), prefixed(message)]);
}

function extension(type: number, data: Buffer): Buffer {
  return Buffer.concat([uint16(type), prefixed(data)]);
}

function prefixed(data: Buffer): Buffer {
  return Buffer.concat([uint16(data.byteLength), data]);
}

function uint16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}

interface Flight {
  readonly handshake: Buffer;
  readonly largest: number;
  readonly alert: number | undefined;
}

/** The complete records of what was received. */
function recordsOf(received: Buffer): Flight {
  const parts: Buffer[] = [];
  let largest = 0;
  let alert: number | undefined;
  for (let at = 0; at + 5 <= received.byteLength;) {
    const type = received[at]!;
    const length = received.readUInt16BE(at + 3);
    const content = received.subarray(at + 5, at + 5 + length);
    if (type !== HANDSHAKE && type !== ALERT) break;
    largest = Math.max(largest, length);
    if (content.byteLength < length) break;
    if (type === HANDSHAKE) parts.push(content);
    else if (length === 2) alert = content[1];
    at += 5 + length;
  }
  return { handshake: Buffer.concat(parts), largest, alert };
}

function isDone(received: Buffer): boolean {
  const { handshake, alert } = recordsOf(received);
  return alert !== undefined || messagesOf(handshake).some(({ type }) => type === SERVER_HELLO_DONE);
}

function messagesOf(handshake: Buffer): { type: number; body: Buffer }[] {
  const messages: { type: number; body: Buffer }[] = [];
  for (let at = 0; at + 4 <= handshake.byteLength;) {
    const length = handshake.readUIntBE(at + 1, 3);
    if (at + 4 + length > handshake.byteLength) break;
    messages.push({ type: handshake[at]!, body: handshake.subarray(at + 4, at + 4 + length) });
    at += 4 + length;
  }
  return messages;
}

/** Exported for tests. */
export function judge(received: Buffer, length: number): FragmentResult {
  const { handshake, largest: largestRecord, alert } = recordsOf(received);
  const hello = messagesOf(handshake).find(({ type }) => type === SERVER_HELLO)?.body;
  if (hello === undefined) return { result: "unknown", largestRecord, alert };
  if (!extensionsOf(hello).includes(MAX_FRAGMENT_LENGTH)) return { result: "ignored", largestRecord, alert };
  return { result: largestRecord <= length ? "honoured" : "acknowledged, not kept", largestRecord, alert };
}

function extensionsOf(hello: Buffer): number[] {
  const types: number[] = [];
  // Version, random, session identifier, cipher suite, compression method.
  let at = 34 + 1 + (hello[34] ?? 0) + 3 + 2;
  while (at + 4 <= hello.byteLength) {
    types.push(hello.readUInt16BE(at));
    at += 4 + hello.readUInt16BE(at + 2);
  }
  return types;
}
