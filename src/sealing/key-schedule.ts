/**
 * Which key seals what: the derivation of OSCORE (RFC 8613 section 3.2.1), HKDF-SHA-256 over a master secret.
 *
 * Each sender has a key and a Context IV of its own. The ID Context takes the epoch in, and the random part that a sender draws when it does
 * not know any more which sequence numbers it has used: other bytes there, another key.
 */
import { CBORWriter, bytesLength, encodeCBOR, textLength } from "../cbor/index.js";
import type { ContentAlgorithm } from "../cose/index.js";
import { SealwireError } from "../errors.js";
import type { Crypto, Key } from "../platform.js";

/** Bytes of the random part of an ID Context. */
export const RANDOM_LENGTH = 8;
/** Longest sender identifier, in bytes. */
export const MAXIMUM_SENDER = 64;
/** The highest epoch. */
export const MAXIMUM_EPOCH = 0xffffffff;
/** The highest sequence number: the Partial IV has at most 5 bytes (RFC 8613 section 5). */
export const MAXIMUM_SEQUENCE = 0xff_ffff_ffff;

/** The first byte that is a reference. */
const REFERENCE = 0x80;

const EMPTY = new Uint8Array(0);

/** What a sender's messages are sealed under. */
export interface SenderKeys {
  readonly key: Key;
  /** Of the length of the nonce. */
  readonly contextIV: Uint8Array;
}

/** The `info` of RFC 8613 section 3.2.1. `idContext` of no length is nil. */
export function oscoreInfo(
  id: Uint8Array,
  idContext: Uint8Array,
  algorithm: number,
  type: string,
  byteLength: number,
): Uint8Array {
  const length =
    1 +
    bytesLength(id.byteLength) +
    (idContext.byteLength === 0 ? 1 : bytesLength(idContext.byteLength)) +
    (algorithm < 24 ? 1 : 2) +
    textLength(type) +
    1;
  const bytes = new Uint8Array(length + (byteLength < 24 ? 0 : 1));
  const writer = new CBORWriter(bytes).array(5).bytes(id);
  if (idContext.byteLength === 0) writer.raw(Uint8Array.of(0xf6));
  else writer.bytes(idContext);
  writer.unsigned(algorithm).text(type).unsigned(byteLength);
  return bytes;
}

export interface DeriveOptions {
  readonly crypto: Pick<Crypto, "deriveKey" | "deriveBytes">;
  readonly masterSecret: Key;
  /** None when left out. */
  readonly masterSalt?: Uint8Array | undefined;
  readonly algorithm: ContentAlgorithm;
  readonly sender: Uint8Array;
  /** Of no length: none. */
  readonly idContext: Uint8Array;
}

/** Key and Context IV of a sender. The caller closes the key. */
export function deriveSenderKeys(options: DeriveOptions): SenderKeys {
  const { crypto, masterSecret, masterSalt = EMPTY, algorithm, sender, idContext } = options;
  const { id, keyLength, nonceLength } = algorithm;
  return {
    key: crypto.deriveKey(masterSecret, masterSalt, oscoreInfo(sender, idContext, id, "Key", keyLength), keyLength),
    contextIV: crypto.deriveBytes(
      masterSecret,
      masterSalt,
      oscoreInfo(sender, idContext, id, "IV", nonceLength),
      nonceLength,
    ),
  };
}

/**
 * Key and Context IV of one stream: its sequence number goes into the `type`, since the nonces of its chunks count from 0, and so does the
 * size of its chunks. The caller closes the key.
 */
export function deriveStreamKeys(options: DeriveOptions, sequence: number, chunkSize: number): SenderKeys {
  const { crypto, masterSecret, masterSalt = EMPTY, algorithm, sender, idContext } = options;
  const { id, keyLength, nonceLength } = algorithm;
  const info = (type: string, byteLength: number): Uint8Array =>
    oscoreInfo(sender, idContext, id, `Stream ${type} ${sequence} ${chunkSize}`, byteLength);
  return {
    key: crypto.deriveKey(masterSecret, masterSalt, info("Key", keyLength), keyLength),
    contextIV: crypto.deriveBytes(masterSecret, masterSalt, info("IV", nonceLength), nonceLength),
  };
}

/**
 * The master secret of one device: HKDF of a fleet root that only the back end holds. A stolen device gives away no other.
 * @param device its sender identifier
 */
export function deriveDeviceSecret(
  crypto: Pick<Crypto, "deriveKey">,
  fleetRoot: Key,
  device: Uint8Array,
  epoch: number,
): Key {
  return crypto.deriveKey(fleetRoot, EMPTY, deviceInfo(device, epoch), 32);
}

/** The bytes of {@link deriveDeviceSecret}, to provision a device with. The caller wipes them. */
export function deriveDeviceSecretBytes(
  crypto: Pick<Crypto, "deriveBytes">,
  fleetRoot: Key,
  device: Uint8Array,
  epoch: number,
): Uint8Array {
  return crypto.deriveBytes(fleetRoot, EMPTY, deviceInfo(device, epoch), 32);
}

function deviceInfo(device: Uint8Array, epoch: number): Uint8Array {
  checkSender(device);
  checkEpoch(epoch);
  return encodeCBOR(["sealwire device secret", device, epoch]);
}

/**
 * The ID Context: the epoch in as few bytes as it takes (none for 0), then the random part, if there is one. Where it would be a single byte from 0x80 on, a
 * zero goes before it: such a byte alone is a `referenceOf`.
 */
export function encodeIDContext(epoch: number, random: Uint8Array): Uint8Array {
  let length = 0;
  for (let rest = epoch; rest > 0; rest = Math.floor(rest / 256)) length++;
  if (length === 1 && epoch >= REFERENCE && random.byteLength === 0) length = 2;
  const bytes = new Uint8Array(length + random.byteLength);
  for (let i = length - 1, rest = epoch; i >= 0; i--, rest = Math.floor(rest / 256)) bytes[i] = rest;
  bytes.set(random, length);
  return bytes;
}

/** @returns the epoch, or `undefined` when this is not an ID Context that {@link encodeIDContext} makes */
export function epochOf(idContext: Uint8Array): number | undefined {
  const { byteLength } = idContext;
  const hasRandom = byteLength >= RANDOM_LENGTH;
  const length = hasRandom ? byteLength - RANDOM_LENGTH : byteLength;
  if (length > 4 || isReference(idContext)) return undefined;
  if (length > 0 && idContext[0] === 0 && !(length === 2 && !hasRandom && idContext[1]! >= REFERENCE)) return undefined;
  let epoch = 0;
  for (let i = 0; i < length; i++) epoch = epoch * 256 + idContext[i]!;
  return epoch;
}

/** The random part of an ID Context: 8 bytes, or none. */
export function randomPartOf(idContext: Uint8Array): Uint8Array {
  return idContext.subarray(
    idContext.byteLength >= RANDOM_LENGTH ? idContext.byteLength - RANDOM_LENGTH : idContext.byteLength,
  );
}

/**
 * What stands for an ID Context with a random part that was heard before: one byte, 7 bits of it from the random part, so that a receiver that missed it
 * finds that out.
 */
export function referenceOf(random: Uint8Array): Uint8Array {
  return Uint8Array.of(random[0]! | REFERENCE);
}

export function isReference(idContext: Uint8Array): boolean {
  return idContext.byteLength === 1 && idContext[0]! >= REFERENCE;
}

export function checkSender(sender: Uint8Array): void {
  if (sender.byteLength === 0 || sender.byteLength > MAXIMUM_SENDER)
    throw new SealwireError("INVALID_ARGUMENT", `A sender identifier has 1 to ${MAXIMUM_SENDER} bytes.`);
}

export function checkEpoch(epoch: number): void {
  if (!Number.isInteger(epoch) || epoch < 0 || epoch > MAXIMUM_EPOCH)
    throw new SealwireError("INVALID_ARGUMENT", "An epoch is a whole number from 0 to 4,294,967,295.");
}
