/** Client identifiers that derive from the MAC address, so that no two devices share one and none must be configured. */
import { SealwireError } from "../errors.js";
import { requireUnicast } from "./mac-address.js";

const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/** 62^9 > 2^48: nine digits hold every MAC address. */
const DIGITS = 9;

export interface ClientIdentifierOptions {
  /**
   * Put before the part that derives from the MAC, for brokers that filter by prefix. Characters 0-9, a-z, A-Z; at most 14, so
   * that the whole is at most 23 [MQTT-3.1.3-5].
   */
  readonly prefix?: string;
}

/**
 * The short client identifier: the prefix and 9 characters of [0-9A-Za-z], the MAC address in base 62. Different MAC addresses give
 * different identifiers. Every MQTT server accepts its form [MQTT-3.1.3-5].
 *
 * @param mac 6 bytes, as `Platform.mac()` gives them
 * @throws SealwireError `IDENTITY_MAC_INVALID`, or `INVALID_ARGUMENT` for the prefix
 */
export function clientIdentifier(mac: Uint8Array, { prefix = "" }: ClientIdentifierOptions = {}): string {
  requireUnicast(mac);
  if (!/^[0-9A-Za-z]{0,14}$/.test(prefix))
    throw new SealwireError(
      "INVALID_ARGUMENT",
      "The prefix of a client identifier is at most 14 characters 0-9, a-z, A-Z.",
    );
  let number = 0;
  for (const byte of mac) number = number * 256 + byte;
  let digits = "";
  for (let i = 0; i < DIGITS; i++) {
    digits = ALPHABET[number % 62]! + digits;
    number = Math.floor(number / 62);
  }
  return prefix + digits;
}
