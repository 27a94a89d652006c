/* Native functions and classes: what they do is said in crypto.d.ts. */
export class NativeKey @ "xs_key_destructor" {
  constructor() @ "xs_key";
  close() @ "xs_key_close";
}

export class NativeHash @ "xs_hash_destructor" {
  constructor() @ "xs_hash";
  begin() @ "xs_hash_begin";
  update(data) @ "xs_hash_update";
  digest() @ "xs_hash_digest";
}

export function importKey(into, type, bytes) @ "xs_crypto_import";
export function generateKey(into) @ "xs_crypto_generate";
export function exportPrivateKey(key) @ "xs_crypto_export";
export function publicKey(key) @ "xs_crypto_public";
export function random(into) @ "xs_crypto_random";
export function hmac(key, data) @ "xs_crypto_hmac";
export function deriveKey(into, key, salt, info, byteLength) @ "xs_crypto_derive_key";
export function deriveBytes(into, key, salt, info) @ "xs_crypto_derive_bytes";
export function pbkdf2(into, password, salt, iterations, byteLength) @ "xs_crypto_pbkdf2";
export function encrypt(algorithm, key, nonce, additionalData, data, tag) @ "xs_crypto_encrypt";
export function decrypt(algorithm, key, nonce, additionalData, data, tag) @ "xs_crypto_decrypt";
export function sign(key, data) @ "xs_crypto_sign";
export function verify(key, data, signature) @ "xs_crypto_verify";
export function agree(into, key, peer) @ "xs_crypto_agree";
export function certificateRequest(key, commonName, dnsNames) @ "xs_crypto_request";
export function certificate(der) @ "xs_crypto_certificate";
