/**
 * The contract between the firmware module and the place it runs on: interfaces only, no code.
 *
 * Everything in `src/` reaches the world through a {@link Platform}; each folder of `hosts/` implements it. A host that
 * cannot offer a part says `undefined`, and what needs that part refuses with `UNSUPPORTED` instead of degrading silently.
 *
 * I/O classes follow ECMA-419 (https://419.ecma-international.org): an options object goes in, callbacks come out,
 * `write()` returns what is still writable, durations are milliseconds. Two rules hold for every callback of every host:
 * it is never called from within the constructor of its object, and never again once `close()` was called.
 */
import type { SealwireError } from "./errors.js";

/** Bytes handed to a host. A host copies what it keeps: the caller may reuse the memory once the call returns. */
export type BufferLike = ArrayBuffer | Uint8Array;

// ---------------------------------------------------------------------------------------------------------------------
// Transports and names (ECMA-419 sections 12 and 21)

/** Options of every {@link Transport}; a transport may have more of its own. */
export interface TransportOptions {
  /** IP address of the peer, when it is known already. */
  readonly address?: string;
  /** Name of the peer, for protocols that carry it (TLS server name, HTTP host). */
  readonly host?: string;
  /** Port of the peer, 1 to 65535. */
  readonly port?: number;
  /** TCP only: sends small segments at once. */
  readonly noDelay?: boolean;
  /**
   * Bytes arrived. `count` is the number of bytes that can be read now, those left unread before included. Not called again
   * for unread bytes until more arrive.
   */
  readonly onReadable?: ((count: number) => void) | undefined;
  /** The transport is connected, or took what was written: `count` bytes can be written now. */
  readonly onWritable?: ((count: number) => void) | undefined;
  /**
   * The connection failed or ended; nothing can be read or written any more. Called at most once, and after a proper end only when
   * everything that arrived before it was read.
   */
  readonly onError?: ((error?: SealwireError) => void) | undefined;
}

/** A byte stream to one peer: the ECMA-419 TCP socket class pattern, with `format` fixed to `"buffer"`. */
export interface Transport {
  /**
   * Reads at most `count` bytes (all that is there when left out), or as many as fit into the given buffer.
   * @returns the bytes; for a given buffer the number of bytes put there; `undefined` when there is nothing to read
   */
  read(count?: number): ArrayBuffer | undefined;
  read(buffer: BufferLike): number | undefined;
  /**
   * Writes all of `buffer`.
   * @returns the number of bytes that can be written now
   * @throws SealwireError `INVALID_ARGUMENT` when `buffer` is larger than what is writable
   */
  write(buffer: BufferLike): number;
  /** Ends the connection at once. Safe inside every callback and more than once. */
  close(): void;
}

/** A class of transports. */
export type TransportConstructor<O extends TransportOptions = TransportOptions> = new (options: O) => Transport;

/** How ECMA-419 hands a transport class to a protocol: the class as `io`, beside the options it shall be made with. */
export interface TransportDescriptor {
  // What a class wants beside TransportOptions is between it and whoever writes the descriptor.
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  readonly io: new (options: any) => Transport;
  readonly [option: string]: unknown;
}

/** One request to a {@link Resolver}. */
export interface ResolveOptions {
  readonly host: string;
  /** `address` is a numeric IPv4 or IPv6 address. */
  readonly onResolved: (host: string, address: string) => void;
  readonly onError?: ((error?: SealwireError) => void) | undefined;
}

/** Finds the address of a name: the ECMA-419 DNS resolver class pattern. */
export interface Resolver {
  resolve(options: ResolveOptions): void;
  close(): void;
}

export type ResolverConstructor = new (options: object) => Resolver;

/** How ECMA-419 hands a resolver class to a protocol. */
export interface ResolverDescriptor {
  readonly io: ResolverConstructor;
  readonly [option: string]: unknown;
}

// ---------------------------------------------------------------------------------------------------------------------
// TLS

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
 * Options of {@link Platform.createTLSEngine}. Certificates and lists are DER; their bytes must not change while the engine lives, for a
 * chip has no room for a copy.
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

// ---------------------------------------------------------------------------------------------------------------------
// Storage

/**
 * Key-value storage: the ECMA-419 domain of section 23 with format `"buffer"`. Survives power loss; a write of one key is atomic
 * (after a power cut the key has its old or its new value). Keys are ASCII.
 */
export interface KeyValueStorage {
  /** Longest key, in bytes (15 on ESP-IDF's NVS). */
  readonly maximumKeyLength: number;
  /** Largest value, in bytes. */
  readonly maximumValueLength: number;
  /** Bytes for all keys and values together, as far as the host can tell. */
  readonly capacity: number;
  /** @returns a fresh copy of the value, or `undefined` when the key is not there */
  read(key: string): ArrayBuffer | undefined;
  /** Durable when it returns. @throws SealwireError `STORAGE_FAILED` or `STORAGE_VALUE_TOO_LARGE`, the old value is kept */
  write(key: string, value: BufferLike): void;
  /** Durable when it returns. @returns whether the key was there */
  delete(key: string): boolean;
  /** The keys, in no particular order; the storage must not be changed while iterating. */
  [Symbol.iterator](): Iterator<string>;
}

/**
 * Memory that survives deep sleep and restart but not power loss (RTC memory). Its content at power-on is random: who uses it
 * must authenticate it. Writing does not wear it.
 */
export interface RetainedMemory {
  readonly byteLength: number;
  /** Copies bytes from `offset` into `buffer`. */
  read(offset: number, buffer: Uint8Array): void;
  /** Copies `bytes` to `offset`. */
  write(offset: number, bytes: Uint8Array): void;
}

/** Where the provisioning record lies until the vault has imported it. */
export interface ProvisioningPartition {
  /** @returns a fresh copy of the record, or `undefined` when there is none */
  read(): Uint8Array | undefined;
  /** Destroys the record. */
  erase(): void;
}

// ---------------------------------------------------------------------------------------------------------------------
// Cryptography

/**
 * A key inside the host's cryptography. Its bytes cannot be read back: JavaScript memory cannot be wiped reliably, so they pass
 * through it only while being imported or derived.
 */
export interface Key {
  readonly type: "secret" | "private" | "public";
  /** Wipes and frees the key. Later use is `INVALID_STATE`. Safe more than once. */
  close(): void;
}

/** An incremental hash. */
export interface Hash {
  update(data: Uint8Array): this;
  /** Ends the hash. @returns 32 bytes */
  digest(): Uint8Array;
}

/** Authenticated encryption (NIST SP 800-38D and SP 800-38C). */
export type AEADAlgorithm = "AES-GCM" | "AES-CCM";

/** What {@link Crypto.encrypt} and {@link Crypto.decrypt} work on. */
export interface AEADOptions {
  readonly algorithm: AEADAlgorithm;
  /** A secret key of 16 or 32 bytes. */
  readonly key: Key;
  /** 12 bytes for AES-GCM, 7 to 13 for AES-CCM. Must never repeat under one key. */
  readonly nonce: Uint8Array;
  /** Additional data that is authenticated, not encrypted. */
  readonly additionalData?: Uint8Array | undefined;
  /** Changed in place: plaintext to ciphertext, or back. */
  readonly data: Uint8Array;
}

/** What is read from a certificate (RFC 5280). */
export interface CertificateInfo {
  /** Milliseconds since 1970. */
  readonly notBefore: number;
  readonly notAfter: number;
  /** The serial number, big-endian, without leading zeros. */
  readonly serialNumber: Uint8Array;
  /** Common name of the subject, or `undefined`. */
  readonly commonName: string | undefined;
  readonly dnsNames: readonly string[];
  readonly ipAddresses: readonly string[];
  /** DER of the SubjectPublicKeyInfo. */
  readonly publicKey: Uint8Array;
}

/** What a certificate signing request asks for (RFC 2986). */
export interface CertificateRequestOptions {
  /** P-256 private key. */
  readonly key: Key;
  readonly commonName: string;
  readonly dnsNames?: readonly string[] | undefined;
}

/** Cryptographic primitives of the host: Mbed TLS on XS, `node:crypto` on Node. All failures are `SealwireError`s `CRYPTO_*`. */
export interface Crypto {
  /** @returns fresh bytes from the host's cryptographic random number generator */
  random(byteLength: number): Uint8Array;
  /** Starts a SHA-256 (FIPS 180-4). */
  sha256(): Hash;
  /** HMAC-SHA-256 (RFC 2104). @returns 32 bytes */
  hmac(key: Key, data: Uint8Array): Uint8Array;
  /**
   * HKDF-SHA-256 (RFC 5869), extract and expand. @returns a secret key of `byteLength` bytes, at most 8160
   * @param salt may be empty
   */
  deriveKey(key: Key, salt: Uint8Array, info: Uint8Array, byteLength: number): Key;
  /** The same as {@link deriveKey}, for output that is not a key (a nonce, an identifier). */
  deriveBytes(key: Key, salt: Uint8Array, info: Uint8Array, byteLength: number): Uint8Array;
  /** PBKDF2-HMAC-SHA-256 (RFC 8018 section 5.2). @returns a secret key of `byteLength` bytes */
  pbkdf2(password: Key, salt: Uint8Array, iterations: number, byteLength: number): Key;
  /** Encrypts `data` in place. @returns the tag, `tagLength` bytes (16 when left out; 8 also for AES-CCM) */
  encrypt(options: AEADOptions, tagLength?: number): Uint8Array;
  /**
   * Verifies the tag and decrypts `data` in place.
   * @throws SealwireError `CRYPTO_AUTHENTICATION_FAILED`; `data` is then zeroed, so that no unverified plaintext is used
   */
  decrypt(options: AEADOptions, tag: Uint8Array): void;
  /** Imports bytes: a secret key of any length; a private key (PKCS#8 or SEC 1, DER); a public key (SubjectPublicKeyInfo, DER). */
  importKey(type: Key["type"], bytes: Uint8Array): Key;
  /** Makes a private key on the curve P-256. */
  generateKey(): Key;
  /** @returns the PKCS#8 DER of a P-256 private key, for the vault alone: the caller wipes it */
  exportPrivateKey(key: Key): Uint8Array;
  /** @returns the public key of a private key: SubjectPublicKeyInfo, DER */
  publicKey(key: Key): Uint8Array;
  /** ECDSA over P-256 with SHA-256 (FIPS 186-5). @returns r and s, 64 bytes */
  sign(key: Key, data: Uint8Array): Uint8Array;
  /** @returns whether `signature` (r and s, 64 bytes) is one of `data` */
  verify(key: Key, data: Uint8Array, signature: Uint8Array): boolean;
  /** ECDH over P-256 (NIST SP 800-56A). @returns the shared secret, x coordinate, as a secret key of 32 bytes */
  agree(key: Key, peer: Key): Key;
  /** Makes a certificate signing request (PKCS#10, DER). */
  certificateRequest(options: CertificateRequestOptions): Promise<Uint8Array>;
  /** Reads a certificate. Verifies nothing. */
  certificate(der: Uint8Array): CertificateInfo;
}

/** A device secret that software cannot read: HMAC-SHA-256 under a key burnt into the chip. */
export interface RootOfTrust {
  /** @returns 32 bytes */
  hmac(data: Uint8Array): Uint8Array;
}

/** A counter in hardware that never goes back, not even when the whole flash is restored from a copy. */
export interface MonotonicCounter {
  read(): number;
  increment(): number;
}

// ---------------------------------------------------------------------------------------------------------------------
// Time, power, and the rest

/** A timer that was set. */
export type TimerHandle = unknown;

/** Timers. Callbacks may be late, never early. */
export interface PlatformTimer {
  /** Calls back once, after `milliseconds`. */
  set(callback: () => void, milliseconds: number): TimerHandle;
  /** Ends a timer; safe for one that fired or was cleared, and for `undefined`. */
  clear(timer: TimerHandle): void;
}

/** What the wall clock says. */
export interface WallTime {
  /** Milliseconds since 1970-01-01T00:00:00Z. */
  readonly now: number;
  /** Who set it: SNTP is not authenticated, a real-time clock may have been set by it. */
  readonly source: "sntp" | "rtc" | "host";
  /** The time may be wrong by this many milliseconds either way, the source being honest. */
  readonly uncertainty: number;
}

/** The device's own network interface. */
export interface PlatformNetwork {
  readonly up: boolean;
  /** Calls back at every change. @returns a function that ends it */
  observe(listener: (up: boolean) => void): () => void;
}

/** Why the program started: power (also a reset that lost RTC memory), the end of a deep sleep, `restart()`, or the watchdog. */
export type WakeCause = "power" | "sleep" | "restart" | "watchdog";

export interface Watchdog {
  feed(): void;
}

/** Figures of one memory area, in bytes. */
export interface MemoryFigures {
  readonly used: number;
  readonly peak: number;
  readonly total: number;
}

/** Memory of the JavaScript engine; areas that the engine does not have are left out. */
export interface HeapFigures {
  readonly chunks?: MemoryFigures;
  readonly slots?: MemoryFigures;
  readonly stack?: MemoryFigures;
  /** Where the engine has one undivided heap. */
  readonly heap?: MemoryFigures;
}

/** Something that a simulator or test harness wants to see from outside. Holds no secret. */
export interface PlatformEvent {
  readonly event: string;
  readonly [detail: string]: string | number | boolean | undefined;
}

/** The whole contract. A part of the module takes the slice it needs, not the whole. */
export interface Platform {
  /** Of the host: `node`, `xs`, `esp32`, `esp8266`, `simulator`. */
  readonly name: string;
  /** When this firmware was built, milliseconds since 1970: no true clock can be earlier. */
  readonly buildTime: number;
  /** The MAC address of the network interface that is burnt into the chip, 6 bytes. */
  mac(): Uint8Array;
  readonly tcp: TransportConstructor;
  readonly resolver: ResolverConstructor;
  /** Name and version of the TLS library and its build: a session of another one must not be resumed. */
  readonly tlsEngineBuild: string;
  /** @throws SealwireError `INVALID_ARGUMENT` or `CRYPTO_INVALID` when certificates or keys cannot be parsed */
  createTLSEngine(options: TLSEngineOptions): TLSEngine;
  readonly storage: KeyValueStorage | undefined;
  readonly retainedMemory: RetainedMemory | undefined;
  readonly provisioning: ProvisioningPartition | undefined;
  readonly crypto: Crypto;
  readonly rootOfTrust: RootOfTrust | undefined;
  readonly counter: MonotonicCounter | undefined;
  readonly timer: PlatformTimer;
  /** Milliseconds since boot; never goes back. Does not count through deep sleep. */
  ticks(): number;
  /** The wall clock, or `undefined` while it is not set. */
  time(): WallTime | undefined;
  /** Whether the wall clock keeps running through deep sleep, and through a power cut. */
  readonly clockSurvives: { readonly sleep: boolean; readonly power: boolean };
  readonly network: PlatformNetwork | undefined;
  readonly wakeCause: WakeCause;
  /** Deep sleep. On a chip it never returns: the program starts again from the top. Simulators do the same with a new process. */
  sleep(milliseconds: number): void;
  restart(): void;
  readonly watchdog: Watchdog | undefined;
  heap(): HeapFigures | undefined;
  /** Writes one line to the console. */
  log(line: string): void;
  /** Shows an event to whoever runs the simulator; `undefined` on a chip. */
  readonly observe: ((event: PlatformEvent) => void) | undefined;
}
