/**
 * COSE_Encrypt0, and COSE_Encrypt whose one recipient uses the key directly (RFC 9052 sections 5.2 and 5.1). Content is encrypted and
 * decrypted in place.
 */
import type { Crypto, Key } from "../platform.js";
import { SealwireError } from "../errors.js";
import { contentAlgorithm, DIRECT } from "./algorithms.js";
import {
  encodeCBOR,
  type CBORMap,
  CBORReader,
  MAJOR,
  bytesLength,
  CBORWriter,
  headLength,
  textLength,
} from "../cbor/index.js";
import { HEADER, Headers, invalid } from "./headers.js";

/** Tags (RFC 9052 section 2, table 1). */
const TAG_ENCRYPT0 = 16;
const TAG_ENCRYPT = 96;

export type EncryptContext = "Encrypt0" | "Encrypt";

/** An encrypted object as it was read. Nothing of it is verified yet. */
export interface COSEEncrypted {
  readonly context: EncryptContext;
  readonly headers: Headers;
  /** Ciphertext and tag, a view of the input; `undefined` when it is detached. */
  readonly ciphertext: Uint8Array | undefined;
  /** Of the recipient, in a COSE_Encrypt. */
  readonly recipient: Headers | undefined;
}

/**
 * Reads a COSE_Encrypt0 or COSE_Encrypt, tagged or not.
 * @throws SealwireError `CBOR_INVALID`, `COSE_INVALID`, `COSE_UNSUPPORTED`
 */
export function decodeEncrypted(bytes: Uint8Array): COSEEncrypted {
  const reader = new CBORReader(bytes);
  const tag = reader.tag();
  const count = reader.array();
  const expected = tag === TAG_ENCRYPT0 ? 3 : tag === TAG_ENCRYPT ? 4 : tag === undefined ? count : 0;
  if (count !== expected || (count !== 3 && count !== 4)) throw invalid("it is not an encrypted one");
  const headers = Headers.read(reader);
  const ciphertext = reader.bytesOrNull() ?? undefined;
  const recipient = count === 4 ? readRecipient(reader) : undefined;
  reader.finish();
  return { context: count === 3 ? "Encrypt0" : "Encrypt", headers, ciphertext, recipient };
}

/** RFC 9052 section 8.5.1: one recipient alone, without a protected bucket and ciphertext. */
function readRecipient(reader: CBORReader): Headers {
  if (reader.array() !== 1 || reader.array() !== 3)
    throw new SealwireError("COSE_UNSUPPORTED", "The COSE object has recipients that are not known here.");
  const headers = Headers.read(reader);
  const encryptedKey = reader.bytesOrNull();
  if (headers.unprotected.get(HEADER.algorithm) !== DIRECT)
    throw new SealwireError("COSE_UNSUPPORTED", "The COSE object wraps its key in a way that is not known here.");
  if (headers.protected.size > 0 || (encryptedKey?.byteLength ?? 0) > 0)
    throw invalid("a direct recipient has a protected header or a key");
  return headers;
}

/** The bytes of {@link writeEncStructure}. */
export function encStructureLength(
  context: EncryptContext,
  protectedBytes: Uint8Array,
  externalLength: number,
): number {
  return 1 + textLength(context) + bytesLength(protectedBytes.byteLength) + bytesLength(externalLength);
}

/**
 * Writes the Enc_structure (RFC 9052 section 5.3) as far as the head of the external data, whose `externalLength` bytes the caller
 * writes next.
 */
export function writeEncStructure(
  writer: CBORWriter,
  context: EncryptContext,
  protectedBytes: Uint8Array,
  externalLength: number,
): void {
  writer.array(3).text(context).bytes(protectedBytes).head(MAJOR.bytes, externalLength);
}

/** The Enc_structure: what is authenticated beside the content. */
export function encStructure(context: EncryptContext, protectedBytes: Uint8Array, external: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(encStructureLength(context, protectedBytes, external.byteLength));
  const writer = new CBORWriter(bytes);
  writeEncStructure(writer, context, protectedBytes, external.byteLength);
  writer.raw(external);
  return bytes;
}

/**
 * The nonce (RFC 9052 section 3.1): the Partial IV, padded on the left with zeros, XOR the Context IV. Written to `nonce`, which has the
 * length of the Context IV.
 * @throws SealwireError `COSE_INVALID` when the Partial IV is longer
 */
export function writeNonce(nonce: Uint8Array, partialIV: Uint8Array, contextIV: Uint8Array): void {
  const shift = contextIV.byteLength - partialIV.byteLength;
  if (shift < 0) throw invalid("its Partial IV is too long");
  nonce.set(contextIV);
  for (let i = 0; i < partialIV.byteLength; i++) nonce[shift + i]! ^= partialIV[i]!;
}

export interface DecryptOptions {
  readonly crypto: Pick<Crypto, "decrypt">;
  readonly key: Key;
  /** Needed for an object with a Partial IV. */
  readonly contextIV?: Uint8Array | undefined;
  readonly externalData?: Uint8Array | undefined;
  /** Ciphertext and tag, when they are detached. Changed in place. */
  readonly detached?: Uint8Array | undefined;
}

/**
 * Verifies and decrypts in place.
 * @returns the content, a view of the ciphertext
 * @throws SealwireError `CRYPTO_AUTHENTICATION_FAILED`; `COSE_INVALID`, `COSE_UNSUPPORTED`
 */
export function decryptCOSE(object: COSEEncrypted, options: DecryptOptions): Uint8Array {
  const { context, headers } = object;
  const algorithm = contentAlgorithm(headers.get(HEADER.algorithm));
  const ciphertext = object.ciphertext ?? options.detached;
  if (ciphertext === undefined) throw invalid("its ciphertext is detached");
  if (ciphertext.byteLength < algorithm.tagLength) throw invalid("its ciphertext is shorter than its tag");
  const data = ciphertext.subarray(0, ciphertext.byteLength - algorithm.tagLength);
  options.crypto.decrypt(
    {
      algorithm: algorithm.aead,
      key: options.key,
      nonce: nonceOf(headers, algorithm.nonceLength, options.contextIV),
      additionalData: encStructure(context, headers.protectedBytes, options.externalData ?? new Uint8Array(0)),
      data,
    },
    ciphertext.subarray(data.byteLength),
  );
  return data;
}

function nonceOf(headers: Headers, byteLength: number, contextIV: Uint8Array | undefined): Uint8Array {
  const iv = headers.bytes(HEADER.iv);
  if (iv !== undefined) {
    if (iv.byteLength !== byteLength) throw invalid("its IV has a wrong length");
    return iv;
  }
  const partialIV = headers.bytes(HEADER.partialIV);
  if (partialIV === undefined || contextIV?.byteLength !== byteLength)
    throw invalid("it has no IV, or a Partial IV for which there is no Context IV");
  const nonce = new Uint8Array(byteLength);
  writeNonce(nonce, partialIV, contextIV);
  return nonce;
}

export interface EncryptOptions {
  readonly crypto: Pick<Crypto, "encrypt">;
  readonly key: Key;
  /** Name the algorithm, and the IV or a Partial IV. */
  readonly protected: CBORMap;
  readonly unprotected: CBORMap;
  /** Needed with a Partial IV. */
  readonly contextIV?: Uint8Array | undefined;
  readonly externalData?: Uint8Array | undefined;
  /** Whether the tag of the object's kind stands before it. */
  readonly tagged?: boolean | undefined;
}

/**
 * Makes a COSE_Encrypt0. The content is copied once, into the object, and encrypted there.
 * @throws SealwireError `COSE_INVALID`, `COSE_UNSUPPORTED`
 */
export function encryptCOSE(content: Uint8Array, options: EncryptOptions): Uint8Array {
  const headers = new Headers(options.protected, options.unprotected);
  const algorithm = contentAlgorithm(headers.get(HEADER.algorithm));
  if (content.byteLength > algorithm.maximumLength) throw invalid("its content is too long for the algorithm");
  const unprotected = encodeCBOR(options.unprotected);
  const { protectedBytes } = headers;
  const sealedLength = content.byteLength + algorithm.tagLength;
  const tagged = options.tagged === true ? 1 : 0;
  const bytes = new Uint8Array(
    tagged +
      1 +
      bytesLength(protectedBytes.byteLength) +
      unprotected.byteLength +
      headLength(sealedLength) +
      sealedLength,
  );
  const writer = new CBORWriter(bytes);
  if (tagged) writer.head(MAJOR.tag, TAG_ENCRYPT0);
  writer.array(3).bytes(protectedBytes).raw(unprotected).head(MAJOR.bytes, sealedLength).raw(content);
  const data = bytes.subarray(writer.offset - content.byteLength, writer.offset);
  const tag = options.crypto.encrypt(
    {
      algorithm: algorithm.aead,
      key: options.key,
      nonce: nonceOf(headers, algorithm.nonceLength, options.contextIV),
      additionalData: encStructure("Encrypt0", protectedBytes, options.externalData ?? new Uint8Array(0)),
      data,
    },
    algorithm.tagLength,
  );
  writer.raw(tag);
  return bytes;
}
