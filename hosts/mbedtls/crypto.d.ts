/**
 * Native functions of the cryptography. None throws. A number as answer is a status, 0 or one of `status.h`; what else they make comes
 * as an ArrayBuffer, or is put into the object that is their first argument. A key is checked to be one of this host, whatever JavaScript hands over.
 */
import type { Key } from "../../src/platform.js";

export type Status = number;
export type Answer = ArrayBuffer | Status;

/** The handle of a key. Empty, until one of the functions below puts a key into it; an empty handle is like a closed one. */
export class NativeKey {
  close(): void;
}

/** A SHA-256. */
export class NativeHash {
  begin(): Status;
  update(data: Uint8Array): Status;
  digest(): Answer;
}

/** `type` is 0 for a secret, 1 for a private, 2 for a public key. */
export function importKey(into: NativeKey, type: number, bytes: Uint8Array): Status;
export function generateKey(into: NativeKey): Status;
export function exportPrivateKey(key: Key): Answer;
export function publicKey(key: Key): Answer;
export function random(into: Uint8Array): Status;
export function hmac(key: Key, data: Uint8Array): Answer;
export function deriveKey(into: NativeKey, key: Key, salt: Uint8Array, info: Uint8Array, byteLength: number): Status;
export function deriveBytes(into: Uint8Array, key: Key, salt: Uint8Array, info: Uint8Array): Status;
export function pbkdf2(
  into: NativeKey,
  password: Key,
  salt: Uint8Array,
  iterations: number,
  byteLength: number,
): Status;
/** In place; `algorithm` is 0 for AES-GCM, 1 for AES-CCM; `encrypt` fills `tag`. A failure leaves zeros in `data`. */
export function encrypt(
  algorithm: number,
  key: Key,
  nonce: Uint8Array,
  additionalData: Uint8Array | undefined,
  data: Uint8Array,
  tag: Uint8Array,
): Status;
export function decrypt(
  algorithm: number,
  key: Key,
  nonce: Uint8Array,
  additionalData: Uint8Array | undefined,
  data: Uint8Array,
  tag: Uint8Array,
): Status;
export function sign(key: Key, data: Uint8Array): Answer;
export function verify(key: Key, data: Uint8Array, signature: Uint8Array): Status;
export function agree(into: NativeKey, key: Key, peer: Key): Status;
/** Both names are UTF-8; DNS names are separated by line feeds. */
export function certificateRequest(key: Key, commonName: Uint8Array, dnsNames: Uint8Array): Answer;
/** Where things lie in a certificate: 16-bit numbers, three for each, as `certificate-info.ts` reads them. */
export function certificate(der: Uint8Array): Answer;
