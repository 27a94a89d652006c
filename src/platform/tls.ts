/** TLS without I/O: what an engine takes, does and tells. */
import type { SealwireError } from "../errors.js";
import type { Key } from "./crypto.js";

export type TLSVersion = "TLSv1.2" | "TLSv1.3";

/**
 * Which certificates of the server's chain must be covered by a revocation list (RFC 5280 section 6.3): none; the server's own;
 * or every one but the trust anchor. With `leaf` or `chain`, a certificate is refused with `TLS_REVOCATION_UNKNOWN` when no list
 * of its issuer was given, or the list is past its nextUpdate or badly signed: the same on every host.
 */
export type RevocationMode = "off" | "leaf" | "chain";

/**
 * What is known of the present time, in milliseconds since 1970-01-01T00:00:00Z: it is not before `earliest`, and not after
 * `latest` where that is known. A certificate or list is expired when it ended before `earliest`, and not yet valid when it
 * begins after `latest`.
 */
export interface TimeInterval {
  readonly earliest: number;
  readonly latest: number | undefined;
}

/** A session as the TLS library wrote it. Opaque and secret: it holds key material. */
export interface TLSSessionData {
  readonly protocol: TLSVersion;
  readonly bytes: Uint8Array;
  /** Milliseconds for which the server promised to accept it (ticket lifetime), or `undefined` when it said nothing. */
  readonly lifetime: number | undefined;
  /** Whether extended master secret was negotiated (RFC 7627); always true for TLS 1.3. */
  readonly extendedMasterSecret: boolean;
}

/** What a handshake agreed on. */
export interface TLSNegotiated {
  readonly protocol: TLSVersion;
  /** IANA name of the cipher suite, such as `TLS_AES_128_GCM_SHA256`; the library's own name where it knows no other. */
  readonly cipherSuite: string;
  /** The protocol chosen by ALPN (RFC 7301), or `undefined`. */
  readonly applicationProtocol: string | undefined;
  /** Whether a stored session was resumed: no certificate was sent or verified. */
  readonly resumed: boolean;
  /** Whether extended master secret was negotiated (RFC 7627), where the library tells. */
  readonly extendedMasterSecret: boolean | undefined;
  /**
   * The earliest notAfter among the certificates of the verified path, trust anchor included, in milliseconds since 1970;
   * `undefined` when resumed.
   */
  readonly chainNotAfter: number | undefined;
  /** The latest notBefore among them: it is past, if their authorities are honest. `undefined` when resumed, or where the library does not tell. */
  readonly chainNotBefore?: number | undefined;
  /** The earliest nextUpdate among the revocation lists that were used, or `undefined` when none was. */
  readonly revocationNextUpdate: number | undefined;
}

/**
 * Options of `Platform.createTLSEngine`. Certificates and lists are DER; their bytes must not change while the engine lives, for a
 * chip has no room for a copy. `session` is read once, when the engine is made. The callbacks are called as methods of the options.
 */
export interface TLSEngineOptions {
  /** Certificates of the authorities that are trusted. At least one. */
  readonly trustAnchors: readonly Uint8Array[];
  /** Certificate revocation lists. */
  readonly revocationLists?: readonly Uint8Array[] | undefined;
  /** `off` when left out. */
  readonly revocation?: RevocationMode | undefined;
  /** The client's own certificate first, then those that signed it, without the root. */
  readonly certificateChain?: readonly Uint8Array[] | undefined;
  /** Private key of the client's own certificate. */
  readonly privateKey?: Key | undefined;
  /** The name, or the IP address, that the server's certificate must carry; a name is also sent as SNI (RFC 6066 section 3). */
  readonly serverName: string;
  /** Protocols offered by ALPN, the most wanted first. */
  readonly applicationProtocols?: readonly string[] | undefined;
  /** `TLSv1.2` when left out. */
  readonly minimumVersion?: TLSVersion | undefined;
  /** `TLSv1.3` when left out, or the highest the host has. */
  readonly maximumVersion?: TLSVersion | undefined;
  /** 512, 1024, 2048 or 4096: asks the server for records no larger (RFC 6066 section 4). Hosts that cannot ask ignore it. */
  readonly maximumFragmentLength?: number | undefined;
  /** Largest plaintext of a record that is accepted, in bytes; a larger one is `TLS_RECORD_TOO_LARGE`. 16384 when left out. */
  readonly inputBuffer?: number | undefined;
  /**
   * Whether TLS 1.2 asks for a session ticket (RFC 5077). True when left out. Without, a server that remembers sessions gives an ID, and the session is
   * shorter by the ticket, which holds the client's certificate as a rule. TLS 1.3 has nothing but tickets.
   */
  readonly sessionTickets?: boolean | undefined;
  /** What is known of the time; dates are checked against it. */
  readonly time: TimeInterval;
  /** A session to resume, from an earlier {@link TLSEngineOptions.onSession}. The server may refuse it: the handshake is then full. */
  readonly session?: TLSSessionData | undefined;
  /** The handshake is done and the server verified: `negotiated` is set, plaintext may be written. Called at most once. */
  readonly onOpen: (negotiated: TLSNegotiated) => void;
  /** Plaintext can be read. */
  readonly onReadable: () => void;
  /** Plaintext can be written again: what was written before has left, or most of it. */
  readonly onWritable: () => void;
  /** Ciphertext waits to be taken with `drain()`. */
  readonly onDrainable: () => void;
  /**
   * The server issued a session. Never before `onOpen`; in TLS 1.3 any time after it, and more than once.
   */
  readonly onSession?: ((session: TLSSessionData) => void) | undefined;
  /** The peer closed properly (close_notify). */
  readonly onClose: () => void;
  /**
   * The connection failed. Ciphertext that is still drainable (an alert) should be sent before the transport is closed.
   * Called at most once.
   */
  readonly onError: (error: SealwireError) => void;
}

/**
 * A TLS client without I/O. Ciphertext goes in by `feed()` and comes out by `drain()`; who moves it is the caller's affair.
 * Nothing is assumed synchronous: every effect may come by a callback later.
 */
export interface TLSEngine {
  /** Set once the handshake is done. */
  readonly negotiated: TLSNegotiated | undefined;
  /** Bytes of ciphertext that are best fed at once, and drained at once: the sizes of the caller's buffers. */
  readonly feedSize: number;
  readonly drainSize: number;
  /** Takes ciphertext from the peer. @returns the number of bytes taken; feed the rest after `step()` or `read()` */
  feed(ciphertext: Uint8Array): number;
  /**
   * No more ciphertext will come: the transport ended. Once everything that was fed is delivered, `onClose` or `onError` follows,
   * the latter with `CONNECTION_LOST` when the peer ended without close_notify.
   */
  feedEnd(): void;
  /** Moves at most `buffer.byteLength` bytes of waiting ciphertext into `buffer`. @returns the number of bytes moved */
  drain(buffer: Uint8Array): number;
  /**
   * Whether something that was taken to be sent, a goodbye or an alert included, was not handed out by `drain()` yet. Who ends a
   * connection waits a while until it is false; `onDrainable` is called on the way there, and at the end of it.
   */
  readonly unsent: boolean;
  /** Moves plaintext into `buffer`. @returns the number of bytes moved */
  read(buffer: Uint8Array): number;
  /** The number of plaintext bytes that can be read now. */
  readonly readable: number;
  /** Takes plaintext to send. @returns the number of bytes taken, 0 before the handshake is done */
  write(plaintext: Uint8Array): number;
  /** The number of plaintext bytes that `write()` would take now. */
  readonly writable: number;
  /**
   * Does one piece of work, at most one handshake message, so that a slow chip can feed its watchdog in between.
   * @returns true when there is more to do at once
   */
  step(): boolean;
  /** Milliseconds that the longest step of the handshake took; `undefined` where the host does not measure it, and once closed. */
  readonly longestStep?: number | undefined;
  /** Queues close_notify, if the connection is open; drain it before closing the transport. */
  end(): void;
  /** Frees everything and wipes what is secret. Safe inside every callback and more than once. */
  close(): void;
}
