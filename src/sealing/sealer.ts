/** Seals payloads under the key of one sender. Each gets a sequence number of its own; the same bytes are sent again when MQTT repeats them. */
import { toBytes } from "../bytes.js";
import type { ContentAlgorithm } from "../cose/index.js";
import { SealwireError } from "../errors.js";
import type { BufferLike, Crypto, Key } from "../platform.js";
import { AdditionalData, signedData, type Purpose } from "./additional-data.js";
import {
  headBytes,
  protectedHeader,
  writeHead,
  writePartialIV,
  partialIVLength,
  type Encoding,
  type EnvelopeHead,
} from "./envelope.js";
import {
  checkSender,
  deriveSenderKeys,
  encodeIDContext,
  MAXIMUM_SEQUENCE,
  referenceOf,
  type DeriveOptions,
  type SenderKeys,
} from "./key-schedule.js";
import { sign, unsignedStream, type Signing } from "./signature.js";

/** Who counts the messages. */
export interface SequenceSource {
  /** Never the same number twice under one secret and `random`. @throws SealwireError when there is none */
  take(): number;
  readonly next: number;
  /** The random part of the ID Context, 0 or 8 bytes. */
  readonly random: Uint8Array;
}

export interface SealerOptions {
  readonly crypto: Pick<Crypto, "encrypt" | "deriveKey" | "deriveBytes" | "sign">;
  readonly algorithm: ContentAlgorithm;
  /** Stays the caller's; may be closed once the sealer is made. */
  readonly masterSecret: Key;
  readonly masterSalt?: Uint8Array | undefined;
  readonly epoch: number;
  /** Copied. */
  readonly sender: Uint8Array;
  readonly sequence: SequenceSource;
  /** `cose` when left out. */
  readonly encoding?: Encoding | undefined;
  /** In the encoding `cose`: the whole IV in place of the Partial IV, for libraries that do not know the latter. */
  readonly fullIV?: boolean | undefined;
  readonly signing?: Signing | undefined;
  /** See `SealingOptions`. */
  readonly idContextInterval?: number | undefined;
  /** Numbers that `sequence` reserves at a time, from 0 on: the rest of them is skipped when the power fails. 64 when left out. */
  readonly blockSize?: number | undefined;
}

/** Messages under a new ID Context that carry it in full, whatever the interval: the network may lose some. */
const FIRST_IN_FULL = 8;

export class Sealer {
  readonly sender: Uint8Array;
  readonly epoch: number;
  readonly algorithm: ContentAlgorithm;
  readonly idContext: Uint8Array;
  readonly #options: SealerOptions;
  readonly #keys: SenderKeys;
  readonly #additionalData: AdditionalData;
  readonly #nonce: Uint8Array;
  /** What most messages carry in place of the ID Context, if they do. */
  readonly #reference: Uint8Array | undefined;
  #closed = false;

  constructor(options: SealerOptions) {
    checkSender(options.sender);
    this.#options = options;
    this.sender = options.sender.slice();
    this.epoch = options.epoch;
    this.algorithm = options.algorithm;
    const { random } = options.sequence;
    this.idContext = encodeIDContext(options.epoch, random);
    if (random.byteLength > 0 && (options.idContextInterval ?? 1) > 1) this.#reference = referenceOf(random);
    this.#keys = deriveSenderKeys(this.derivation);
    this.#additionalData = new AdditionalData(protectedHeader(options.algorithm));
    this.#nonce = new Uint8Array(options.algorithm.nonceLength);
  }

  /** What keys of this sender derive from, for streams. */
  get derivation(): DeriveOptions {
    const { crypto, masterSecret, masterSalt } = this.#options;
    const { algorithm, sender, idContext } = this;
    return { crypto, masterSecret, masterSalt, algorithm, sender, idContext };
  }

  /**
   * Seals a payload. Takes one array of the length of the message, and nothing else that grows with it.
   * @param context what the message is bound to: the topic that it is published to
   * @param inFull whether it carries the ID Context in full in any case
   * @throws SealwireError `SEALED_COUNTER_EXHAUSTED`, `STORAGE_FAILED`; `INVALID_ARGUMENT` when it is too long for the algorithm
   */
  seal(
    context: string,
    payload: BufferLike,
    encoding: Encoding = this.#options.encoding ?? "cose",
    inFull = false,
  ): Uint8Array {
    let content = toBytes(payload);
    const { signing, crypto } = this.#options;
    // The number is taken before anything depends on it: what fails after that wastes one, and repeats none.
    const sequence = this.nextSequence(content.byteLength);
    if (signing) content = sign(crypto, signing, content, signedData(this.sender, context, this.idContext, sequence));
    const sealedLength = content.byteLength + this.algorithm.tagLength;
    const head = this.head(encoding, inFull ? undefined : sequence);
    const start = headBytes(head, sequence, sealedLength);
    const message = new Uint8Array(start + sealedLength);
    message.set(content, start);
    this.encrypt(signing ? "signed" : "message", context, message.subarray(start));
    writeHead(message, head, sequence, this.#nonce, sealedLength);
    return message;
  }

  /** Bytes that {@link sealInPlace} needs before the payload, at most. */
  get headroom(): number {
    const head = this.head(this.#options.encoding ?? "cose");
    return headBytes(head, MAXIMUM_SEQUENCE, this.algorithm.maximumLength);
  }

  /** Bytes that {@link sealInPlace} needs behind the payload. */
  get tailroom(): number {
    return this.algorithm.tagLength;
  }

  /**
   * Seals where the payload lies, and takes no memory for it.
   * @param buffer holds the payload at `offset`, with {@link headroom} bytes before it and {@link tailroom} bytes behind it
   * @returns the message, a view of `buffer`
   * @throws SealwireError as {@link seal}; `UNSUPPORTED` with signatures
   */
  sealInPlace(context: string, buffer: Uint8Array, offset: number, byteLength: number): Uint8Array {
    if (this.#options.signing)
      throw new SealwireError("UNSUPPORTED", "A payload that is signed cannot be sealed in place.");
    const sealedLength = byteLength + this.algorithm.tagLength;
    if (offset < this.headroom || offset + sealedLength > buffer.byteLength)
      throw new SealwireError("INVALID_ARGUMENT", "There is not enough room around the payload to seal it in place.");
    const sequence = this.nextSequence(byteLength);
    const head = this.head(this.#options.encoding ?? "cose", sequence);
    const start = offset - headBytes(head, sequence, sealedLength);
    this.encrypt("message", context, buffer.subarray(offset, offset + sealedLength));
    writeHead(buffer.subarray(start), head, sequence, this.#nonce, sealedLength);
    return buffer.subarray(start, offset + sealedLength);
  }

  /**
   * Takes a sequence number for something that is sealed elsewhere: a stream.
   * @throws SealwireError as {@link seal}; `UNSUPPORTED` with signatures
   */
  takeSequence(): number {
    if (this.#options.signing) throw unsignedStream();
    return this.nextSequence(0);
  }

  /** Wipes the key. Safe more than once. */
  close(): void {
    this.#closed = true;
    this.#keys.key.close();
  }

  /** @param sequence of a message that may refer to the ID Context instead of carrying it */
  private head(encoding: Encoding, sequence?: number): EnvelopeHead {
    const { sender, algorithm } = this;
    const { fullIV = false, idContextInterval = 1, blockSize = 64 } = this.#options;
    const refers = sequence !== undefined && !isEarly(sequence, blockSize) && sequence % idContextInterval > 0;
    const idContext = (refers ? this.#reference : undefined) ?? this.idContext;
    return { encoding, sender, idContext, algorithm, fullIV };
  }

  private nextSequence(byteLength: number): number {
    if (this.#closed) throw new SealwireError("CLOSED", "The sealer was closed.");
    if (byteLength > this.algorithm.maximumLength)
      throw new SealwireError(
        "INVALID_ARGUMENT",
        `A payload of ${byteLength} bytes is too long for the algorithm, which takes ${this.algorithm.maximumLength}.`,
      );
    const sequence = this.#options.sequence.take();
    const nonce = this.#nonce;
    const { contextIV } = this.#keys;
    const length = partialIVLength(sequence);
    nonce.fill(0);
    writePartialIV(nonce, nonce.byteLength - length, sequence);
    for (let i = 0; i < nonce.byteLength; i++) nonce[i]! ^= contextIV[i]!;
    return sequence;
  }

  /** @param sealed the content, and room for the tag */
  private encrypt(purpose: Purpose, context: string, sealed: Uint8Array): void {
    const { aead, tagLength } = this.algorithm;
    const data = sealed.subarray(0, sealed.byteLength - tagLength);
    const tag = this.#options.crypto.encrypt(
      {
        algorithm: aead,
        key: this.#keys.key,
        nonce: this.#nonce,
        additionalData: this.#additionalData.build(purpose, this.sender, context),
        data,
      },
      tagLength,
    );
    sealed.set(tag, data.byteLength);
  }
}

/**
 * Whether it may be among the first 8 that were sealed under its ID Context. In each block that was begun one was sealed, unless the power failed just between the two:
 * so the first 8 are among the first 8 numbers of the first 8 blocks, however often it failed elsewhere.
 */
function isEarly(sequence: number, blockSize: number): boolean {
  return sequence < FIRST_IN_FULL * blockSize && sequence % blockSize < FIRST_IN_FULL;
}
