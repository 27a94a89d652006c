/** Takes one inbound payload from the connection: as a whole, in parts for a consumer, or to throw it away. */
import type { Connection } from "./connection.js";
import type { Delivery } from "./delivery.js";
import type { MessageConsumer } from "./session-types.js";

export interface ReceiverOwner {
  /** The payload was read to its end. */
  finished(): void;
  /** The message is there. @param stream that has it, when it does not lie in the delivery */
  deliver(delivery: Delivery, stream?: Stream): void;
  /** A callback failed. */
  failed(error: unknown): void;
}

export interface PayloadReceiver {
  /** Reads the `count` bytes that are there. @param more whether further parts follow */
  read(connection: Connection, count: number, more: boolean): void;
  /** The connection ended before the payload did. @param silent nobody is to be told */
  abort(silent: boolean): void;
}

/** Throws a payload away. */
export class Skip implements PayloadReceiver {
  private readonly owner: ReceiverOwner;
  private readonly done: () => void;

  /** @param done called when all is read */
  constructor(owner: ReceiverOwner, done: () => void) {
    this.owner = owner;
    this.done = done;
  }

  read({ input }: Connection, _: number, more: boolean): void {
    input.discard();
    if (more) return;
    this.owner.finished();
    this.done();
  }

  abort(): void {
    return;
  }
}

/** Gathers a payload in an array of its own. */
export class Whole implements PayloadReceiver {
  private readonly owner: ReceiverOwner;
  private readonly delivery: Delivery;
  private offset = 0;

  constructor(owner: ReceiverOwner, delivery: Delivery) {
    this.owner = owner;
    this.delivery = delivery;
  }

  read(connection: Connection, count: number, more: boolean): void {
    const { delivery, offset, owner } = this;
    if (offset === 0 && delivery.byteLength > 0) delivery.payload = new Uint8Array(delivery.byteLength);
    const { payload } = delivery;
    if (count > 0)
      this.offset += connection.read(more || offset > 0 ? payload.subarray(offset, offset + count) : payload);
    if (more) return;
    owner.finished();
    owner.deliver(delivery);
  }

  abort(): void {
    return;
  }
}

/** Hands a payload to a consumer, part by part. */
export class Stream implements PayloadReceiver {
  private readonly owner: ReceiverOwner;
  private readonly delivery: Delivery;
  private readonly consumer: MessageConsumer;
  /** The consumer's promise is pending. */
  private busy = false;
  /** What came meanwhile and is still unread. */
  private waiting: { connection: Connection; count: number; more: boolean } | undefined;
  private failure: { error: unknown } | undefined;
  private over = false;

  constructor(owner: ReceiverOwner, delivery: Delivery, consumer: MessageConsumer) {
    this.owner = owner;
    this.delivery = delivery;
    this.consumer = consumer;
  }

  read(connection: Connection, count: number, more: boolean): void {
    while (!this.over) {
      if (this.busy) {
        this.waiting = { connection, count, more };
        return;
      }
      if (count === 0) {
        if (!more) this.end();
        return;
      }
      // In pieces: what the transport holds may be much more than the application shall hold at once.
      let bytes = connection.input.takeWindow();
      if (bytes) {
        count -= bytes.byteLength;
        if (connection.input.announced === 0) connection.request();
      } else {
        bytes = new Uint8Array(Math.min(count, connection.input.windowLength));
        count -= connection.read(bytes);
      }
      this.write(bytes);
      // Let go before the next one is made: there is never more than one.
      bytes = undefined;
    }
  }

  private write(bytes: Uint8Array): void {
    if (this.failure) return;
    try {
      const result = this.consumer.write(bytes);
      if (!result) return;
      this.busy = true;
      result.then(
        () => this.go(),
        (error: unknown) => {
          this.failure = { error };
          this.go();
        },
      );
    } catch (error) {
      this.failure = { error };
    }
  }

  abort(silent: boolean): void {
    if (this.over) return;
    this.over = true;
    try {
      if (!silent) this.consumer.abort();
    } catch (error) {
      this.owner.failed(error);
    }
  }

  /** Ends the consumer. What it threw before counts as the callback's failure. */
  finish(): void | Promise<void> {
    if (this.failure) throw this.failure.error;
    return this.consumer.end();
  }

  /** The consumer is ready for more. */
  private go(): void {
    this.busy = false;
    const { waiting } = this;
    this.waiting = undefined;
    if (waiting) this.read(waiting.connection, waiting.count, waiting.more);
  }

  private end(): void {
    this.over = true;
    this.owner.finished();
    this.owner.deliver(this.delivery, this);
  }
}
