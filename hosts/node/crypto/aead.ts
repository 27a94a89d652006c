/** Authenticated encryption in place with a detached tag: AES-GCM and AES-CCM (NIST SP 800-38D and SP 800-38C). */
import { createCipheriv, createDecipheriv, type KeyObject } from "node:crypto";
import { SealwireError } from "../../../src/errors.js";
import type { AEADOptions } from "../../../src/platform.js";
import { keyObject } from "./key.js";

export function encrypt(options: AEADOptions, tagLength = 16): Uint8Array {
  const key = check(options, tagLength);
  const { nonce, data, additionalData } = options;
  // The two overloads of node:crypto differ in types only.
  const cipher = createCipheriv(cipherName(options, key) as "aes-128-ccm", key, nonce, { authTagLength: tagLength });
  if (additionalData !== undefined) cipher.setAAD(additionalData, { plaintextLength: data.byteLength });
  const ciphertext = cipher.update(input(data));
  cipher.final();
  data.set(ciphertext);
  return new Uint8Array(cipher.getAuthTag());
}

export function decrypt(options: AEADOptions, tag: Uint8Array): void {
  const key = check(options, tag.byteLength);
  const { nonce, data, additionalData } = options;
  const authTagLength = tag.byteLength;
  const decipher = createDecipheriv(cipherName(options, key) as "aes-128-ccm", key, nonce, { authTagLength });
  decipher.setAuthTag(tag);
  if (additionalData !== undefined) decipher.setAAD(additionalData, { plaintextLength: data.byteLength });
  try {
    const plaintext = decipher.update(input(data));
    decipher.final();
    data.set(plaintext);
    plaintext.fill(0);
  } catch {
    data.fill(0);
    throw new SealwireError(
      "CRYPTO_AUTHENTICATION_FAILED",
      "The authentication tag does not match: the key is another one or the data was changed.",
    );
  }
}

/** An empty array may have no memory at all, which AES-CCM of OpenSSL takes for the end of the call. */
function input(data: Uint8Array): Uint8Array {
  return data.byteLength === 0 ? new Uint8Array(1).subarray(0, 0) : data;
}

function cipherName({ algorithm }: AEADOptions, key: KeyObject): string {
  return `aes-${8 * key.symmetricKeySize!}-${algorithm === "AES-CCM" ? "ccm" : "gcm"}`;
}

function check({ algorithm, key, nonce, data }: AEADOptions, tagLength: number): KeyObject {
  const object = keyObject(key, "secret");
  const isCCM = algorithm === "AES-CCM";
  if (!isCCM && (algorithm as string) !== "AES-GCM") throw invalid("The algorithm must be AES-GCM or AES-CCM.");
  if (object.symmetricKeySize !== 16 && object.symmetricKeySize !== 32)
    throw invalid("The key must have 16 or 32 bytes.");
  if (isCCM ? nonce.byteLength < 7 || nonce.byteLength > 13 : nonce.byteLength !== 12)
    throw invalid(`The nonce must have ${isCCM ? "7 to 13" : "12"} bytes for ${algorithm}.`);
  if (tagLength !== 16 && !(isCCM && tagLength === 8))
    throw invalid(`A tag of ${tagLength} bytes is not allowed here.`);
  // SP 800-38C: the length of the data must fit into 15 bytes less the nonce.
  if (isCCM && data.byteLength >= 2 ** (8 * (15 - nonce.byteLength)))
    throw invalid("The data is too long for a nonce of this length.");
  return object;
}

function invalid(message: string): SealwireError {
  return new SealwireError("CRYPTO_INVALID", message);
}
