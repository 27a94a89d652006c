/** COSE_Mac0 with HMAC-SHA-256 and COSE_Sign1 with ES256 (RFC 9052 sections 6.2 and 4.2), with content inside or detached. */
import { equal } from "../bytes.js";
import { SealwireError } from "../errors.js";
import type { Crypto, Key } from "../platform.js";
import { ES256, MAC_ALGORITHM } from "./algorithms.js";
import { encodeCBOR, type CBORMap, CBORReader, bytesLength, CBORWriter, textLength } from "../cbor/index.js";
import { HEADER, Headers, invalid } from "./headers.js";

const TAG = { MAC0: 17, Signature1: 18 } as const;
type Kind = keyof typeof TAG;

const EMPTY = new Uint8Array(0);

/** An authenticated object as it was read. Nothing of it is verified yet. */
export interface COSEAuthenticated {
  readonly headers: Headers;
  /** A view of the input; `undefined` when it is detached. */
  readonly content: Uint8Array | undefined;
  /** Tag or signature, a view of the input. */
  readonly proof: Uint8Array;
}

/** @throws SealwireError `CBOR_INVALID`, `COSE_INVALID`, `COSE_UNSUPPORTED` */
export function decodeMac0(bytes: Uint8Array): COSEAuthenticated {
  return decode("MAC0", bytes);
}

/** @throws SealwireError `CBOR_INVALID`, `COSE_INVALID`, `COSE_UNSUPPORTED` */
export function decodeSign1(bytes: Uint8Array): COSEAuthenticated {
  return decode("Signature1", bytes);
}

function decode(kind: Kind, bytes: Uint8Array): COSEAuthenticated {
  const reader = new CBORReader(bytes);
  const tag = reader.tag();
  if ((tag !== undefined && tag !== TAG[kind]) || reader.array() !== 4) throw invalid("it is of another kind");
  const headers = Headers.read(reader);
  const content = reader.bytesOrNull() ?? undefined;
  const proof = reader.bytes();
  reader.finish();
  return { headers, content, proof };
}

export interface VerifyOptions {
  /** Of the right kind: a secret key for Mac0, a P-256 public key for Sign1. */
  readonly key: Key;
  readonly externalData?: Uint8Array | undefined;
  /** The content, when it is detached. */
  readonly detached?: Uint8Array | undefined;
}

/** @returns the content. @throws SealwireError `CRYPTO_AUTHENTICATION_FAILED`, `COSE_INVALID`, `COSE_UNSUPPORTED` */
export function verifyMac0(
  crypto: Pick<Crypto, "hmac">,
  object: COSEAuthenticated,
  options: VerifyOptions,
): Uint8Array {
  const { headers, proof } = object;
  const content = contentOf(object, options);
  const byteLength = macLength(headers.get(HEADER.algorithm));
  const tag = crypto.hmac(options.key, structure("MAC0", headers.protectedBytes, options.externalData, content));
  if (!equal(tag.subarray(0, byteLength), proof)) throw mismatch("The tag");
  return content;
}

/** @returns the content. @throws SealwireError `CRYPTO_AUTHENTICATION_FAILED`, `COSE_INVALID`, `COSE_UNSUPPORTED` */
export function verifySign1(
  crypto: Pick<Crypto, "verify">,
  object: COSEAuthenticated,
  options: VerifyOptions,
): Uint8Array {
  const { headers, proof } = object;
  const content = contentOf(object, options);
  requireES256(headers);
  const signed = structure("Signature1", headers.protectedBytes, options.externalData, content);
  if (!crypto.verify(options.key, signed, proof)) throw mismatch("The signature");
  return content;
}

export interface AuthenticateOptions {
  /** A secret key for Mac0, a P-256 private key for Sign1. */
  readonly key: Key;
  /** Name the algorithm. */
  readonly protected: CBORMap;
  readonly unprotected: CBORMap;
  readonly externalData?: Uint8Array | undefined;
  /** Whether the content is left out of the object. */
  readonly detached?: boolean | undefined;
  /** Whether the tag of the object's kind stands before it. */
  readonly tagged?: boolean | undefined;
}

/** Makes a COSE_Mac0. @throws SealwireError `COSE_UNSUPPORTED` */
export function createMac0(
  crypto: Pick<Crypto, "hmac">,
  content: Uint8Array,
  options: AuthenticateOptions,
): Uint8Array {
  const headers = new Headers(options.protected, options.unprotected);
  const byteLength = macLength(headers.get(HEADER.algorithm));
  const tag = crypto.hmac(options.key, structure("MAC0", headers.protectedBytes, options.externalData, content));
  return encode("MAC0", headers, content, tag.subarray(0, byteLength), options);
}

/** Makes a COSE_Sign1. @throws SealwireError `COSE_UNSUPPORTED` */
export function createSign1(
  crypto: Pick<Crypto, "sign">,
  content: Uint8Array,
  options: AuthenticateOptions,
): Uint8Array {
  const headers = new Headers(options.protected, options.unprotected);
  requireES256(headers);
  const signed = structure("Signature1", headers.protectedBytes, options.externalData, content);
  return encode("Signature1", headers, content, crypto.sign(options.key, signed), options);
}

function encode(
  kind: Kind,
  headers: Headers,
  content: Uint8Array,
  proof: Uint8Array,
  { detached = false, tagged = false }: AuthenticateOptions,
): Uint8Array {
  const { protectedBytes } = headers;
  const unprotected = encodeCBOR(headers.unprotected);
  const bytes = new Uint8Array(
    (tagged ? 1 : 0) +
      1 +
      bytesLength(protectedBytes.byteLength) +
      unprotected.byteLength +
      (detached ? 1 : bytesLength(content.byteLength)) +
      bytesLength(proof.byteLength),
  );
  const writer = new CBORWriter(bytes);
  if (tagged) writer.raw(Uint8Array.of(0xc0 | TAG[kind]));
  writer.array(4).bytes(protectedBytes).raw(unprotected);
  if (detached) writer.raw(Uint8Array.of(0xf6));
  else writer.bytes(content);
  writer.bytes(proof);
  return bytes;
}

/** MAC_structure and Sig_structure (RFC 9052 sections 6.3 and 4.4) are built alike. */
function structure(
  kind: Kind,
  protectedBytes: Uint8Array,
  external: Uint8Array = EMPTY,
  content: Uint8Array,
): Uint8Array {
  const bytes = new Uint8Array(
    1 +
      textLength(kind) +
      bytesLength(protectedBytes.byteLength) +
      bytesLength(external.byteLength) +
      bytesLength(content.byteLength),
  );
  new CBORWriter(bytes).array(4).text(kind).bytes(protectedBytes).bytes(external).bytes(content);
  return bytes;
}

function contentOf(object: COSEAuthenticated, options: VerifyOptions): Uint8Array {
  const content = object.content ?? options.detached;
  if (content === undefined) throw invalid("its content is detached");
  return content;
}

function macLength(algorithm: unknown): number {
  if (algorithm === MAC_ALGORITHM["HMAC 256/256"]) return 32;
  if (algorithm === MAC_ALGORITHM["HMAC 256/64"]) return 8;
  throw new SealwireError("COSE_UNSUPPORTED", "The COSE object names no algorithm for tags that is known here.");
}

function requireES256(headers: Headers): void {
  if (headers.get(HEADER.algorithm) !== ES256)
    throw new SealwireError(
      "COSE_UNSUPPORTED",
      "The COSE object names no algorithm for signatures that is known here.",
    );
}

function mismatch(what: string): SealwireError {
  return new SealwireError(
    "CRYPTO_AUTHENTICATION_FAILED",
    `${what} of the COSE object does not match: the key is another one or the data was changed.`,
  );
}
