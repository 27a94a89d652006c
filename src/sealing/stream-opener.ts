/** Opens a stream that `StreamSealer` made, with one chunk in memory at a time. */
import { toBytes, wipe } from "../bytes.js";
import { SealwireError } from "../errors.js";
import type { BufferLike } from "../platform.js";
import { AdditionalData } from "./additional-data.js";
import { malformed, protectedHeader, readCompactHead, readPartialIV } from "./envelope.js";
import { randomPartOf, type SenderKeys } from "./key-schedule.js";
import { receiptOf, tampered, type Delivered, type Opener, type SealedBy } from "./opener.js";
import type { ReplayEntry } from "./replay-table.js";
import { DEFAULT_CHUNK, STREAM_FORMAT, STREAM_PREFIX, writeChunkNonce } from "./stream-sealer.js";

/** Longest head: prefix, flags, length and bytes of the sender, Partial IV, length and bytes of the ID Context. */
const MAXIMUM_HEAD = STREAM_PREFIX + 1 + 1 + 64 + 5 + 1 + 12;

export interface StreamOpenerOptions {
  readonly opener: Opener;
  /** What the stream must be bound to: the topic that it came by. */
  readonly context: string;
  /**
   * Takes plaintext in order; the bytes are valid during the call only. Each chunk is authentic, but only {@link StreamOpener.end} tells that none is
   * missing: what was made of a stream that fails must be thrown away.
   */
  readonly onBytes: (bytes: Uint8Array) => void;
  /**
   * Largest chunk that is accepted; 1024 bytes when left out, what a sender makes that is not told otherwise. So much memory is taken before anything of the
   * stream is authenticated.
   */
  readonly maximumChunk?: number | undefined;
}

/** A stream that was opened to its end. */
export interface OpenedStream extends SealedBy, Pick<Delivered, "mark" | "settle"> {}

/** What is known once the head was read. */
interface Begun extends SealedBy {
  readonly keys: SenderKeys;
  readonly idContext: Uint8Array;
  /** One chunk with its tag. */
  readonly buffer: Uint8Array;
}

export class StreamOpener {
  readonly #options: StreamOpenerOptions;
  readonly #additionalData: AdditionalData;
  readonly #nonce: Uint8Array;
  readonly #head = new Uint8Array(MAXIMUM_HEAD);
  #begun: Begun | undefined;
  #filled = 0;
  #index = 0;
  #closed = false;

  constructor(options: StreamOpenerOptions) {
    const { algorithm } = options.opener.forStreams;
    this.#options = options;
    this.#additionalData = new AdditionalData(protectedHeader(algorithm));
    this.#nonce = new Uint8Array(algorithm.nonceLength);
  }

  /**
   * Takes sealed bytes.
   * @throws SealwireError `SEALED_*`: the stream must not be used; nothing more is taken
   */
  write(sealed: BufferLike): void {
    this.guard(() => {
      let bytes = toBytes(sealed);
      while (bytes.byteLength > 0) bytes = this.#begun ? this.takeChunk(this.#begun, bytes) : this.takeHead(bytes);
    });
  }

  /**
   * All bytes were written.
   * @param qos how MQTT delivered it
   * @throws SealwireError `SEALED_*`: something is missing or was received before; the stream must not be used
   */
  end(qos: 0 | 1 | 2 = 0): OpenedStream {
    return this.guard(() => {
      const begun = this.#begun;
      if (!begun) throw malformed();
      this.open(begun, true);
      const { sender, epoch, sequence, idContext } = begun;
      const { replay, secrets, peers } = this.#options.opener.forStreams;
      const entry =
        this.requireNew(begun) ??
        replay.add(peers.digest(sender, idContext), randomPartOf(idContext), epoch, secrets.minimumEpoch);
      replay.receive(entry, sequence, qos > 0);
      this.close();
      return { sender, epoch, sequence, ...receiptOf(replay, entry, sequence, qos > 0) };
    });
  }

  /** Gives up. Safe more than once. */
  close(): void {
    this.#closed = true;
    this.#begun?.keys.key.close();
    wipe(this.#begun?.buffer);
  }

  private guard<T>(body: () => T): T {
    if (this.#closed) throw new SealwireError("CLOSED", "The stream has ended.");
    try {
      return body();
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** @returns what is left */
  private takeHead(bytes: Uint8Array): Uint8Array {
    const before = this.#filled;
    const count = Math.min(bytes.byteLength, MAXIMUM_HEAD - before);
    this.#head.set(bytes.subarray(0, count), before);
    this.#filled += count;
    const head = this.#head.subarray(0, this.#filled);
    if (head[0] !== STREAM_FORMAT) throw malformed();
    const compact = readCompactHead(head.subarray(STREAM_PREFIX));
    if (!compact) {
      if (this.#filled === MAXIMUM_HEAD) throw malformed();
      return bytes.subarray(count);
    }
    this.#begun = this.begin(compact.sender, compact.idContext, compact.partialIV);
    this.#filled = 0;
    return bytes.subarray(STREAM_PREFIX + compact.byteLength - before);
  }

  private begin(sender: Uint8Array, idContext: Uint8Array, partialIV: Uint8Array): Begun {
    const { opener, maximumChunk = DEFAULT_CHUNK } = this.#options;
    const chunkSize = new DataView(this.#head.buffer).getUint32(1);
    const sequence = readPartialIV(partialIV);
    // Before a byte of memory is spent on it.
    if (chunkSize === 0 || chunkSize > maximumChunk || sequence === undefined) throw malformed();
    const epoch = opener.checkSender(sender, idContext);
    const { algorithm, peers } = opener.forStreams;
    const by = { sender: sender.slice(), idContext: idContext.slice(), epoch, sequence };
    const keys = peers.deriveStream(sender, idContext, epoch, sequence, chunkSize);
    if (!keys) throw new SealwireError("SEALED_UNKNOWN_KEY", "No key is held for the sender of the stream.");
    try {
      this.requireNew(by);
      return { ...by, keys, buffer: new Uint8Array(chunkSize + algorithm.tagLength) };
    } catch (error) {
      keys.key.close();
      throw error;
    }
  }

  /** @returns the entry of the sender, if there is one. @throws SealwireError `SEALED_REPLAYED`, `SEALED_UNCERTAIN` */
  private requireNew(by: SealedBy & { readonly idContext: Uint8Array }): ReplayEntry | undefined {
    const { peers, replay } = this.#options.opener.forStreams;
    const entry = replay.find(peers.digest(by.sender, by.idContext));
    const seen = entry ? replay.check(entry, by.sequence) : "new";
    if (seen === "uncertain")
      throw new SealwireError("SEALED_UNCERTAIN", "The stream may have been received before the restart.");
    if (seen !== "new")
      throw new SealwireError(
        "SEALED_REPLAYED",
        "The stream was received before, or is older than what is remembered.",
      );
    return entry;
  }

  private takeChunk(begun: Begun, bytes: Uint8Array): Uint8Array {
    // A full chunk waits until it is known that it is not the last.
    if (this.#filled === begun.buffer.byteLength) this.open(begun, false);
    const count = Math.min(bytes.byteLength, begun.buffer.byteLength - this.#filled);
    begun.buffer.set(bytes.subarray(0, count), this.#filled);
    this.#filled += count;
    return bytes.subarray(count);
  }

  private open({ keys, sender, buffer }: Begun, last: boolean): void {
    const { opener, context, onBytes } = this.#options;
    const { algorithm, crypto } = opener.forStreams;
    const length = this.#filled - algorithm.tagLength;
    // Only an empty stream has an empty chunk.
    if (length < 0 || (length === 0 && this.#index > 0)) throw tampered();
    writeChunkNonce(this.#nonce, keys.contextIV, this.#index++, last);
    const data = buffer.subarray(0, length);
    try {
      crypto.decrypt(
        {
          algorithm: algorithm.aead,
          key: keys.key,
          nonce: this.#nonce,
          additionalData: this.#additionalData.build("stream", sender, context),
          data,
        },
        buffer.subarray(length, this.#filled),
      );
    } catch (error) {
      throw tampered(error);
    }
    this.#filled = 0;
    if (length > 0) onBytes(data);
  }
}
