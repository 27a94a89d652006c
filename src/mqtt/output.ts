/** The way out: joins small packets to one write of the transport, and never holds more than its buffer. */
import type { Transport } from "../platform.js";
import { wipe } from "../bytes.js";
import { toSealwireError, type SealwireError } from "../errors.js";
import { OutboundTopic } from "./codec/publish.js";

/** Bytes of a buffer that holds little: it grows when more is joined. */
const SMALLEST_BUFFER = 64;
const EMPTY = new Uint8Array(0);

export class Output {
  /** Bytes that the transport takes now. */
  capacity = 0;
  /** Bytes of payload that are still to come for the PUBLISH under way; nothing else may leave before them. */
  streaming = 0;
  /** The transport failed under a write. */
  broken = false;
  /** Ticks of the last write. */
  lastSent = 0;
  /** The topic of the last PUBLISH. */
  readonly topic = new OutboundTopic();
  /** The buffer, for writing in place between {@link reserve} and {@link commit}. */
  buffer: Uint8Array = EMPTY;
  /** The length that the buffer may grow to: a packet up to it is joined with others. */
  readonly bufferLength: number;
  readonly ticks: () => number;
  transport: Transport | undefined;

  private start = 0;
  private end = 0;
  /** Bytes that leave before the buffer: CONNECT, AUTH, or the head of a PUBLISH that is longer than what the transport takes at once. */
  declare private large?: Uint8Array | undefined;
  declare private largeStart?: number;
  /** The buffer holds, or held, a secret: it is wiped once it is empty. */
  declare private secret?: boolean;

  constructor(bufferLength: number, ticks: () => number) {
    this.bufferLength = bufferLength;
    this.ticks = ticks;
  }

  /** Forgets the transport and what was not sent. */
  close(): void {
    this.transport = undefined;
    this.capacity = this.streaming = this.start = this.end = 0;
    if (this.secret) wipe(this.buffer);
    this.buffer = EMPTY;
    if (!this.large) return;
    wipe(this.large);
    this.large = undefined;
  }

  /** Bytes that wait for the transport. */
  get pending(): number {
    return this.end - this.start + (this.large ? this.large.byteLength - this.largeStart! : 0);
  }

  /** Bytes of packets that can leave at once. */
  get writable(): number {
    if (this.streaming > 0) return this.large ? 0 : this.capacity;
    return Math.max(0, this.capacity - this.pending);
  }

  /** Bytes of packets that can wait here, whatever the transport takes. */
  get room(): number {
    return this.bufferLength - (this.end - this.start);
  }

  /** Gives back memory that is not needed while nothing is sent. */
  shrink(): void {
    if (this.start === this.end) this.buffer = EMPTY;
  }

  /**
   * Makes room for `count` bytes, which must be at most {@link room}, or at most both {@link writable} and {@link bufferLength}. The buffer may be
   * another one afterwards.
   * @returns the offset in the buffer where they go
   */
  reserve(count: number): number {
    if (this.end + count > this.buffer.byteLength) {
      if (count > this.room) this.flush();
      const held = this.end - this.start;
      const { buffer, bufferLength } = this;
      if (held + count > buffer.byteLength) {
        const wanted = Math.max(held + count, 2 * buffer.byteLength, SMALLEST_BUFFER);
        this.buffer = new Uint8Array(Math.min(wanted, bufferLength));
        if (held > 0) this.buffer.set(buffer.subarray(this.start, this.end));
        if (this.secret) wipe(buffer);
      } else buffer.copyWithin(0, this.start, this.end);
      this.end = held;
      this.start = 0;
    }
    return this.end;
  }

  /** @param end the offset behind the last byte that was written in place */
  commit(end: number): void {
    this.end = end;
  }

  /** A packet of two bytes. */
  empty(first: number): void {
    const offset = this.reserve(2);
    this.buffer[offset] = first;
    this.buffer[offset + 1] = 0;
    this.end = offset + 2;
  }

  /** A packet that holds a packet identifier alone. */
  identifier(first: number, id: number): void {
    const offset = this.reserve(4);
    const bytes = this.buffer;
    bytes[offset] = first;
    bytes[offset + 1] = 2;
    bytes[offset + 2] = id >> 8;
    bytes[offset + 3] = id & 0xff;
    this.end = offset + 4;
  }

  /** A whole packet, at most {@link room} or {@link writable} bytes. */
  packet(bytes: Uint8Array): void {
    if (bytes.byteLength <= this.bufferLength) {
      const offset = this.reserve(bytes.byteLength);
      this.buffer.set(bytes, offset);
      this.end = offset + bytes.byteLength;
    } else this.direct(bytes);
  }

  /** Writes bytes, at most {@link writable}, past the buffer. */
  direct(bytes: Uint8Array): void {
    this.flush();
    this.write(bytes);
  }

  /** Bytes that may be more than the transport takes, and before which nothing waits or which fit into the buffer. Wiped when they were
   * sent. @param joined more will follow that shall leave in the same write */
  opening(bytes: Uint8Array, joined = false): void {
    if ((joined || this.pending > 0) && bytes.byteLength <= this.room) {
      this.secret = true;
      this.packet(bytes);
      wipe(bytes);
    } else {
      this.large = bytes;
      this.largeStart = 0;
    }
  }

  /** Hands to the transport what it takes. */
  flush(): void {
    if (this.capacity === 0) return;
    const large = this.large;
    if (large) {
      const start = this.largeStart!;
      const end = Math.min(large.byteLength, start + this.capacity);
      this.largeStart = end;
      this.write(start === 0 && end === large.byteLength ? large : large.subarray(start, end));
      if (end < large.byteLength) return;
      wipe(large);
      this.large = undefined;
    }
    if (this.streaming > 0) return;
    const { start } = this;
    const count = Math.min(this.end - start, this.capacity);
    if (count === 0) return;
    this.start += count;
    this.write(this.buffer.subarray(start, start + count));
    if (this.start < this.end) return;
    this.start = this.end = 0;
    if (!this.secret) return;
    wipe(this.buffer);
    this.secret = false;
  }

  private write(bytes: Uint8Array): void {
    if (bytes.byteLength === 0 || !this.transport) return;
    this.capacity = 0;
    this.broken = true; // should the transport throw, nothing more is written
    this.capacity = this.transport.write(bytes);
    this.broken = false;
    this.lastSent = this.ticks();
  }
}

/** What the transport threw under a write. */
export function transportFailed(error: unknown): SealwireError {
  return toSealwireError(error, "CONNECTION_LOST", "The transport failed under a write.");
}
