/** Cryptography on key handles, and the chip's own secrets. */

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
