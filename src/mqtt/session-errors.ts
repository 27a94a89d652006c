/** Errors that several parts of a session report. */
import { SealwireError } from "../errors.js";

export function expired(): SealwireError {
  return new SealwireError("MQTT_MESSAGE_EXPIRED", "The message expired before it was sent.");
}

export function publicationRefused(reasonCode: number): SealwireError {
  return new SealwireError(
    "MQTT_REQUEST_REFUSED",
    `The server refused the publication with reason code 0x${reasonCode.toString(16)}.`,
    { reasonCode },
  );
}

export function closed(): SealwireError {
  return new SealwireError("CLOSED", "The session is closed.");
}

/** @param name of a packet that ends the other QoS's exchange */
export function wrongPacket(name: string): SealwireError {
  return new SealwireError(
    "MQTT_PROTOCOL_ERROR",
    `The server answered a publication with ${name}, which is not of its QoS.`,
    { reasonCode: 0x82 },
  );
}

export function withoutQoS2(): SealwireError {
  return new SealwireError(
    "UNSUPPORTED",
    "The server took the message with QoS 1: it was delivered, perhaps more than once. Publish to this server with QoS 1.",
  );
}
