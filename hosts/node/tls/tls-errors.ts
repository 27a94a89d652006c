/** What goes wrong inside OpenSSL, in the words of the contract. */
import { SealwireError } from "../../../src/errors.js";

/** Names of the alerts (RFC 8446 section 6, RFC 5246 section 7.2). */
const alerts = new Map([
  [10, "unexpected_message"],
  [20, "bad_record_mac"],
  [21, "decryption_failed"],
  [22, "record_overflow"],
  [40, "handshake_failure"],
  [42, "bad_certificate"],
  [43, "unsupported_certificate"],
  [44, "certificate_revoked"],
  [45, "certificate_expired"],
  [46, "certificate_unknown"],
  [47, "illegal_parameter"],
  [48, "unknown_ca"],
  [49, "access_denied"],
  [50, "decode_error"],
  [51, "decrypt_error"],
  [70, "protocol_version"],
  [71, "insufficient_security"],
  [80, "internal_error"],
  [86, "inappropriate_fallback"],
  [90, "user_canceled"],
  [100, "no_renegotiation"],
  [109, "missing_extension"],
  [110, "unsupported_extension"],
  [112, "unrecognized_name"],
  [113, "bad_certificate_status_response"],
  [115, "unknown_psk_identity"],
  [116, "certificate_required"],
  [120, "no_application_protocol"],
]);
const protocolVersion = 70;

/** Turns an error of `node:tls` into a SealwireError; OpenSSL's own is the cause. */
export function toTLSError(error: Error & { code?: string; reason?: string }): SealwireError {
  const cause = error;
  const alert = /SSL alert number (\d+)/.exec(error.message)?.[1];
  if (alert !== undefined && Number(alert) !== protocolVersion) {
    const name = alerts.get(Number(alert)) ?? `number ${alert}`;
    return new SealwireError("TLS_ALERT_RECEIVED", `The server ended the connection with the TLS alert ${name}.`, {
      cause,
    });
  }
  if (alert !== undefined || error.code === "ERR_SSL_UNSUPPORTED_PROTOCOL")
    return new SealwireError("TLS_VERSION_UNSUPPORTED", "Client and server have no TLS version in common.", { cause });
  if (error.code === "ERR_SSL_EXCESSIVE_MESSAGE_SIZE" || error.code === "ERR_SSL_DATA_LENGTH_TOO_LONG")
    return new SealwireError("TLS_RECORD_TOO_LARGE", "The server sent more than TLS allows.", { cause });
  const reason = error.reason ?? error.code ?? "unknown reason";
  return new SealwireError("TLS_HANDSHAKE_FAILED", `The TLS connection failed: ${reason}.`, { cause });
}
