/**
 * Watches the beginning of what a TLS server sends, which is not encrypted, and tells whether the server resumed a session.
 * It knows nothing of the client's TLS library or of the server's: it is a witness of its own.
 *
 * TLS 1.2 (RFC 5246 section 7.3, RFC 5077): a full handshake with certificates has the server's Certificate message before its
 * ChangeCipherSpec, an abbreviated one has not. TLS 1.3 (RFC 8446 section 4.2.11): the ServerHello names the pre-shared key
 * that was chosen; without external keys, which MQTT devices do not have here, that is a resumption.
 */
import type { TLSVersion } from "../../src/platform.js";

/** What the server decided. */
export interface ServerDecision {
  readonly protocol: TLSVersion;
  readonly resumed: boolean;
}

/** Record types (RFC 8446 section 5.1). */
const changeCipherSpec = 20;
const alert = 21;
const handshake = 22;

/** Handshake types (RFC 8446 section 4). */
const serverHello = 2;
const certificate = 11;

/** Extensions (RFC 8446 section 4.2). */
const preSharedKey = 41;
const supportedVersions = 43;

const recordHeaderLength = 5;
const messageHeaderLength = 4;

/** Largest ciphertext of a record in TLS 1.2 (RFC 5246 section 6.2.3). */
const longestRecord = 16384 + 2048;
/** A ServerHello with the key share of a hybrid post-quantum group has about 1,200 bytes. */
const longestServerHello = 4096;
/** Handshake bytes in the clear after which an answer is no longer expected: a long certificate chain fits. */
const longestHandshake = 128 * 1024;

/** SHA-256 of "HelloRetryRequest": the random of a ServerHello that is none (RFC 8446 section 4.1.3). */
const helloRetryRequest = "cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c";

/** Collects bytes up to a number that is known before. */
class Collector {
  #bytes = Buffer.alloc(0);
  #wanted = 0;

  expect(count: number): void {
    this.#bytes = Buffer.alloc(count);
    this.#wanted = count;
  }

  get missing(): number {
    return this.#wanted;
  }

  get bytes(): Buffer {
    return this.#bytes;
  }

  /** @returns the number of bytes taken */
  take(chunk: Uint8Array): number {
    const count = Math.min(this.#wanted, chunk.byteLength);
    this.#bytes.set(chunk.subarray(0, count), this.#bytes.byteLength - this.#wanted);
    this.#wanted -= count;
    return count;
  }
}

export class HandshakeWatch {
  /** Known once the server has decided. */
  decision: ServerDecision | undefined;
  /** Nothing more is expected: decided, or these bytes are not the beginning of a handshake. */
  done = false;

  readonly #recordHeader = new Collector();
  readonly #messageHeader = new Collector();
  readonly #message = new Collector();
  /** Of the record that is being read. */
  #recordType = 0;
  #recordMissing = 0;
  /** Bytes of a message that are of no interest. */
  #skip = 0;
  #messageType: number | undefined;
  #seen = 0;
  #isTLS12 = false;

  constructor() {
    this.#recordHeader.expect(recordHeaderLength);
    this.#messageHeader.expect(messageHeaderLength);
  }

  /** Takes the next bytes that the server sent, split anyhow. */
  feed(chunk: Uint8Array): void {
    let offset = 0;
    while (offset < chunk.byteLength && !this.done) {
      if (this.#recordMissing > 0) {
        const part = chunk.subarray(offset, offset + this.#recordMissing);
        offset += part.byteLength;
        this.#recordMissing -= part.byteLength;
        if (this.#recordType === handshake) this.#takeHandshake(part);
        continue;
      }
      offset += this.#recordHeader.take(chunk.subarray(offset));
      if (this.#recordHeader.missing === 0) this.#beginRecord(this.#recordHeader.bytes);
    }
  }

  #beginRecord(header: Buffer): void {
    this.#recordHeader.expect(recordHeaderLength);
    this.#recordType = header[0]!;
    this.#recordMissing = header.readUInt16BE(3);
    const known = [changeCipherSpec, alert, handshake].includes(this.#recordType);
    if (!known || header[1] !== 3 || this.#recordMissing === 0 || this.#recordMissing > longestRecord) {
      this.done = true;
      return;
    }
    // After a HelloRetryRequest a ChangeCipherSpec may come that means nothing (RFC 8446 appendix D.4).
    if (this.#recordType === changeCipherSpec && this.#isTLS12) this.#decide("TLSv1.2", true);
  }

  #takeHandshake(part: Uint8Array): void {
    this.#seen += part.byteLength;
    if (this.#seen > longestHandshake) this.done = true;
    let offset = 0;
    while (offset < part.byteLength && !this.done) {
      if (this.#skip > 0) {
        const count = Math.min(this.#skip, part.byteLength - offset);
        this.#skip -= count;
        offset += count;
      } else if (this.#messageType === serverHello) {
        offset += this.#message.take(part.subarray(offset));
        if (this.#message.missing === 0) {
          this.#messageType = undefined;
          this.#takeServerHello(this.#message.bytes);
        }
      } else {
        offset += this.#messageHeader.take(part.subarray(offset));
        if (this.#messageHeader.missing === 0) this.#beginMessage(this.#messageHeader.bytes);
      }
    }
  }

  #beginMessage(header: Buffer): void {
    this.#messageHeader.expect(messageHeaderLength);
    const length = header.readUIntBE(1, 3);
    if (header[0] === certificate && this.#isTLS12) this.#decide("TLSv1.2", false);
    else if (header[0] !== serverHello) this.#skip = length;
    else if (length === 0 || length > longestServerHello || this.#isTLS12) this.done = true;
    else {
      this.#messageType = serverHello;
      this.#message.expect(length);
    }
  }

  #takeServerHello(message: Buffer): void {
    const extensions = extensionsOf(message);
    if (!extensions) {
      this.done = true;
      return;
    }
    if (message.subarray(2, 34).toString("hex") === helloRetryRequest) return;
    if (extensions.get(supportedVersions) === 0x0304) this.#decide("TLSv1.3", extensions.has(preSharedKey));
    else if (message.readUInt16BE(0) === 0x0303) this.#isTLS12 = true;
    else this.done = true;
  }

  #decide(protocol: TLSVersion, resumed: boolean): void {
    this.decision = { protocol, resumed };
    this.done = true;
  }
}

/**
 * The extensions of a ServerHello (RFC 8446 section 4.1.3), each with the number that its first two bytes make.
 * @returns `undefined` when it is malformed
 */
function extensionsOf(message: Buffer): Map<number, number | undefined> | undefined {
  const extensions = new Map<number, number | undefined>();
  const sessionIdentifier = 34;
  if (message.byteLength <= sessionIdentifier) return undefined;
  // Session identifier, cipher suite, compression method.
  let offset = sessionIdentifier + 1 + message[sessionIdentifier]! + 3;
  if (offset === message.byteLength) return extensions;
  if (offset + 2 > message.byteLength || offset + 2 + message.readUInt16BE(offset) !== message.byteLength)
    return undefined;
  offset += 2;
  while (offset < message.byteLength) {
    if (offset + 4 > message.byteLength) return undefined;
    const type = message.readUInt16BE(offset);
    const length = message.readUInt16BE(offset + 2);
    offset += 4;
    if (offset + length > message.byteLength) return undefined;
    extensions.set(type, length >= 2 ? message.readUInt16BE(offset) : undefined);
    offset += length;
  }
  return extensions;
}
