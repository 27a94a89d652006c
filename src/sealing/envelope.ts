/**
 * The two encodings of a sealed payload. Both carry the same object (sender, ID Context, sequence number, ciphertext with tag) and can be
 * turned into one another.
 *
 * `cose`: an untagged COSE_Encrypt0 (RFC 9052 section 5.2), protected header `{1: alg}`, unprotected `{4: sender, 6: Partial IV}`, with
 * `10: ID Context` when there is one, and with `5: IV` in place of the Partial IV when `fullIV` is asked for.
 *
 * `compact`: flags (1 byte), length of the sender (1 byte, if it is not in the flags), sender, Partial IV, length of the ID Context
 * (1 byte) and ID Context (if there is one), ciphertext with tag. Flags: bits 0 to 2 length of the Partial IV (1 to 5), bit 3 whether there is
 * an ID Context, bits 4 to 6 length of the sender (1 to 7; 0: it is in the next byte), bit 7 is 0, which no COSE object begins with.
 */
import { CBORReader, headLength, bytesLength, CBORWriter, MAJOR } from "../cbor/index.js";
import { HEADER } from "../cose/index.js";
import type { ContentAlgorithm } from "../cose/index.js";
import { SealwireError } from "../errors.js";
import { MAXIMUM_SENDER, RANDOM_LENGTH } from "./key-schedule.js";

export type Encoding = "cose" | "compact";

/** Longest ID Context: an epoch of 4 bytes and the random part. */
const MAXIMUM_ID_CONTEXT = 4 + RANDOM_LENGTH;
const MAXIMUM_PARTIAL_IV = 5;

/** A sealed payload as it was read. Nothing of it is verified yet; arrays are views of the input. */
export interface Envelope {
  readonly encoding: Encoding;
  readonly sender: Uint8Array;
  /** Of no length: none. */
  readonly idContext: Uint8Array;
  /** Either this or the whole IV. */
  readonly partialIV: Uint8Array | undefined;
  readonly iv: Uint8Array | undefined;
  /** With the tag. */
  readonly ciphertext: Uint8Array;
}

/** What goes before the ciphertext. */
export interface EnvelopeHead {
  readonly encoding: Encoding;
  readonly sender: Uint8Array;
  readonly idContext: Uint8Array;
  readonly algorithm: ContentAlgorithm;
  /** Whether the encoding `cose` carries the whole IV. */
  readonly fullIV: boolean;
}

const EMPTY = new Uint8Array(0);
/** RFC 9052 section 2, table 1. Written by none of us, and read all the same. */
const TAG_ENCRYPT0 = 16;

/** `{1: alg}`, the protected header of all that is sealed. */
export function protectedHeader(algorithm: ContentAlgorithm): Uint8Array {
  return algorithm.id < 24 ? Uint8Array.of(0xa1, 1, algorithm.id) : Uint8Array.of(0xa1, 1, 0x18, algorithm.id);
}

/** The bytes of a sequence number, as few as it takes: 1 to 5. */
export function partialIVLength(sequence: number): number {
  let length = 1;
  for (let rest = Math.floor(sequence / 256); rest > 0; rest = Math.floor(rest / 256)) length++;
  return length;
}

/** Writes a sequence number, big-endian, at `offset`. @returns the offset after it */
export function writePartialIV(target: Uint8Array, offset: number, sequence: number): number {
  const end = offset + partialIVLength(sequence);
  let rest = sequence;
  for (let i = end - 1; i >= offset; i--) {
    target[i] = rest;
    rest = Math.floor(rest / 256);
  }
  return end;
}

/** @returns the sequence number, or `undefined` when it is not written in as few bytes as it takes */
export function readPartialIV(bytes: Uint8Array): number | undefined {
  const { byteLength } = bytes;
  if (byteLength === 0 || byteLength > MAXIMUM_PARTIAL_IV || (byteLength > 1 && bytes[0] === 0)) return undefined;
  let sequence = 0;
  for (let i = 0; i < byteLength; i++) sequence = sequence * 256 + bytes[i]!;
  return sequence;
}

/** The bytes before the ciphertext. `sealedLength` is that of the ciphertext with its tag. */
export function headBytes(head: EnvelopeHead, sequence: number, sealedLength: number): number {
  const { encoding, sender, idContext, algorithm, fullIV } = head;
  const { byteLength } = sender;
  if (encoding === "compact")
    return (
      1 +
      (byteLength > 7 ? 1 : 0) +
      byteLength +
      partialIVLength(sequence) +
      (idContext.byteLength > 0 ? 1 + idContext.byteLength : 0)
    );
  return (
    1 +
    1 +
    (algorithm.id < 24 ? 3 : 4) +
    1 +
    (1 + bytesLength(byteLength)) +
    (1 + bytesLength(fullIV ? algorithm.nonceLength : partialIVLength(sequence))) +
    (idContext.byteLength > 0 ? 1 + bytesLength(idContext.byteLength) : 0) +
    headLength(sealedLength)
  );
}

/** Writes what goes before the ciphertext, to the beginning of `target`. @returns its length */
export function writeHead(
  target: Uint8Array,
  head: EnvelopeHead,
  sequence: number,
  nonce: Uint8Array,
  sealedLength: number,
): number {
  const { encoding, sender, idContext, algorithm, fullIV } = head;
  if (encoding === "compact") {
    let at = 1;
    const short = sender.byteLength <= 7;
    if (!short) target[at++] = sender.byteLength;
    target.set(sender, at);
    at += sender.byteLength;
    const ivLength = partialIVLength(sequence);
    at = writePartialIV(target, at, sequence);
    if (idContext.byteLength > 0) {
      target[at++] = idContext.byteLength;
      target.set(idContext, at);
      at += idContext.byteLength;
    }
    target[0] = ivLength | (idContext.byteLength > 0 ? 8 : 0) | (short ? sender.byteLength << 4 : 0);
    return at;
  }
  const writer = new CBORWriter(target);
  writer.array(3).head(MAJOR.bytes, algorithm.id < 24 ? 3 : 4);
  writer.map(1).unsigned(HEADER.algorithm).unsigned(algorithm.id);
  writer.map(idContext.byteLength > 0 ? 3 : 2);
  writer.unsigned(HEADER.keyIdentifier).bytes(sender);
  if (fullIV) writer.unsigned(HEADER.iv).bytes(nonce);
  else {
    writer.unsigned(HEADER.partialIV).head(MAJOR.bytes, partialIVLength(sequence));
    writer.offset = writePartialIV(target, writer.offset, sequence);
  }
  if (idContext.byteLength > 0) writer.unsigned(HEADER.keyContext).bytes(idContext);
  writer.head(MAJOR.bytes, sealedLength);
  return writer.offset;
}

/**
 * Reads either encoding.
 * @throws SealwireError `SEALED_MALFORMED`
 */
export function readEnvelope(message: Uint8Array, algorithm: ContentAlgorithm): Envelope {
  const envelope = message[0]! & 0x80 ? readCOSE(message, algorithm) : readCompact(message);
  const { sender, idContext, ciphertext } = envelope;
  if (
    sender.byteLength === 0 ||
    sender.byteLength > MAXIMUM_SENDER ||
    idContext.byteLength > MAXIMUM_ID_CONTEXT ||
    ciphertext.byteLength < algorithm.tagLength
  )
    throw malformed();
  return envelope;
}

/** Without the maps that COSE objects of any kind need: what is not as we write it is not ours, whatever it may mean. */
function readCOSE(message: Uint8Array, algorithm: ContentAlgorithm): Envelope {
  try {
    const reader = new CBORReader(message);
    const tag = reader.tag();
    if ((tag !== undefined && tag !== TAG_ENCRYPT0) || reader.array() !== 3) throw malformed();
    // One algorithm and one place for it.
    if (!isProtectedHeader(reader.bytes(), algorithm)) throw malformed();
    let sender: Uint8Array | undefined;
    let idContext: Uint8Array | undefined;
    let iv: Uint8Array | undefined;
    let partialIV: Uint8Array | undefined;
    for (let left = reader.mapHead(); left > 0; left--) {
      const label = reader.unsigned();
      const value = reader.bytes();
      if (label === HEADER.keyIdentifier && !sender) sender = value;
      else if (label === HEADER.keyContext && !idContext && value.byteLength > 0) idContext = value;
      else if (label === HEADER.partialIV && !iv && !partialIV) partialIV = value;
      else if (label === HEADER.iv && !iv && !partialIV && value.byteLength === algorithm.nonceLength) iv = value;
      // Twice, or a header that nobody authenticates and nobody reads.
      else throw malformed();
    }
    const ciphertext = reader.bytes();
    reader.finish();
    if (!sender || !(iv ?? partialIV)) throw malformed();
    return { encoding: "cose", sender, idContext: idContext ?? EMPTY, partialIV, iv, ciphertext };
  } catch (error) {
    throw malformed(error);
  }
}

/** Whether these are the bytes of {@link protectedHeader}. */
function isProtectedHeader(bytes: Uint8Array, { id }: ContentAlgorithm): boolean {
  const length = id < 24 ? 3 : 4;
  return (
    bytes.byteLength === length &&
    bytes[0] === 0xa1 &&
    bytes[1] === HEADER.algorithm &&
    (length === 3 || bytes[2] === 0x18) &&
    bytes[length - 1] === id
  );
}

function readCompact(message: Uint8Array): Envelope {
  const head = readCompactHead(message);
  if (!head) throw malformed();
  const { sender, partialIV, idContext, byteLength } = head;
  return { encoding: "compact", sender, idContext, partialIV, iv: undefined, ciphertext: message.subarray(byteLength) };
}

/** What stands before the ciphertext in the encoding `compact`. */
export interface CompactHead {
  readonly sender: Uint8Array;
  readonly partialIV: Uint8Array;
  readonly idContext: Uint8Array;
  readonly byteLength: number;
}

/**
 * Reads the head of the encoding `compact` from the beginning of `bytes`.
 * @returns `undefined` when more bytes are needed
 * @throws SealwireError `SEALED_MALFORMED`
 */
export function readCompactHead(bytes: Uint8Array): CompactHead | undefined {
  const flags = bytes[0];
  if (flags === undefined) return undefined;
  const ivLength = flags & 7;
  if (flags > 0x7f || ivLength === 0 || ivLength > MAXIMUM_PARTIAL_IV) throw malformed();
  let at = 1;
  let senderLength = flags >> 4;
  if (senderLength === 0) {
    const long = bytes[at++];
    if (long === undefined) return undefined;
    // As few bytes as it takes.
    if (long <= 7 || long > MAXIMUM_SENDER) throw malformed();
    senderLength = long;
  }
  const senderAt = at;
  const ivAt = senderAt + senderLength;
  at = ivAt + ivLength;
  let idContextLength = 0;
  if (flags & 8) {
    const length = bytes[at++];
    if (length === undefined) return undefined;
    if (length === 0 || length > MAXIMUM_ID_CONTEXT) throw malformed();
    idContextLength = length;
  }
  const byteLength = at + idContextLength;
  if (byteLength > bytes.byteLength) return undefined;
  return {
    sender: bytes.subarray(senderAt, ivAt),
    partialIV: bytes.subarray(ivAt, ivAt + ivLength),
    idContext: bytes.subarray(at, byteLength),
    byteLength,
  };
}

export function malformed(cause?: unknown): SealwireError {
  return new SealwireError(
    "SEALED_MALFORMED",
    "The payload is not a sealed one, or not of the kind that is expected.",
    {
      cause,
    },
  );
}
