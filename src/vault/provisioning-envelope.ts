/**
 * The provisioning record encrypted to a one-time code: what lies on a disk at the factory, or travels with the device, is of no use to who finds it.
 *
 * CBOR map: 0 format (2), 1 salt (16 bytes), 2 iterations, 3 nonce (12 bytes), 4 the record under AES-256-GCM, tag at its end. The key is
 * PBKDF2-HMAC-SHA-256(code, salt, iterations); the additional data is the map without 4. Salt and nonce are fresh for each record.
 *
 * The tools draw codes of 100 bits, which nobody can try; the iterations make up for shorter ones that a person chose.
 */
import { concat, toUTF8, wipe } from "../bytes.js";
import { decodeCBOR, encodeCBOR, MAJOR, type CBORMap } from "../cbor/index.js";
import { SealwireError } from "../errors.js";
import type { Crypto, Key } from "../platform.js";

const FORMAT = 2;
const SALT = 16;
const NONCE = 12;
const TAG = 16;
/** About two seconds on the slowest chip. */
const ITERATIONS = 10_000;
/** More would stop a chip for half a minute: no tool of ours asks for it. */
const MAXIMUM_ITERATIONS = 100_000;

const KEY = { format: 0, salt: 1, iterations: 2, nonce: 3, content: 4 } as const;

/**
 * @param record an encoded provisioning record; stays the caller's, who wipes it
 * @param code at least 16 letters and digits; case, spaces and hyphens do not matter
 * @throws SealwireError `CREDENTIALS_WEAK` for a shorter code
 */
export function lockProvisioningRecord(crypto: Crypto, record: Uint8Array, code: string): Uint8Array {
  if (normal(code).length < 16)
    throw new SealwireError(
      "CREDENTIALS_WEAK",
      "The one-time code is refused: it has fewer than 16 letters and digits.",
    );
  const salt = crypto.random(SALT);
  const nonce = crypto.random(NONCE);
  const map: CBORMap = new Map<number, number | Uint8Array>([
    [KEY.format, FORMAT],
    [KEY.salt, salt],
    [KEY.iterations, ITERATIONS],
    [KEY.nonce, nonce],
  ]);
  const data = record.slice();
  const key = keyOf(crypto, code, salt, ITERATIONS);
  try {
    const tag = crypto.encrypt({ algorithm: "AES-GCM", key, nonce, additionalData: encodeCBOR(map), data });
    map.set(KEY.content, concat(data, tag));
  } finally {
    key.close();
  }
  return encodeCBOR(map);
}

/**
 * What a provisioning partition holds, decrypted where it is encrypted; other bytes are given back as they are.
 * @returns bytes for the caller to wipe
 * @throws SealwireError `PROVISIONING_LOCKED` when the code is missing or wrong; `PROVISIONING_INVALID` for a damaged envelope
 */
export function unlockProvisioningRecord(crypto: Crypto, bytes: Uint8Array, code: string | undefined): Uint8Array {
  const map = envelopeOf(bytes);
  if (map === undefined) return bytes;
  const [salt, iterations, nonce, content] = [KEY.salt, KEY.iterations, KEY.nonce, KEY.content].map((key) =>
    map.get(key),
  );
  if (
    !isBytes(salt, SALT) ||
    !isBytes(nonce, NONCE) ||
    !(content instanceof Uint8Array && content.byteLength > TAG) ||
    !(typeof iterations === "number" && iterations > 0 && iterations <= MAXIMUM_ITERATIONS)
  )
    throw new SealwireError("PROVISIONING_INVALID", "The encrypted provisioning record is damaged.");
  if (code === undefined)
    throw new SealwireError(
      "PROVISIONING_LOCKED",
      "The provisioning record is encrypted: its one-time code is needed.",
    );
  map.delete(KEY.content);
  const data = content.slice(0, content.byteLength - TAG);
  const tag = content.subarray(content.byteLength - TAG);
  const key = keyOf(crypto, code, salt, iterations);
  try {
    crypto.decrypt({ algorithm: "AES-GCM", key, nonce, additionalData: encodeCBOR(map), data }, tag);
  } catch (error) {
    const message = "The one-time code does not open the provisioning record: it is wrong, or the record is damaged.";
    throw new SealwireError("PROVISIONING_LOCKED", message, { cause: error });
  } finally {
    key.close();
  }
  return data;
}

/** @returns `undefined` for what is no envelope; a record in the clear is not even decoded, since that would copy its secrets */
function envelopeOf(bytes: Uint8Array): CBORMap | undefined {
  // A short map whose first entry is the format, as the deterministic encoding has it.
  if (bytes[0]! >> 5 !== MAJOR.map || bytes[1] !== KEY.format || bytes[2] !== FORMAT) return undefined;
  try {
    return decodeCBOR(bytes) as CBORMap;
  } catch {
    return new Map();
  }
}

function keyOf(crypto: Crypto, code: string, salt: Uint8Array, iterations: number): Key {
  const bytes = toUTF8(normal(code));
  const password = crypto.importKey("secret", bytes);
  wipe(bytes);
  try {
    return crypto.pbkdf2(password, salt, iterations, 32);
  } finally {
    password.close();
  }
}

/** As people write codes down: O for 0, I or L for 1 (Crockford's base 32). */
function normal(code: string): string {
  return code
    .toUpperCase()
    .replace(/[^0-9A-Z]/g, "")
    .replace(/O/g, "0")
    .replace(/[IL]/g, "1");
}

function isBytes(value: unknown, byteLength: number): value is Uint8Array {
  return value instanceof Uint8Array && value.byteLength === byteLength;
}
