/** Cryptography of the host: by Mbed TLS; where it is built without, entropy only, and everything else refuses instead of pretending. */
import { SealwireError } from "../../src/errors.js";
import type { Crypto } from "../../src/platform.js";
import { checkLength } from "../mbedtls/crypto-errors.js";
import { version } from "../mbedtls/library.js";
import { MbedTLSCrypto } from "../mbedtls/mbedtls-crypto.js";
import { random } from "./native/system.js";

export function unsupported(what: string): SealwireError {
  return new SealwireError("UNSUPPORTED", `The XS host has no ${what}: it is built without Mbed TLS.`);
}

function refuse(): never {
  throw unsupported("cryptography");
}

export function createCrypto(): Crypto {
  return version() === undefined ? new EntropyOnly() : new MbedTLSCrypto();
}

export class EntropyOnly implements Crypto {
  random(byteLength: number): Uint8Array {
    const bytes = new Uint8Array(checkLength(byteLength, 0, 65_536));
    random(bytes);
    return bytes;
  }

  sha256(): never {
    return refuse();
  }

  hmac(): never {
    return refuse();
  }

  deriveKey(): never {
    return refuse();
  }

  deriveBytes(): never {
    return refuse();
  }

  pbkdf2(): never {
    return refuse();
  }

  encrypt(): never {
    return refuse();
  }

  decrypt(): never {
    return refuse();
  }

  importKey(): never {
    return refuse();
  }

  generateKey(): never {
    return refuse();
  }

  exportPrivateKey(): never {
    return refuse();
  }

  publicKey(): never {
    return refuse();
  }

  sign(): never {
    return refuse();
  }

  verify(): never {
    return refuse();
  }

  agree(): never {
    return refuse();
  }

  certificateRequest(): never {
    return refuse();
  }

  certificate(): never {
    return refuse();
  }
}
