/**
 * The way in: packets and payloads out of the transport. It reads no more than the application takes: bytes stay in the transport
 * while a payload waits to be read.
 */
import { SealwireError } from "../errors.js";
import type { Transport } from "../platform.js";
import { PUBLISH } from "./codec/constants.js";
import { Decoder, type Inbound } from "./codec/decoder.js";

/** Results of {@link Input.step} other than packet types. */
export const NOTHING = 0;
/** A part of a payload can be read: {@link Input.announced} bytes of {@link Input.message}. */
export const PART = 16;
/** The payload was read to its end: {@link Input.message} is complete. */
export const DONE = 17;

/** A decoder and the transport it is fed from: one object, since a connection has always both. */
export class Input<Message> extends Decoder<Message> {
  /** Bytes that can be read from the transport. */
  available = 0;
  /** Bytes of payload that the application was told of and did not read yet. */
  announced = 0;
  /** What was announced last is the first part of its message. */
  first = false;

  transport: Transport | undefined;
  /** Bytes of payload that were not read yet, those announced included. */
  private unread = 0;
  /** Nothing was announced of the message yet. */
  private fresh = false;

  close(): void {
    this.transport = undefined;
    this.message = undefined;
    this.available = this.announced = this.unread = 0;
  }

  /** Takes the packet that {@link step} found, which is not PUBLISH. It is not kept. */
  takeControl(): Message {
    const control = this.control!;
    this.control = undefined;
    return control;
  }

  /** Whether the stream stands between two packets, as far as it was read. */
  get atBoundary(): boolean {
    return this.message === undefined && this.buffered === 0;
  }

  /**
   * Goes one step on.
   * @returns a packet type (the packet is the decoder's `control`), {@link PART}, {@link DONE}, or {@link NOTHING} when bytes must come or be
   * read first
   */
  step(): number {
    for (;;) {
      const message = this.message;
      if (message !== undefined) {
        if (this.announced > 0) return NOTHING;
        if (this.fresh || this.unread > 0) return this.announce(message);
        return DONE;
      }
      const type = this.next();
      if (type === PUBLISH) {
        this.unread = this.message!.byteLength;
        this.fresh = true;
      } else if (type !== 0) return type;
      else if (!this.fill()) return NOTHING;
    }
  }

  private announce(message: Inbound): number {
    const unread = this.unread;
    let there = this.buffered + this.available;
    // A payload that fits into the window comes as one part, however it was cut on its way.
    while (this.fresh && there < unread && unread <= this.windowLength) {
      this.expect(unread);
      if (!this.fill()) return NOTHING;
      there = this.buffered + this.available;
    }
    if (there === 0 && unread > 0) return NOTHING;
    this.first = this.fresh;
    this.fresh = false;
    this.announced = Math.min(unread, there);
    message.more = this.announced < unread;
    return PART;
  }

  /** Moves what fits from the transport into the decoder's window. */
  private fill(): boolean {
    if (this.available === 0) return false;
    const space = this.space(this.available);
    const count = this.readInto(space);
    this.filled(count);
    return count > 0;
  }

  private readInto(target: Uint8Array): number {
    const expected = Math.min(this.available, target.byteLength);
    // Counted before: the transport may tell of more bytes while it is read.
    this.available -= expected;
    const count = this.transport?.read(target) ?? 0;
    if (count > expected) this.available = Math.max(0, this.available - (count - expected));
    return count;
  }

  /** Reads at most `count` bytes of what was announced, into a buffer of their own. */
  readSlice(count: number): ArrayBuffer {
    const length = Math.min(count, this.announced);
    if (length > this.buffered) {
      const bytes = new Uint8Array(length);
      this.read(bytes);
      return bytes.buffer;
    }
    this.announced -= length;
    this.unread -= length;
    return this.slice(length);
  }

  /** Reads at most `target.byteLength` bytes of what was announced. @returns their number */
  read(target: Uint8Array): number {
    const count = Math.min(target.byteLength, this.announced);
    const buffered = Math.min(count, this.buffered);
    if (buffered > 0) this.take(target, buffered);
    // A long payload goes past the window: its memory is not needed meanwhile.
    if (this.unread - buffered > this.windowLength) this.shrink();
    for (let done = buffered; done < count;) {
      const part = done === 0 && count === target.byteLength ? target : target.subarray(done, count);
      const more = this.readInto(part);
      if (more <= 0) throw new SealwireError("CONNECTION_LOST", "The transport gave fewer bytes than it announced.");
      done += more;
    }
    this.announced -= count;
    this.unread -= count;
    return count;
  }

  /**
   * Takes what of a long payload lies in the window, together with the window: nothing is copied, and there is one buffer less.
   * @returns `undefined` when the window is empty, or will be needed soon
   */
  takeWindow(): Uint8Array | undefined {
    const { buffered } = this;
    if (buffered === 0 || buffered > this.announced || this.unread - buffered <= this.windowLength) return undefined;
    this.announced -= buffered;
    this.unread -= buffered;
    return this.detach();
  }

  /** Passes over what was announced. */
  discard(): void {
    while (this.announced > 0) {
      if (this.buffered === 0 && !this.fill())
        throw new SealwireError("CONNECTION_LOST", "The transport gave fewer bytes than it announced.");
      const skipped = this.skip(this.announced);
      this.announced -= skipped;
      this.unread -= skipped;
    }
  }

  /** Throws away what is there and was not announced: transports tell of their end when everything was read. */
  discardAll(): void {
    if (this.announced > 0) return;
    this.message = undefined;
    this.unread = 0;
    do this.drop();
    while (this.fill());
  }
}
