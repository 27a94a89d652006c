/** Sends one payload in parts, at the pace of its source and of the connection. */
import { SealwireError } from "../errors.js";
import type { Connection } from "./connection.js";
import type { OutgoingMessage } from "./outgoing-message.js";
import { writePublication, type TopicAliases } from "./publication-writer.js";
import { writePart } from "./publish-writer.js";
import type { PayloadSource } from "./session-types.js";

/** Most bytes that a source is asked for at once: what a stream costs in memory. */
const CHUNK = 1024;

/** Who has a payload sent. */
interface StreamOwner {
  readonly aliases?: TopicAliases | undefined;
  /** The source failed, or the packet was refused. */
  streamFailed(stream: PayloadStream, error: SealwireError): void;
  /** The source has answered: pump again. */
  resume(stream: PayloadStream): void;
}

const EMPTY = new Uint8Array(0);

export class PayloadStream {
  readonly message: OutgoingMessage;
  /** Whether the head has left: the packet must now be finished, or the connection dropped. */
  started = false;
  private readonly owner: StreamOwner;
  /** `undefined`: the payload is the first chunk, and there is no other. */
  private readonly source: PayloadSource | undefined;
  private readonly head: number;
  private offset = 0;
  /** Bytes from `offset` on that were read and not yet written. */
  private chunk: Uint8Array | undefined;
  private reading = false;

  /** @param payload what the message holds, unless it has a source. @param head bytes of the packet before the payload, at most */
  constructor(owner: StreamOwner, message: OutgoingMessage, payload: Uint8Array | undefined, head: number) {
    this.owner = owner;
    this.message = message;
    this.source = message.source;
    this.chunk = payload;
    this.head = head;
  }

  /** Sends what can be sent now. @returns whether all is written */
  pump(connection: Connection): boolean {
    const { output } = connection;
    const { byteLength } = this.message;
    try {
      for (;;) {
        // The head leaves with the first part: a source that fails at once costs the connection nothing.
        const chunk = byteLength === 0 ? EMPTY : this.chunk;
        if (!chunk) {
          if (this.reading || !this.read()) return false;
          continue;
        }
        const { writable } = connection;
        let room = writable - (this.started ? 0 : this.head);
        // A head that is longer than what the connection ever takes at once leaves alone.
        if (!this.started && room <= 0 && writable > 0 && output.pending === 0) room = 0;
        else if (room <= 0) return false;
        const part = chunk.byteLength <= room ? chunk : chunk.subarray(0, room);
        if (this.started) writePart(output, part);
        else if (!writePublication(connection, this.message, part, this.owner.aliases)) return false;
        this.started = true;
        this.offset += part.byteLength;
        this.chunk = part === chunk ? undefined : chunk.subarray(part.byteLength);
        if (this.offset >= byteLength) return true;
      }
    } catch (error) {
      if (output.broken) connection.transportFailed(error);
      else this.fail(error);
      return false;
    }
  }

  /** Asks the source. @returns whether its answer is there already */
  private read(): boolean {
    const length = Math.min(CHUNK, this.message.byteLength - this.offset);
    const answer = this.source!.read(this.offset, length);
    if (answer instanceof Uint8Array) {
      this.take(answer, length);
      return true;
    }
    this.reading = true;
    answer.then(
      (bytes) => {
        this.reading = false;
        try {
          this.take(bytes, length);
        } catch (error) {
          this.fail(error);
        }
        this.owner.resume(this);
      },
      (error: unknown) => {
        this.reading = false;
        this.fail(error);
        this.owner.resume(this);
      },
    );
    return false;
  }

  private take(bytes: Uint8Array, length: number): void {
    if (!(bytes instanceof Uint8Array) || bytes.byteLength === 0 || bytes.byteLength > length)
      throw new SealwireError(
        "INVALID_ARGUMENT",
        `A payload source must give 1 to ${length} bytes when asked for ${length}.`,
      );
    this.chunk = bytes;
  }

  private fail(error: unknown): void {
    const known = error instanceof SealwireError && error.code !== "INVALID_STATE";
    this.owner.streamFailed(
      this,
      known
        ? error
        : new SealwireError("PAYLOAD_NOT_REPLAYABLE", "The payload source failed; its error is the cause.", {
            cause: error,
          }),
    );
  }
}
