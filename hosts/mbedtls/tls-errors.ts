/** What goes wrong in the native engine, as errors of the contract. The numbers are those of tls-x509.h. */
import { type ErrorCode, SealwireError } from "../../src/errors.js";
import type { NativeTLS } from "./tls-native.js";

const codes: readonly ErrorCode[] = [
  "TLS_HANDSHAKE_FAILED",
  "TLS_CERTIFICATE_UNTRUSTED",
  "TLS_CERTIFICATE_UNSUITABLE",
  "TLS_CERTIFICATE_EXPIRED",
  "TLS_CERTIFICATE_NOT_YET_VALID",
  "TLS_CERTIFICATE_NAME_MISMATCH",
  "TLS_CERTIFICATE_REVOKED",
  "TLS_REVOCATION_UNKNOWN",
  "TLS_OUT_OF_MEMORY",
  "TLS_RECORD_TOO_LARGE",
  "TLS_HANDSHAKE_FAILED",
  "TLS_ALERT_RECEIVED",
  "TLS_VERSION_UNSUPPORTED",
  "CONNECTION_LOST",
  "TLS_HANDSHAKE_FAILED",
  "CRYPTO_INVALID",
  "CRYPTO_INVALID",
  "INVALID_ARGUMENT",
  "UNSUPPORTED",
  "TLS_HANDSHAKE_FAILED",
  "CRYPTO_INVALID",
  "CRYPTO_INVALID",
  "TLS_RECORD_TOO_LARGE",
  "TLS_HANDSHAKE_FAILED",
  "CONNECTION_LOST",
  "INVALID_ARGUMENT",
];

/** Of the codes above, those that need no more than a sentence; the others are told by {@link sentence}. */
const sentences: Readonly<Record<number, string>> = {
  8: "The TLS engine has no memory left.",
  9: "The peer sent a TLS record that is larger than the input buffer, or than what was agreed on.",
  12: "Client and server have no TLS version in common.",
  13: "The peer ended the connection without a goodbye (close_notify).",
  14: "The peer does not speak TLS on this port.",
  15: "This is not a certificate that can be read (X.509, DER).",
  16: "The private key is not the one of the client's certificate.",
  17: "The client's certificates are larger than the TLS library's output buffer.",
  18: "The TLS library of this host has no TLS 1.3.",
  19: "The server resumed the session without, or with, extended master secret, unlike the handshake that made it.",
  20: "This is not a revocation list that can be read (X.509 CRL, DER).",
  21: "The private key cannot be used for TLS.",
  22: "The server sent a handshake message that is larger than the TLS library's input buffer.",
  23: "The server's key exchange has a curve or a signature that the TLS library refuses. If it has TLS 1.2 alone and an RSA key, set maximumVersion to TLSv1.2.",
  24: "The server changed its keys (TLS 1.3 KeyUpdate), which the TLS library cannot follow.",
  25: "The client's certificates were exchanged for others while the handshake was under way.",
};

/** By the detail: of the certificate, without the subject of the sentence. */
const details: readonly string[] = [
  "cannot be read",
  "is self-signed and not among the trust anchors",
  "is not signed by a trust anchor, and the server sent no intermediate certificate",
  "does not lead to a trust anchor",
  "is signed with an algorithm that is weak or not known",
  "has a key that is too weak or not known",
  "is not meant for servers (extended key usage)",
  "must not be used for signatures",
  "is not one of an authority",
  "must not be used to sign certificates",
  "does not allow a path this long",
  "cannot be checked: there is no revocation list of the authority that signed it",
  "cannot be checked: the revocation list is a delta or a part of the whole, or has a critical extension that is not supported",
  "cannot be checked: the revocation list does not say when the next one is due",
  "cannot be checked: the revocation list is out of date",
  "cannot be checked: the revocation list is from the future",
  "cannot be checked: the revocation list comes from an authority that must not sign lists",
  "cannot be checked: the revocation list is not signed by the authority",
  "has an extension that is not supported",
];

/** Names of the alerts (RFC 8446 section 6, RFC 5246 section 7.2). */
const alerts: Readonly<Record<number, string>> = {
  0: "close_notify",
  10: "unexpected_message",
  20: "bad_record_mac",
  22: "record_overflow",
  40: "handshake_failure",
  42: "bad_certificate",
  43: "unsupported_certificate",
  44: "certificate_revoked",
  45: "certificate_expired",
  46: "certificate_unknown",
  47: "illegal_parameter",
  48: "unknown_ca",
  49: "access_denied",
  50: "decode_error",
  51: "decrypt_error",
  71: "insufficient_security",
  80: "internal_error",
  86: "inappropriate_fallback",
  90: "user_canceled",
  109: "missing_extension",
  110: "unsupported_extension",
  112: "unrecognized_name",
  115: "unknown_psk_identity",
  116: "certificate_required",
  120: "no_application_protocol",
};

const day = (milliseconds: number): string => new Date(milliseconds).toISOString().slice(0, 10);

function sentence(failure: number, native: NativeTLS, serverName: string): string {
  const who = native.text(2);
  const subject =
    native.number(2) === 0 ? "The server's certificate" : `The certificate of the authority ${who || "without a name"}`;
  const error = native.number(5);
  switch (failure) {
    case 3:
      return `${subject} expired on ${day(native.number(3))}.`;
    case 4:
      return `${subject} is valid from ${day(native.number(3))}: the device's clock is earlier.`;
    case 5:
      return `The server's certificate is not for ${serverName}; it is for ${who || "no host name at all"}.`;
    case 6:
      return `${subject} is revoked.`;
    case 11: {
      const alert = native.number(4);
      return `The server ended the connection with the TLS alert ${alerts[alert] ?? `number ${alert}`}.`;
    }
    default:
      if (failure < 8) return `${subject} ${details[native.number(1)] ?? "is refused"}.`;
      return `The TLS connection failed (Mbed TLS -0x${(-error).toString(16)}).`;
  }
}

/** @returns the failure of an engine, or `undefined` when there is none */
export function toTLSError(native: NativeTLS, serverName: string): SealwireError | undefined {
  const failure = native.number(0);
  if (failure === 0) return undefined;
  const message = sentences[failure] ?? sentence(failure, native, serverName);
  const error = native.number(5);
  const cause = error < 0 ? new Error(`Mbed TLS -0x${(-error).toString(16)}`) : undefined;
  return new SealwireError(codes[failure] ?? "TLS_HANDSHAKE_FAILED", message, cause && { cause });
}
