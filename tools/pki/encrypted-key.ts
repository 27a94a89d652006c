/**
 * Private keys at rest: PKCS#8 encrypted under a passphrase by PBES2 (RFC 8018 section 6.2), PBKDF2-HMAC-SHA-256 and AES-256-CBC.
 * Node's own export uses 2,048 iterations, which a graphics card tries millions of a second: so the structure is made here.
 */
import { createCipheriv, createPrivateKey, type KeyObject, pbkdf2, randomBytes } from "node:crypto";
import { promisify } from "node:util";
import { Integer, Null, ObjectIdentifier, OctetString, Sequence } from "asn1js";
import { CommandFailure, exitCodes } from "../failure.js";

/** OWASP's figure for PBKDF2-HMAC-SHA-256. About a tenth of a second on a desktop. */
const iterations = 600_000;

const oid = {
  pbes2: "1.2.840.113549.1.5.13",
  pbkdf2: "1.2.840.113549.1.5.12",
  hmacWithSHA256: "1.2.840.113549.2.9",
  aes256CBC: "2.16.840.1.101.3.4.1.42",
} as const;

/**
 * @param pkcs8 PKCS#8 DER; stays the caller's, who wipes it
 * @returns EncryptedPrivateKeyInfo DER (RFC 5958 section 3)
 */
export async function encryptPrivateKey(pkcs8: Uint8Array, passphrase: string): Promise<Uint8Array> {
  const salt = randomBytes(16);
  const iv = randomBytes(16);
  const key = await promisify(pbkdf2)(passphrase, salt, iterations, 32, "sha256");
  const cipher = createCipheriv("aes-256-cbc", key, iv);
  const encrypted = Buffer.concat([cipher.update(pkcs8), cipher.final()]);
  key.fill(0);
  const algorithm = sequence(
    new ObjectIdentifier({ value: oid.pbes2 }),
    sequence(
      sequence(
        new ObjectIdentifier({ value: oid.pbkdf2 }),
        sequence(
          octets(salt),
          new Integer({ value: iterations }),
          sequence(new ObjectIdentifier({ value: oid.hmacWithSHA256 }), new Null()),
        ),
      ),
      sequence(new ObjectIdentifier({ value: oid.aes256CBC }), octets(iv)),
    ),
  );
  return new Uint8Array(sequence(algorithm, octets(encrypted)).toBER());
}

/**
 * Reads a private key in PEM form, encrypted or not.
 * @param file names it in errors
 * @param passphrase asked for only when the key is encrypted
 * @throws CommandFailure with exit code 3; never quotes what is in the file
 */
export async function readPrivateKey(file: string, pem: string, passphrase: () => Promise<string>): Promise<KeyObject> {
  const isEncrypted = /-----BEGIN ENCRYPTED PRIVATE KEY-----|^Proc-Type: 4,ENCRYPTED/m.test(pem);
  const secret = isEncrypted ? await passphrase() : undefined;
  try {
    return createPrivateKey(secret === undefined ? pem : { key: pem, format: "pem", passphrase: secret });
  } catch {
    // The cause is left out: it might quote what is in the file.
    throw new CommandFailure(
      exitCodes.environment,
      isEncrypted ? "CRYPTO_AUTHENTICATION_FAILED" : "CRYPTO_INVALID",
      isEncrypted
        ? `The passphrase for ${file} is wrong, or the file is damaged.`
        : `${file} holds no private key in PEM form.`,
    );
  }
}

function sequence(...value: (Sequence | ObjectIdentifier | OctetString | Integer | Null)[]): Sequence {
  return new Sequence({ value });
}

function octets(bytes: Uint8Array): OctetString {
  return new OctetString({ valueHex: bytes });
}
