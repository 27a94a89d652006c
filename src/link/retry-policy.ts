/** What a failure says about when to try again. */
import type { ErrorCode, SealwireError } from "../errors.js";

/**
 * - `interface`: the device's own network came back; nobody else is affected, so it may be quick, however often it flaps.
 * - `local`: the cause lies in the device or what it needs to find the server (its resolver); trying soon harms no server.
 * - `spread`: the server or the way to it failed, so the whole fleet may be affected: it must not come back all at once.
 * - `busy`: the server said that it has too much to do: as `spread`, and from the widest window at once.
 * - `slow`: the server, or the device itself, refused for a reason that time alone will not heal.
 */
export type RetryPolicy = "interface" | "local" | "spread" | "busy" | "slow";

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

const busy: readonly ErrorCode[] = ["MQTT_SERVER_UNAVAILABLE", "MQTT_QUOTA_EXCEEDED"];

/** @param wasConnected whether the connection that ended had been accepted by the server */
export function retryPolicy(error: SealwireError | undefined, wasConnected: boolean): RetryPolicy {
  if (error === undefined) return "spread";
  if (slow.includes(error.code)) return "slow";
  if (busy.includes(error.code)) return "busy";
  if (error.code === "NETWORK_DOWN") return "interface";
  // A server that does not answer, or hangs up in the handshake, may well have a fleet at its door: only a name that is not found is not its affair.
  return !wasConnected && error.code === "NAME_NOT_RESOLVED" ? "local" : "spread";
}
