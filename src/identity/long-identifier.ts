/**
 * Client identifiers beyond the 23 letters and digits that every server accepts: UUIDs and serial numbers. A server may refuse them
 * [MQTT-3.1.3-6]; the brokers in use take them.
 */
import { concat, toHex, toUTF8 } from "../bytes.js";
import { SealwireError } from "../errors.js";
import type { Crypto, Key } from "../platform.js";
import { requireUnicast } from "./mac-address.js";

/** RFC 5280 appendix A.1, ub-common-name: the identifier must fit into the subject of a certificate. */
const MAXIMUM_LENGTH = 64;
const MAXIMUM_UUID_PREFIX = MAXIMUM_LENGTH - 36;

/** The first 48 bits of the unkeyed form: ASCII "sealwi". They tell these UUIDs from other people's version 8. */
const NAMESPACE = [0x73, 0x65, 0x61, 0x6c, 0x77, 0x69] as const;
const LABEL = "sealwire uuid 1";

export interface UUIDIdentifierOptions {
  /** Put before the UUID, for brokers that filter by prefix: at most 28 of 0-9, a-z, A-Z, `-`, `_`, `.`, `:`. */
  readonly prefix?: string;
  /**
   * A secret that makes the UUID say nothing of the MAC address. With one key for the fleet, the back end can compute the identifier of
   * every device; the key must stay the same for the life of the device, or it becomes another one to the broker.
   */
  readonly keyed?: { readonly crypto: Pick<Crypto, "hmac">; readonly key: Key } | undefined;
}

/**
 * A UUID as client identifier, 36 characters after the prefix.
 *
 * Version 8 (RFC 9562 section 5.8), the one for layouts of one's own: versions 1 and 6 hold a time that a device at first boot does not know,
 * 4 and 7 are random and would have to be stored, 3 and 5 need MD5 or SHA-1. Without a key the last 12 digits are the MAC address,
 * so that different devices cannot share one; with a key 122 bits are HMAC-SHA-256(key, "sealwire uuid 1" and the MAC address): two of a
 * fleet of a million share one with a probability below 2^-82.
 *
 * @param mac 6 bytes, as `Platform.mac()` gives them
 * @throws SealwireError `IDENTITY_MAC_INVALID`, or `INVALID_ARGUMENT` for the prefix
 */
export function uuidIdentifier(mac: Uint8Array, { prefix = "", keyed }: UUIDIdentifierOptions = {}): string {
  requireUnicast(mac);
  if (prefix.length > MAXIMUM_UUID_PREFIX || !isPlain(prefix))
    throw invalid(`The prefix of a UUID is at most ${MAXIMUM_UUID_PREFIX} characters`);
  const bytes = new Uint8Array(16);
  if (keyed) bytes.set(keyed.crypto.hmac(keyed.key, concat(toUTF8(LABEL), mac)).subarray(0, 16));
  else {
    bytes.set(NAMESPACE);
    bytes.set(mac, 10);
  }
  bytes[6] = 0x80 | (bytes[6]! & 0x0f);
  bytes[8] = 0x80 | (bytes[8]! & 0x3f);
  const hex = toHex(bytes);
  const groups = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)];
  return prefix + groups.join("-");
}

/**
 * A serial number as client identifier. That no two devices have the same is up to whoever numbers them.
 * @param serial 1 to 64 characters with the prefix: 0-9, a-z, A-Z, `-`, `_`, `.`, `:`; nothing that means something in a topic
 * @throws SealwireError `INVALID_ARGUMENT`
 */
export function serialIdentifier(serial: string, { prefix = "" }: { readonly prefix?: string } = {}): string {
  const identifier = prefix + serial;
  if (serial.length === 0 || identifier.length > MAXIMUM_LENGTH || !isPlain(identifier))
    throw invalid(`A serial number with its prefix is 1 to ${MAXIMUM_LENGTH} characters`);
  return identifier;
}

function isPlain(text: string): boolean {
  return /^[0-9A-Za-z._:-]*$/.test(text);
}

function invalid(what: string): SealwireError {
  return new SealwireError("INVALID_ARGUMENT", `${what}: digits, letters, hyphen, underscore, dot, colon.`);
}
