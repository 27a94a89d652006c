/** Sends one payload in parts, at the pace of its source and of the connection. */
import { SealwireError } from "../errors.js";
import type { MQTTClient } from "./client.js";
import type { OutgoingMessage } from "./outgoing-message.js";
import type { PayloadSource } from "./session-types.js";

/** Most bytes that a source is asked for at once: what a stream costs in memory. */
const CHUNK = 1024;

interface StreamCallbacks {
  /** Writes the packet's head and its first part. @returns false when there is no room */
  begin(client: MQTTClient, part: Uint8Array): boolean;
  /** All is written. */
  done(): void;
  /** The source failed, or the packet was refused. */
  failed(error: SealwireError): void;
  /** The source has answered: pump again. */
  resume(): void;
}

export class PayloadStream {
  readonly message: OutgoingMessage;
  /** Whether the head has left: the packet must now be finished, or the connection dropped. */
  started = false;
  readonly #source: Pick<PayloadSource, "byteLength" | "read">;
  readonly #head: number;
  readonly #callbacks: StreamCallbacks;
  #offset = 0;
  /** Bytes from `#offset` on that were read and not yet written. */
  #chunk: Uint8Array | undefined;
  #reading = false;

  /** @param head bytes of the packet before the payload, at most */
  constructor(
    message: OutgoingMessage,
    source: Pick<PayloadSource, "byteLength" | "read">,
    head: number,
    callbacks: StreamCallbacks,
  ) {
    this.message = message;
    this.#source = source;
    this.#head = head;
    this.#callbacks = callbacks;
  }

  /** Sends what can be sent now. @returns whether the stream has ended, well or not */
  pump(client: MQTTClient): boolean {
    try {
      return this.#pump(client);
    } catch (error) {
      this.#fail(error);
      return true;
    }
  }

  #pump(client: MQTTClient): boolean {
    const { byteLength } = this.#source;
    for (;;) {
      // The head leaves with the first part: a source that fails at once costs the connection nothing.
      const chunk = byteLength === 0 ? new Uint8Array(0) : this.#chunk;
      if (!chunk) {
        if (this.#reading || !this.#read()) return false;
        continue;
      }
      const room = client.writable - (this.started ? 0 : this.#head);
      if (room <= 0) return false;
      const part = chunk.byteLength <= room ? chunk : chunk.subarray(0, room);
      if (this.started) client.write(part);
      else if (!this.#callbacks.begin(client, part)) return false;
      this.started = true;
      this.#offset += part.byteLength;
      this.#chunk = part === chunk ? undefined : chunk.subarray(part.byteLength);
      if (this.#offset < byteLength) continue;
      this.#callbacks.done();
      return true;
    }
  }

  /** Asks the source. @returns whether its answer is there already */
  #read(): boolean {
    const length = Math.min(CHUNK, this.#source.byteLength - this.#offset);
    const answer = this.#source.read(this.#offset, length);
    if (answer instanceof Uint8Array) {
      this.#take(answer, length);
      return true;
    }
    this.#reading = true;
    answer.then(
      (bytes) => {
        this.#reading = false;
        try {
          this.#take(bytes, length);
        } catch (error) {
          this.#fail(error);
        }
        this.#callbacks.resume();
      },
      (error: unknown) => {
        this.#reading = false;
        this.#fail(error);
        this.#callbacks.resume();
      },
    );
    return false;
  }

  #take(bytes: Uint8Array, length: number): void {
    if (!(bytes instanceof Uint8Array) || bytes.byteLength === 0 || bytes.byteLength > length)
      throw new SealwireError(
        "INVALID_ARGUMENT",
        `A payload source must give 1 to ${length} bytes when asked for ${length}.`,
      );
    this.#chunk = bytes;
  }

  #fail(error: unknown): void {
    const known = error instanceof SealwireError && error.code !== "INVALID_STATE";
    this.#callbacks.failed(
      known
        ? error
        : new SealwireError("PAYLOAD_NOT_REPLAYABLE", "The payload source failed; its error is the cause.", {
            cause: error,
          }),
    );
  }
}
