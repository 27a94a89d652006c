/** The way out: joins small packets to one write of the transport, and never holds more than its buffer. */
import type { Transport } from "../platform.js";
import { wipe } from "../bytes.js";
import { toSealwireError, type SealwireError } from "../errors.js";

export class Output {
  /** Bytes that the transport takes now. */
  capacity = 0;
  /** Bytes of payload that are still to come for the PUBLISH under way; nothing else may leave before them. */
  streaming = 0;
  /** The transport failed under a write. */
  broken = false;
  /** Ticks of the last write. */
  lastSent = 0;

  readonly #ticks: () => number;
  readonly #bytes: Uint8Array;
  #start = 0;
  #end = 0;
  #transport: Transport | undefined;
  /** A packet that is larger than the buffer and leaves before it: CONNECT or AUTH. */
  #large: Uint8Array | undefined;
  #largeStart = 0;
  /** The buffer holds, or held, a secret: it is wiped once it is empty. */
  #secret = false;

  constructor(bufferLength: number, ticks: () => number) {
    this.#bytes = new Uint8Array(bufferLength);
    this.#ticks = ticks;
  }

  open(transport: Transport): void {
    this.#transport = transport;
  }

  /** Forgets the transport and what was not sent. */
  close(): void {
    this.#transport = undefined;
    this.capacity = this.streaming = this.#start = this.#end = 0;
    wipe(this.#large);
    this.#large = undefined;
  }

  /** Bytes that wait for the transport. */
  get pending(): number {
    return this.#end - this.#start + (this.#large ? this.#large.byteLength - this.#largeStart : 0);
  }

  /** Bytes of packets that can leave at once. */
  get writable(): number {
    return this.streaming > 0 ? this.capacity : Math.max(0, this.capacity - this.pending);
  }

  /** Bytes of packets that can wait here, whatever the transport takes. */
  get room(): number {
    return this.#bytes.byteLength - (this.#end - this.#start);
  }

  /** The buffer's length: a packet up to it is joined with others. */
  get bufferLength(): number {
    return this.#bytes.byteLength;
  }

  /** The buffer, for writing in place between {@link reserve} and {@link commit}. */
  get buffer(): Uint8Array {
    return this.#bytes;
  }

  /**
   * Makes room for `count` bytes, which must be at most {@link room}, or at most both {@link writable} and {@link bufferLength}.
   * @returns the offset in the buffer where they go
   */
  reserve(count: number): number {
    if (this.#end + count > this.#bytes.byteLength) {
      if (count > this.room) this.flush();
      this.#bytes.copyWithin(0, this.#start, this.#end);
      this.#end -= this.#start;
      this.#start = 0;
    }
    return this.#end;
  }

  /** @param end the offset behind the last byte that was written in place */
  commit(end: number): void {
    this.#end = end;
  }

  /** A packet of two bytes. */
  empty(first: number): void {
    const offset = this.reserve(2);
    this.#bytes[offset] = first;
    this.#bytes[offset + 1] = 0;
    this.#end = offset + 2;
  }

  /** A packet that holds a packet identifier alone. */
  identifier(first: number, id: number): void {
    const offset = this.reserve(4);
    const bytes = this.#bytes;
    bytes[offset] = first;
    bytes[offset + 1] = 2;
    bytes[offset + 2] = id >> 8;
    bytes[offset + 3] = id & 0xff;
    this.#end = offset + 4;
  }

  /** A whole packet, at most {@link room} or {@link writable} bytes. */
  packet(bytes: Uint8Array): void {
    if (bytes.byteLength <= this.#bytes.byteLength) {
      const offset = this.reserve(bytes.byteLength);
      this.#bytes.set(bytes, offset);
      this.#end = offset + bytes.byteLength;
    } else this.direct(bytes);
  }

  /** Writes bytes, at most {@link writable}, past the buffer. */
  direct(bytes: Uint8Array): void {
    this.flush();
    this.#write(bytes);
  }

  /** A packet of the handshake: it may be larger than the buffer and than what the transport takes. Wiped when it was sent. */
  opening(bytes: Uint8Array): void {
    if (bytes.byteLength <= this.room) {
      this.packet(bytes);
      wipe(bytes);
      this.#secret = true;
    } else {
      this.#large = bytes;
      this.#largeStart = 0;
    }
  }

  /** Hands to the transport what it takes. */
  flush(): void {
    if (this.streaming > 0 || this.capacity === 0) return;
    const large = this.#large;
    if (large) {
      const end = Math.min(large.byteLength, this.#largeStart + this.capacity);
      this.#write(large.subarray(this.#largeStart, end));
      this.#largeStart = end;
      if (end < large.byteLength) return;
      wipe(large);
      this.#large = undefined;
    }
    const count = Math.min(this.#end - this.#start, this.capacity);
    if (count === 0) return;
    const start = this.#start;
    this.#start += count;
    this.#write(this.#bytes.subarray(start, start + count));
    if (this.#start < this.#end) return;
    this.#start = this.#end = 0;
    if (this.#secret) wipe(this.#bytes);
    this.#secret = false;
  }

  #write(bytes: Uint8Array): void {
    if (bytes.byteLength === 0 || !this.#transport) return;
    this.capacity = 0;
    this.broken = true; // should the transport throw, nothing more is written
    this.capacity = this.#transport.write(bytes);
    this.broken = false;
    this.lastSent = this.#ticks();
  }
}

/** What the transport threw under a write. */
export function transportFailed(error: unknown): SealwireError {
  return toSealwireError(error, "CONNECTION_LOST", "The transport failed under a write.");
}
