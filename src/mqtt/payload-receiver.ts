/** Takes one inbound payload from the connection: as a whole, in parts for a consumer, or to throw it away. */
import type { MQTTClient } from "./client.js";
import type { SessionCore } from "./session-core.js";
import type { MessageConsumer } from "./session-types.js";

export abstract class PayloadReceiver {
  /** Reads the `count` bytes that are there. @param more whether further parts follow */
  abstract read(client: MQTTClient, count: number, more: boolean): void;

  /** The connection ended before the payload did. */
  abort(): void {
    return;
  }

  /** @param done called when all is read */
  static skip(done: () => void): PayloadReceiver {
    return new Skip(done);
  }

  /** @param done called with the payload, an array of its own */
  static whole(byteLength: number, done: (payload: Uint8Array) => void): PayloadReceiver {
    return new Whole(byteLength, done);
  }

  /** @param done called when all is written, with what ends the consumer and gives its result */
  static stream(
    consumer: MessageConsumer,
    core: SessionCore,
    done: (end: () => void | Promise<void>) => void,
  ): PayloadReceiver {
    return new Stream(consumer, core, done);
  }
}

class Skip extends PayloadReceiver {
  readonly #done: () => void;

  constructor(done: () => void) {
    super();
    this.#done = done;
  }

  override read(client: MQTTClient, count: number, more: boolean): void {
    if (count > 0) client.read(count);
    if (!more) this.#done();
  }
}

class Whole extends PayloadReceiver {
  readonly #byteLength: number;
  readonly #done: (payload: Uint8Array) => void;
  #payload: Uint8Array | undefined;
  #offset = 0;

  constructor(byteLength: number, done: (payload: Uint8Array) => void) {
    super();
    this.#byteLength = byteLength;
    this.#done = done;
  }

  override read(client: MQTTClient, count: number, more: boolean): void {
    let payload = this.#payload;
    if (!payload && !more) {
      // The whole message at once. Reading into an array of ours is cheaper than asking for a buffer and making an array of it.
      payload = new Uint8Array(count);
      client.read(payload);
    } else {
      payload ??= this.#payload = new Uint8Array(this.#byteLength);
      this.#offset += client.read(payload.subarray(this.#offset, this.#offset + count)) ?? 0;
    }
    if (!more) this.#done(payload);
  }
}

class Stream extends PayloadReceiver {
  readonly #consumer: MessageConsumer;
  readonly #core: SessionCore;
  readonly #done: (end: () => void | Promise<void>) => void;
  /** The consumer's promise is pending. */
  #busy = false;
  /** What came meanwhile and is still unread. */
  #waiting: { client: MQTTClient; count: number; more: boolean } | undefined;
  #failure: { error: unknown } | undefined;
  #over = false;

  constructor(consumer: MessageConsumer, core: SessionCore, done: (end: () => void | Promise<void>) => void) {
    super();
    this.#consumer = consumer;
    this.#core = core;
    this.#done = done;
  }

  override read(client: MQTTClient, count: number, more: boolean): void {
    if (this.#busy) {
      this.#waiting = { client, count, more };
      return;
    }
    const bytes = new Uint8Array(count);
    client.read(bytes);
    if (bytes.byteLength > 0 && !this.#failure) {
      try {
        const result = this.#consumer.write(bytes);
        if (result) {
          this.#busy = true;
          result.then(
            () => this.#go(more),
            (error: unknown) => {
              this.#failure = { error };
              this.#go(more);
            },
          );
          return;
        }
      } catch (error) {
        this.#failure = { error };
      }
    }
    if (!more) this.#end();
  }

  override abort(): void {
    if (this.#over) return;
    this.#over = true;
    this.#core.call(() => this.#consumer.abort());
  }

  /** The consumer is ready for more. */
  #go(more: boolean): void {
    this.#busy = false;
    if (this.#over) return;
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting) this.read(waiting.client, waiting.count, waiting.more);
    else if (!more) this.#end();
  }

  #end(): void {
    this.#over = true;
    this.#done(() => {
      // What the consumer threw counts as the callback's failure.
      if (this.#failure) throw this.#failure.error;
      return this.#consumer.end();
    });
  }
}
