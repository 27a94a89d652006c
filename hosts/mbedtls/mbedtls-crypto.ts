/** The cryptographic primitives of every XS host, by Mbed TLS. */
import { toUTF8 } from "../../src/bytes.js";
import { SealwireError } from "../../src/errors.js";
import type { AEADOptions, CertificateInfo, CertificateRequestOptions, Crypto, Hash, Key } from "../../src/platform.js";
import { readCertificateInfo } from "./certificate-info.js";
import { bytesOf, check, checkLength, mismatch } from "./crypto-errors.js";
import * as natives from "./crypto.js";
import { MbedTLSHash } from "./mbedtls-hash.js";
import { MbedTLSKey } from "./mbedtls-key.js";

/** 255 blocks of 32 bytes (RFC 5869 section 2.3). */
const maximumDerived = 8160;
/** RFC 5280 appendix A.1, ub-common-name. */
const maximumCommonNameLength = 64;
const wrongDerivation = `A derived key has 1 to ${maximumDerived} bytes, its info at most 1024, and 1 iteration or more.`;
const wrongLengths =
  "The key must have 16 or 32 bytes, the nonce 12 for AES-GCM and 7 to 13 for AES-CCM, the tag 16, or 8 for AES-CCM.";

/** Methods, not closures: a preloaded class lies in flash. */
export class MbedTLSCrypto implements Crypto {
  random(byteLength: number): Uint8Array {
    const bytes = new Uint8Array(checkLength(byteLength, 0, 65_536));
    check(natives.random(bytes));
    return bytes;
  }

  sha256(): Hash {
    return new MbedTLSHash();
  }

  hmac(key: Key, data: Uint8Array): Uint8Array {
    return bytesOf(natives.hmac(key, data));
  }

  deriveKey(key: Key, salt: Uint8Array, info: Uint8Array, byteLength: number): Key {
    const derived = new MbedTLSKey("secret");
    check(natives.deriveKey(derived, key, salt, info, byteLength), wrongDerivation);
    return derived;
  }

  deriveBytes(key: Key, salt: Uint8Array, info: Uint8Array, byteLength: number): Uint8Array {
    const derived = new Uint8Array(checkLength(byteLength, 1, maximumDerived));
    check(natives.deriveBytes(derived, key, salt, info), wrongDerivation);
    return derived;
  }

  pbkdf2(password: Key, salt: Uint8Array, iterations: number, byteLength: number): Key {
    const derived = new MbedTLSKey("secret");
    check(natives.pbkdf2(derived, password, salt, iterations, byteLength), wrongDerivation);
    return derived;
  }

  encrypt({ algorithm, key, nonce, data, additionalData }: AEADOptions, tagLength = 16): Uint8Array {
    const tag = new Uint8Array(tagLength === 8 ? 8 : 16);
    if (tag.byteLength !== tagLength) throw new SealwireError("CRYPTO_INVALID", wrongLengths);
    check(natives.encrypt(numberOf(algorithm), key, nonce, additionalData, data, tag), wrongLengths);
    return tag;
  }

  decrypt({ algorithm, key, nonce, data, additionalData }: AEADOptions, tag: Uint8Array): void {
    check(natives.decrypt(numberOf(algorithm), key, nonce, additionalData, data, tag), wrongLengths);
  }

  importKey(type: Key["type"], bytes: Uint8Array): Key {
    const number = type === "secret" ? 0 : type === "private" ? 1 : (type as string) === "public" ? 2 : -1;
    if (number < 0) throw new SealwireError("INVALID_ARGUMENT", "The type of a key is secret, private or public.");
    const key = new MbedTLSKey(type);
    check(natives.importKey(key, number, bytes), `This is not a ${type} key that can be read (DER).`);
    return key;
  }

  generateKey(): Key {
    const key = new MbedTLSKey("private");
    check(natives.generateKey(key));
    return key;
  }

  exportPrivateKey(key: Key): Uint8Array {
    return bytesOf(natives.exportPrivateKey(key));
  }

  publicKey(key: Key): Uint8Array {
    return bytesOf(natives.publicKey(key));
  }

  sign(key: Key, data: Uint8Array): Uint8Array {
    return bytesOf(natives.sign(key, data));
  }

  verify(key: Key, data: Uint8Array, signature: Uint8Array): boolean {
    const status = natives.verify(key, data, signature);
    if (status !== mismatch) check(status);
    return status !== mismatch;
  }

  agree(key: Key, peer: Key): Key {
    const secret = new MbedTLSKey("secret");
    check(natives.agree(secret, key, peer));
    return secret;
  }

  // A promise, as the contract has it; there is nothing to wait for.
  // eslint-disable-next-line @typescript-eslint/require-await
  async certificateRequest({ key, commonName, dnsNames = [] }: CertificateRequestOptions): Promise<Uint8Array> {
    if (commonName.length === 0 || commonName.length > maximumCommonNameLength)
      throw new SealwireError("CRYPTO_INVALID", `A common name has 1 to ${maximumCommonNameLength} characters.`);
    if (!dnsNames.every(isDNSName))
      throw new SealwireError("CRYPTO_INVALID", "A DNS name has 1 to 253 ASCII characters.");
    const request = natives.certificateRequest(key, toUTF8(commonName), toUTF8(dnsNames.join("\n")));
    return bytesOf(request, "The certificate signing request could not be made: its names are too long.");
  }

  certificate(der: Uint8Array): CertificateInfo {
    return readCertificateInfo(der);
  }
}

function numberOf(algorithm: AEADOptions["algorithm"]): number {
  if (algorithm === "AES-GCM") return 0;
  if ((algorithm as string) === "AES-CCM") return 1;
  throw new SealwireError("CRYPTO_INVALID", "The algorithm must be AES-GCM or AES-CCM.");
}

function isDNSName(name: string): boolean {
  for (let i = 0; i < name.length; i++) if (name.charCodeAt(i) < 0x21 || name.charCodeAt(i) > 0x7e) return false;
  return name.length >= 1 && name.length <= 253;
}
