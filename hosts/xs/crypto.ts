/** Cryptography of the host: entropy only, until Mbed TLS is built in. Everything else refuses instead of pretending. */
import { SealwireError } from "../../src/errors.js";
import type { Crypto } from "../../src/platform.js";
import { random } from "./native/system.js";

export function unsupported(what: string): SealwireError {
  return new SealwireError("UNSUPPORTED", `The XS host has no ${what} yet: it is built without Mbed TLS.`);
}

const refuse = (): never => {
  throw unsupported("cryptography");
};

export function createCrypto(): Crypto {
  return {
    random(byteLength) {
      const bytes = new Uint8Array(byteLength);
      random(bytes);
      return bytes;
    },
    sha256: refuse,
    hmac: refuse,
    deriveKey: refuse,
    deriveBytes: refuse,
    pbkdf2: refuse,
    encrypt: refuse,
    decrypt: refuse,
    importKey: refuse,
    generateKey: refuse,
    exportPrivateKey: refuse,
    publicKey: refuse,
    sign: refuse,
    verify: refuse,
    agree: refuse,
    certificateRequest: refuse,
    certificate: refuse,
  };
}
