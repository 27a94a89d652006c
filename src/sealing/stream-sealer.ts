/**
 * Seals what is larger than memory: in chunks, of which one is in memory at a time.
 *
 * Stream: format (1 byte, 1), bytes of plaintext in a chunk (4, big-endian), the head of the encoding `compact`, then the chunks, each
 * followed by its tag. All are full but the last, which has 1 byte to a full chunk, or none in an empty stream. Each stream has a key of its own,
 * derived with its sequence number; the nonce of a chunk is `2 × its index + (1 for the last)`, XOR the Context IV of the stream (the STREAM
 * construction of Hoang, Reyhanitabar, Rogaway and Vizár, 2015): chunks cannot be left out, repeated, moved or cut off.
 */
import { toBytes, wipe } from "../bytes.js";
import { SealwireError } from "../errors.js";
import type { BufferLike, Crypto } from "../platform.js";
import { AdditionalData } from "./additional-data.js";
import { headBytes, protectedHeader, writeHead } from "./envelope.js";
import { deriveStreamKeys, type SenderKeys } from "./key-schedule.js";
import type { Sealer } from "./sealer.js";

export const STREAM_FORMAT = 1;
/** Format and chunk size. */
export const STREAM_PREFIX = 5;
/** Bytes of plaintext in a chunk: most that are accepted, and what is usual. */
export const MAXIMUM_CHUNK = 16_384;
export const DEFAULT_CHUNK = 1024;
/** Most chunks: their index is a safe integer in the nonce. */
const MAXIMUM_CHUNKS = 0x7fff_ffff;

/** Writes the nonce of a chunk. */
export function writeChunkNonce(nonce: Uint8Array, contextIV: Uint8Array, index: number, last: boolean): void {
  nonce.set(contextIV);
  let rest = 2 * index + (last ? 1 : 0);
  for (let i = nonce.byteLength - 1; rest > 0; i--, rest = Math.floor(rest / 256)) nonce[i]! ^= rest & 0xff;
}

export interface StreamSealerOptions {
  readonly crypto: Pick<Crypto, "encrypt">;
  readonly sealer: Sealer;
  /** What the stream is bound to: the topic that it is published to. */
  readonly context: string;
  /** Takes what is to be sent. The bytes are valid during the call only. */
  readonly onBytes: (bytes: Uint8Array) => void;
  /** 64 to 16,384 bytes; 1024 when left out. */
  readonly chunkSize?: number | undefined;
}

/**
 * One stream, sealed once: reading the source a second time makes another stream, under another sequence number. (The same number with
 * other plaintext would give away both.)
 */
export class StreamSealer {
  readonly sequence: number;
  /** Bytes before the first chunk. */
  readonly headLength: number;
  readonly #options: StreamSealerOptions;
  readonly #keys: SenderKeys;
  readonly #additionalData: AdditionalData;
  readonly #nonce: Uint8Array;
  readonly #chunkSize: number;
  /** One chunk, and room for its tag. */
  readonly #buffer: Uint8Array;
  #filled = 0;
  #index = 0;
  #head: Uint8Array | undefined;
  #closed = false;

  /** @throws SealwireError `SEALED_COUNTER_EXHAUSTED`, `STORAGE_FAILED`, `INVALID_ARGUMENT` */
  constructor(options: StreamSealerOptions) {
    const { sealer, chunkSize = DEFAULT_CHUNK } = options;
    if (!Number.isInteger(chunkSize) || chunkSize < 64 || chunkSize > MAXIMUM_CHUNK)
      throw new SealwireError("INVALID_ARGUMENT", `A chunk has 64 to ${MAXIMUM_CHUNK} bytes.`);
    const { algorithm, sender, idContext } = sealer;
    this.#options = options;
    this.#chunkSize = chunkSize;
    this.sequence = sealer.takeSequence();
    this.#keys = deriveStreamKeys(sealer.derivation, this.sequence, chunkSize);
    this.#additionalData = new AdditionalData(protectedHeader(algorithm));
    this.#nonce = new Uint8Array(algorithm.nonceLength);
    this.#buffer = new Uint8Array(chunkSize + algorithm.tagLength);
    const compact = { encoding: "compact", sender, idContext, algorithm, fullIV: false } as const;
    const head = new Uint8Array(STREAM_PREFIX + headBytes(compact, this.sequence, 0));
    head[0] = STREAM_FORMAT;
    new DataView(head.buffer).setUint32(1, chunkSize);
    writeHead(head.subarray(STREAM_PREFIX), compact, this.sequence, this.#nonce, 0);
    this.#head = head;
    this.headLength = head.byteLength;
  }

  /** The bytes of the whole stream, for so many bytes of plaintext. */
  sealedLength(byteLength: number): number {
    const chunks = Math.max(1, Math.ceil(byteLength / this.#chunkSize));
    return this.headLength + byteLength + chunks * this.#options.sealer.algorithm.tagLength;
  }

  /** Takes plaintext. */
  write(plaintext: BufferLike): void {
    this.mustBeOpen();
    const bytes = toBytes(plaintext);
    let at = 0;
    while (at < bytes.byteLength) {
      // A full chunk waits until it is known that it is not the last.
      if (this.#filled === this.#chunkSize) this.flush(false);
      const count = Math.min(bytes.byteLength - at, this.#chunkSize - this.#filled);
      this.#buffer.set(bytes.subarray(at, at + count), this.#filled);
      this.#filled += count;
      at += count;
    }
  }

  /** Ends the stream. */
  end(): void {
    this.mustBeOpen();
    this.flush(true);
    this.close();
  }

  /** Gives up. Safe more than once. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#keys.key.close();
    wipe(this.#buffer);
  }

  private flush(last: boolean): void {
    const { crypto, sealer, context, onBytes } = this.#options;
    if (this.#index > MAXIMUM_CHUNKS)
      throw new SealwireError("INVALID_ARGUMENT", "The stream is too long for chunks of this size.");
    if (this.#head) {
      const head = this.#head;
      this.#head = undefined;
      onBytes(head);
    }
    const { algorithm, sender } = sealer;
    writeChunkNonce(this.#nonce, this.#keys.contextIV, this.#index++, last);
    const data = this.#buffer.subarray(0, this.#filled);
    const tag = crypto.encrypt(
      {
        algorithm: algorithm.aead,
        key: this.#keys.key,
        nonce: this.#nonce,
        additionalData: this.#additionalData.build("stream", sender, context),
        data,
      },
      algorithm.tagLength,
    );
    this.#buffer.set(tag, this.#filled);
    const sealed = this.#buffer.subarray(0, this.#filled + tag.byteLength);
    this.#filled = 0;
    onBytes(sealed);
  }

  private mustBeOpen(): void {
    if (this.#closed) throw new SealwireError("CLOSED", "The stream has ended.");
  }
}
