/**
 * The one error type of Sealwire and the list of its codes.
 *
 * A code is stable across versions and is what programs test; the message is a sentence a person can act on; `cause` is
 * what led to it, when another error did. No secret ever appears in any of them.
 *
 * The list is a type only, so it costs no flash on a device.
 */
export type ErrorCode =
  // Use of the API
  /** An option or argument has a value that is not allowed; the message names it. */
  | "INVALID_ARGUMENT"
  /** The call is not possible in the present state (for example, publishing on a stopped device). */
  | "INVALID_STATE"
  /** The host lacks something that is needed (for example, no cryptography); the message names it. */
  | "UNSUPPORTED"
  /** The object was closed while the operation was under way. */
  | "CLOSED"
  /** The operation did not finish in the time it was given. */
  | "TIMEOUT"
  /** A callback of the application threw or its promise was rejected; `cause` is what it threw. */
  | "CALLBACK_FAILED"
  // Network
  /** The device's own network interface is down. */
  | "NETWORK_DOWN"
  /** The host name could not be resolved. */
  | "NAME_NOT_RESOLVED"
  /** The peer refused the TCP connection. */
  | "CONNECTION_REFUSED"
  /** The TCP connection failed or was lost. */
  | "CONNECTION_LOST"
  // TLS
  /** The peer broke the TLS protocol, or the handshake failed for a reason that has no code of its own. */
  | "TLS_HANDSHAKE_FAILED"
  /** The peer ended the handshake or connection with an alert; `cause` names it. */
  | "TLS_ALERT_RECEIVED"
  /** Client and server have no TLS version in common. */
  | "TLS_VERSION_UNSUPPORTED"
  /** A TLS record is larger than the input buffer. */
  | "TLS_RECORD_TOO_LARGE"
  /** The server's certificate, or one that signed it, is no longer valid. */
  | "TLS_CERTIFICATE_EXPIRED"
  /** The server's certificate, or one that signed it, is not valid yet. */
  | "TLS_CERTIFICATE_NOT_YET_VALID"
  /** The server's certificate does not chain to a trust anchor, or a signature in the chain is wrong. */
  | "TLS_CERTIFICATE_UNTRUSTED"
  /** The server's certificate is for another name. */
  | "TLS_CERTIFICATE_NAME_MISMATCH"
  /** A certificate in the server's chain is on a revocation list. */
  | "TLS_CERTIFICATE_REVOKED"
  /** A certificate in the server's chain must not be used this way (CA flag, key usage, weak signature). */
  | "TLS_CERTIFICATE_UNSUITABLE"
  /** Revocation must be checked, but no usable list covers a certificate in the chain (missing, stale, forged). */
  | "TLS_REVOCATION_UNKNOWN"
  /** The TLS engine ran out of the memory it was given. */
  | "TLS_OUT_OF_MEMORY"
  // MQTT
  /** The peer sent bytes that are not a well-formed packet. */
  | "MQTT_MALFORMED_PACKET"
  /** The peer sent a packet that is not allowed here. */
  | "MQTT_PROTOCOL_ERROR"
  /** A packet is larger than the limit of the side that must receive it. */
  | "MQTT_PACKET_TOO_LARGE"
  /** The server does not speak this version of MQTT. */
  | "MQTT_VERSION_REFUSED"
  /** The server refuses this client identifier. */
  | "MQTT_CLIENT_ID_REFUSED"
  /** The server refuses the user name or password. */
  | "MQTT_BAD_CREDENTIALS"
  /** The server does not permit this client to do this. */
  | "MQTT_NOT_AUTHORIZED"
  /** The server is not available, busy, or shutting down. */
  | "MQTT_SERVER_UNAVAILABLE"
  /** The server moved; the message names where to. */
  | "MQTT_SERVER_MOVED"
  /** A quota or rate of the server is exceeded. */
  | "MQTT_QUOTA_EXCEEDED"
  /** Another connection took over this client identifier. */
  | "MQTT_TAKEN_OVER"
  /** The server refused the connection or ended it, for a reason that has no code of its own; `reasonCode` holds it. */
  | "MQTT_REFUSED"
  /** The server refused a subscription, publication or unsubscription; `reasonCode` holds why. */
  | "MQTT_REQUEST_REFUSED"
  /** The server did not answer in time; the connection counts as lost. */
  | "MQTT_KEEP_ALIVE_TIMEOUT"
  /** The offline queue is full. */
  | "MQTT_QUEUE_FULL"
  /** The message expired before it could be sent. */
  | "MQTT_MESSAGE_EXPIRED"
  /** A streamed payload was interrupted and its source cannot be read again. */
  | "PAYLOAD_NOT_REPLAYABLE"
  // Storage
  /** The storage refused or failed to read or write; `cause` tells why. */
  | "STORAGE_FAILED"
  /** A value is larger than the storage, or the record, can hold. */
  | "STORAGE_VALUE_TOO_LARGE"
  /** A stored value is damaged, forged, or of another device. */
  | "STORAGE_CORRUPT"
  /** A stored value is whole, but was encrypted under another root key: it is of another device, or the root was lost. */
  | "STORAGE_WRONG_ROOT"
  /** A stored value is an older one that was put back. */
  | "STORAGE_ROLLED_BACK"
  // Formats, cryptography, identity, credentials
  /** Bytes that should be CBOR (RFC 8949) are not well-formed, or not in the deterministic encoding. */
  | "CBOR_INVALID"
  /** CBOR that is not the COSE object (RFC 9052) that it should be. */
  | "COSE_INVALID"
  /** A COSE object uses an algorithm or a critical header parameter that is not known here. */
  | "COSE_UNSUPPORTED"
  /** A key, certificate or parameter cannot be parsed or does not fit the algorithm. */
  | "CRYPTO_INVALID"
  /** An authentication tag or signature does not match: wrong key or tampered data. */
  | "CRYPTO_AUTHENTICATION_FAILED"
  /** The cryptography ran out of the native memory that it was given. */
  | "CRYPTO_OUT_OF_MEMORY"
  /** The host's random number generator or cryptographic library failed: nothing that it made may be used. */
  | "CRYPTO_FAILED"
  // Sealed payloads
  /** A payload is not a sealed one, or not one of the kind that is expected. */
  | "SEALED_MALFORMED"
  /** A sealed payload is of a sender, or of an epoch to come, for which no key is held. */
  | "SEALED_UNKNOWN_KEY"
  /** A sealed payload names an ID Context that was not heard of this sender: one that carries it in full was missed. The sender repeats it. */
  | "SEALED_CONTEXT_UNKNOWN"
  /** A sealed payload is of an epoch that has ended. */
  | "SEALED_EPOCH_EXPIRED"
  /** A sealed payload does not authenticate: it was changed, or moved to another topic, or sealed by another. */
  | "SEALED_TAMPERED"
  /** A sealed payload was delivered before, or is older than the replay window reaches. */
  | "SEALED_REPLAYED"
  /** A sealed payload may have been delivered before the restart; that cannot be told any more. */
  | "SEALED_UNCERTAIN"
  /** A sealed payload lacks a valid signature of its sender. */
  | "SEALED_SIGNATURE_INVALID"
  /** Senders beyond the number that replay protection is kept for. */
  | "SEALED_TOO_MANY_SENDERS"
  /** The sequence numbers of this sender and epoch are used up. */
  | "SEALED_COUNTER_EXHAUSTED"
  /** The MAC address is missing, all zero, all one, or not unicast. */
  | "IDENTITY_MAC_INVALID"
  /** The device certificate does not name the client identifier. */
  | "IDENTITY_CERTIFICATE_MISMATCH"
  /** The provisioning record is missing. */
  | "PROVISIONING_MISSING"
  /** The provisioning record cannot be read. */
  | "PROVISIONING_INVALID"
  /** The provisioning record is encrypted, and its one-time code is missing or wrong. */
  | "PROVISIONING_LOCKED"
  /** A secret is too easy to guess: empty, a common default, equal to a name, or too short. */
  | "CREDENTIALS_WEAK"
  /** The topic permissions cannot be read; the message names the entry. */
  | "PERMISSIONS_INVALID"
  /** Topic permissions came that are older than those the device has. */
  | "PERMISSIONS_ROLLED_BACK"
  /** The device's own topic permissions do not allow this; the message names the entry that would be needed. */
  | "PERMISSION_DENIED"
  /** The vault holds no credentials yet. */
  | "VAULT_EMPTY"
  /** What the vault stored is damaged or forged. */
  | "VAULT_CORRUPT"
  /** What the vault stored is of another device, or the root secret of this one was lost. */
  | "VAULT_WRONG_ROOT"
  /** The vault holds older credentials than it once had: a copy was put back. */
  | "VAULT_ROLLED_BACK"
  /** A rotation ended before new credentials were proved: power was cut, or the program started again. */
  | "ROTATION_INTERRUPTED";

/** Options of {@link SealwireError}. */
export interface SealwireErrorOptions {
  /** The error that led to this one. */
  readonly cause?: unknown;
  /** MQTT return code (3.1.1, section 3.2.2.3) or reason code (5.0, section 2.4) that the server gave, or gets for what it sent. */
  readonly reasonCode?: number;
}

/** Every failure that Sealwire reports. */
export class SealwireError extends Error {
  // A field, not an assignment: where built-ins are frozen in flash, what Error.prototype has cannot be assigned over.
  override name = "SealwireError";
  readonly code: ErrorCode;
  readonly reasonCode: number | undefined;

  constructor(code: ErrorCode, message: string, options: SealwireErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.reasonCode = options.reasonCode;
  }
}

/** Returns `error` when it already is a {@link SealwireError}, else wraps it as the `cause` of a new one. */
export function toSealwireError(error: unknown, code: ErrorCode, message: string): SealwireError {
  return error instanceof SealwireError ? error : new SealwireError(code, message, { cause: error });
}
