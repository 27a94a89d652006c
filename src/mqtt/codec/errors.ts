/** The errors that wrong bytes from the peer lead to. Each ends the connection (MQTT 5.0 section 4.13). */
import { SealwireError } from "../../errors.js";
import { REASON_MALFORMED_PACKET, REASON_PACKET_TOO_LARGE, REASON_PROTOCOL_ERROR } from "./constants.js";

/** The bytes cannot be parsed. */
export function malformed(detail: string, reasonCode = REASON_MALFORMED_PACKET): SealwireError {
  return new SealwireError("MQTT_MALFORMED_PACKET", `The peer sent a malformed MQTT packet: ${detail}.`, {
    reasonCode,
  });
}

/** The packet can be parsed, but is not allowed here. */
export function protocolError(detail: string, reasonCode = REASON_PROTOCOL_ERROR): SealwireError {
  return new SealwireError("MQTT_PROTOCOL_ERROR", `The peer broke the MQTT protocol: ${detail}.`, { reasonCode });
}

/** The packet, or a part of it, is beyond a limit of this side. */
export function tooLarge(detail: string): SealwireError {
  return new SealwireError("MQTT_PACKET_TOO_LARGE", `The peer sent more than this side accepts: ${detail}.`, {
    reasonCode: REASON_PACKET_TOO_LARGE,
  });
}

/** An argument of the caller is wrong. */
export function invalidArgument(sentence: string): SealwireError {
  return new SealwireError("INVALID_ARGUMENT", sentence);
}
