/** What a failure says about when to try again. */
import type { ErrorCode, SealwireError } from "../errors.js";

/**
 * - `local`: the cause lies in the device or its own network; nobody else is affected, so trying soon harms nobody.
 * - `spread`: the server or the way to it failed, so the whole fleet may be affected: it must not come back all at once.
 * - `slow`: the server, or the device itself, refused for a reason that time alone will not heal.
 */
export type RetryPolicy = "local" | "spread" | "slow";

const slow: readonly ErrorCode[] = [
  "TLS_CERTIFICATE_EXPIRED",
  "TLS_CERTIFICATE_NOT_YET_VALID",
  "TLS_CERTIFICATE_UNTRUSTED",
  "TLS_CERTIFICATE_NAME_MISMATCH",
  "TLS_CERTIFICATE_REVOKED",
  "TLS_CERTIFICATE_UNSUITABLE",
  "TLS_REVOCATION_UNKNOWN",
  "TLS_VERSION_UNSUPPORTED",
  "TLS_ALERT_RECEIVED",
  "MQTT_VERSION_REFUSED",
  "MQTT_CLIENT_ID_REFUSED",
  "MQTT_BAD_CREDENTIALS",
  "MQTT_NOT_AUTHORIZED",
  "MQTT_SERVER_MOVED",
  "MQTT_TAKEN_OVER",
  "INVALID_ARGUMENT",
  "UNSUPPORTED",
  "CRYPTO_INVALID",
];

/** Failures on this side of the server: it has not noticed that this device exists. */
const unnoticed: readonly ErrorCode[] = ["NETWORK_DOWN", "NAME_NOT_RESOLVED", "CONNECTION_LOST", "TIMEOUT"];

/** @param wasConnected whether the connection that ended had been accepted by the server */
export function retryPolicy(error: SealwireError | undefined, wasConnected: boolean): RetryPolicy {
  if (error === undefined) return "spread";
  if (slow.includes(error.code)) return "slow";
  if (error.code === "NETWORK_DOWN") return "local";
  return !wasConnected && unnoticed.includes(error.code) ? "local" : "spread";
}
