/** Cryptographic primitives by `node:crypto` (OpenSSL). */
import {
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  createSecretKey,
  diffieHellman,
  generateKeyPairSync,
  hkdfSync,
  type KeyObject,
  pbkdf2Sync,
  randomBytes,
  sign,
  verify,
} from "node:crypto";
import { SealwireError } from "../../../src/errors.js";
import type { CertificateInfo, Crypto, Hash, Key } from "../../../src/platform.js";
import { decrypt, encrypt } from "./aead.js";
import { readCertificate, requireOpenSSL } from "../x509/certificate.js";
import { createCertificateRequest } from "./certificate-request.js";
import { keyObject, NodeKey, secretKey } from "./key.js";

const hash = "sha256";
/** 255 blocks of 32 bytes (RFC 5869 section 2.3). */
const maximumHKDFLength = 8160;
/** OpenSSL takes no more. */
const maximumInfoLength = 1024;
const signatureLength = 64;

export function createCrypto(): Crypto {
  return {
    random: (byteLength) => toPlain(randomBytes(checkLength(byteLength, 0, 65_536))),
    sha256: () => new NodeHash(),
    hmac: (key, data) => toPlain(createHmac(hash, keyObject(key, "secret")).update(data).digest()),
    deriveKey: (key, salt, info, byteLength) => secretKey(hkdf(key, salt, info, byteLength)),
    deriveBytes: hkdf,
    pbkdf2,
    encrypt,
    decrypt,
    importKey,
    generateKey: () => new NodeKey(generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey),
    exportPrivateKey: (key) => toPlain(p256(key, "private").export({ type: "pkcs8", format: "der" })),
    publicKey: (key) => toPlain(createPublicKey(keyObject(key, "private")).export({ type: "spki", format: "der" })),
    sign: (key, data) => toPlain(sign(hash, data, { key: p256(key, "private"), dsaEncoding: "ieee-p1363" })),
    verify: (key, data, signature) => {
      const options = { key: p256(key, "public"), dsaEncoding: "ieee-p1363" } as const;
      return signature.byteLength === signatureLength && verify(hash, data, options, signature);
    },
    agree: (key, peer) =>
      secretKey(diffieHellman({ privateKey: p256(key, "private"), publicKey: p256(peer, "public") })),
    certificateRequest: createCertificateRequest,
    certificate,
  };
}

class NodeHash implements Hash {
  readonly #hash = createHash(hash);
  #ended = false;

  update(data: Uint8Array): this {
    this.#check();
    this.#hash.update(data);
    return this;
  }

  digest(): Uint8Array {
    this.#check();
    this.#ended = true;
    return toPlain(this.#hash.digest());
  }

  #check(): void {
    if (this.#ended) throw new SealwireError("INVALID_STATE", "The hash has ended.");
  }
}

function hkdf(key: Key, salt: Uint8Array, info: Uint8Array, byteLength: number): Uint8Array {
  const secret = keyObject(key, "secret");
  checkLength(byteLength, 1, maximumHKDFLength);
  if (info.byteLength > maximumInfoLength)
    throw new SealwireError("CRYPTO_INVALID", `The info of a key derivation is limited to ${maximumInfoLength} bytes.`);
  return new Uint8Array(hkdfSync(hash, secret, salt, info, byteLength));
}

function pbkdf2(password: Key, salt: Uint8Array, iterations: number, byteLength: number): Key {
  const bytes = keyObject(password, "secret").export();
  try {
    checkLength(iterations, 1, 0x7fffffff, "number of iterations");
    return secretKey(pbkdf2Sync(bytes, salt, iterations, checkLength(byteLength, 1, maximumHKDFLength), hash));
  } finally {
    bytes.fill(0);
  }
}

function importKey(type: Key["type"], bytes: Uint8Array): Key {
  const key = Buffer.from(bytes);
  try {
    switch (type) {
      case "secret":
        return new NodeKey(createSecretKey(key));
      case "public":
        return new NodeKey(createPublicKey({ key, format: "der", type: "spki" }));
      case "private":
        return new NodeKey(importPrivateKey(key));
      default:
        throw new SealwireError("INVALID_ARGUMENT", "The type of a key is secret, private or public.");
    }
  } catch (error) {
    if (error instanceof SealwireError) throw error;
    // OpenSSL's own message may quote what it read: no cause.
    throw new SealwireError("CRYPTO_INVALID", `This is not a ${type} key that can be read (DER).`);
  } finally {
    key.fill(0);
  }
}

function importPrivateKey(key: Buffer): KeyObject {
  let object;
  try {
    object = createPrivateKey({ key, format: "der", type: "pkcs8" });
  } catch {
    object = createPrivateKey({ key, format: "der", type: "sec1" });
  }
  // OpenSSL takes any number for a scalar; FIPS 186-5 has 1 to n - 1.
  if (object.asymmetricKeyDetails?.namedCurve === "prime256v1") {
    const scalar = Buffer.from(object.export({ format: "jwk" }).d ?? "", "base64url");
    const order = Buffer.from("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551", "hex");
    const outside = scalar.every((byte) => byte === 0) || Buffer.compare(scalar, order) >= 0;
    scalar.fill(0);
    if (outside) throw new SealwireError("CRYPTO_INVALID", "This private key is no number that P-256 has.");
  }
  return object;
}

function certificate(der: Uint8Array): CertificateInfo {
  const read = readCertificate(der);
  requireOpenSSL(read);
  const { notBefore, notAfter, serialNumber, commonName, dnsNames, ipAddresses, publicKey } = read;
  return { notBefore, notAfter, serialNumber, commonName, dnsNames, ipAddresses, publicKey: publicKey.slice() };
}

/** A key on the curve P-256. */
function p256(key: Key, type: "private" | "public"): KeyObject {
  const object = keyObject(key, type);
  if (object.asymmetricKeyType !== "ec" || object.asymmetricKeyDetails?.namedCurve !== "prime256v1")
    throw new SealwireError("CRYPTO_INVALID", "A key on the curve P-256 is needed here.");
  return object;
}

function checkLength(value: number, minimum: number, maximum: number, what = "number of bytes"): number {
  if (!Number.isInteger(value) || value < minimum || value > maximum)
    throw new SealwireError("CRYPTO_INVALID", `The ${what} must be ${minimum} to ${maximum}.`);
  return value;
}

/** A Buffer may share a pool with others; what leaves here is memory of its own. */
function toPlain(bytes: Uint8Array): Uint8Array {
  const plain = new Uint8Array(bytes);
  bytes.fill(0);
  return plain;
}
