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
