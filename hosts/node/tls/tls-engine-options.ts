/** Checks the options of a TLS engine and turns them into those of `node:tls`. */
import { constants } from "node:crypto";
import { isIP } from "node:net";
import { type ConnectionOptions, createSecureContext, type SecureContext, type SecureContextOptions } from "node:tls";
import { SealwireError } from "../../../src/errors.js";
import type { TLSEngineOptions } from "../../../src/platform.js";
import { readCertificate } from "../x509/certificate.js";
import { keyObject } from "../crypto/key.js";
import { readRevocationList } from "../x509/revocation-list.js";
import { readSession } from "./tls-session.js";
import type { VerificationPolicy } from "../x509/verify-path.js";

/** Forward secrecy and authenticated encryption only. */
const ciphers = [
  "TLS_AES_128_GCM_SHA256",
  "TLS_AES_256_GCM_SHA384",
  "TLS_CHACHA20_POLY1305_SHA256",
  "ECDHE+AESGCM",
  "ECDHE+CHACHA20",
  "ECDHE+AESCCM",
].join(":");

/** Largest session that is tried, in bytes. */
const maximumSessionLength = 16_384;
const defaultInputBuffer = 16_384;

export interface CheckedOptions {
  readonly policy: VerificationPolicy;
  readonly connection: ConnectionOptions;
  readonly inputBuffer: number;
}

/** @throws SealwireError `INVALID_ARGUMENT` or `CRYPTO_INVALID` */
export function checkTLSOptions(options: TLSEngineOptions): CheckedOptions {
  const { serverName, revocation = "off", inputBuffer = defaultInputBuffer, applicationProtocols = [] } = options;
  const { minimumVersion = "TLSv1.2", maximumVersion = "TLSv1.3", time } = options;
  if (options.trustAnchors.length === 0) throw invalid("trustAnchors must hold at least one certificate.");
  if (!["off", "leaf", "chain"].includes(revocation)) throw invalid("revocation must be off, leaf or chain.");
  if (!isServerName(serverName)) throw invalid("serverName must be a host name or an IP address.");
  if (!Number.isInteger(inputBuffer) || inputBuffer < 512 || inputBuffer > 16_384)
    throw invalid("inputBuffer must be 512 to 16384 bytes.");
  if (!isVersion(minimumVersion) || !isVersion(maximumVersion) || minimumVersion > maximumVersion)
    throw invalid("minimumVersion and maximumVersion must be TLSv1.2 or TLSv1.3, the minimum not above the maximum.");
  if (applicationProtocols.some((name) => !/^[\x21-\x7e]{1,255}$/.test(name)))
    throw invalid("applicationProtocols must be ASCII names of 1 to 255 bytes.");
  if (Number.isNaN(time.earliest) || (time.latest !== undefined && !(time.latest >= time.earliest)))
    throw invalid("time.latest must not be before time.earliest.");
  const trustAnchors = options.trustAnchors.map((der) => readCertificate(der));
  const session = resumable(options.session?.bytes);
  return {
    policy: {
      trustAnchors,
      revocationLists: (options.revocationLists ?? []).map(readRevocationList),
      revocation,
      serverName,
      time,
    },
    inputBuffer,
    connection: {
      secureContext: secureContext({
        ca: options.trustAnchors.map(toPEM),
        allowPartialTrustChain: true,
        ciphers,
        minVersion: minimumVersion,
        maxVersion: maximumVersion,
        // A new handshake inside the connection could bring another certificate, which nobody would verify.
        secureOptions:
          constants.SSL_OP_NO_RENEGOTIATION | (options.sessionTickets === false ? constants.SSL_OP_NO_TICKET : 0),
        ...clientCertificate(options),
      }),
      // Our own verification decides, before anything is written or read: see verify-path.ts.
      rejectUnauthorized: false,
      checkServerIdentity: () => undefined,
      ...(isIP(serverName) === 0 && { servername: serverName }),
      ...(applicationProtocols.length > 0 && { ALPNProtocols: [...applicationProtocols] }),
      ...(session && { session }),
    },
  };
}

/** A session worth trying. With one that OpenSSL cannot read the handshake is full, without an error. */
function resumable(session: Uint8Array | undefined): Buffer | undefined {
  if (session === undefined || session.byteLength > maximumSessionLength) return undefined;
  return readSession(session) === undefined ? undefined : Buffer.from(session);
}

function clientCertificate({ certificateChain = [], privateKey }: TLSEngineOptions): SecureContextOptions {
  if (certificateChain.length === 0 && privateKey === undefined) return {};
  if (certificateChain.length === 0 || privateKey === undefined)
    throw invalid("certificateChain and privateKey belong together: one of them is missing.");
  const key = keyObject(privateKey, "private");
  return { cert: certificateChain.map(toPEM).join(""), key: key.export({ type: "pkcs8", format: "pem" }) };
}

function secureContext(options: SecureContextOptions): SecureContext {
  try {
    return createSecureContext(options);
  } catch (error) {
    // OpenSSL compares the two anyway.
    const isOther = /key values mismatch|key type mismatch/i.test(String(error));
    const message = isOther
      ? "The private key is not the one of the client's certificate."
      : "OpenSSL does not accept the certificates or the private key.";
    throw new SealwireError("CRYPTO_INVALID", message, { cause: error });
  }
}

/** OpenSSL reads nothing else here. What is in it shows when it does. */
function toPEM(der: Uint8Array): string {
  const base64 = Buffer.from(der.buffer, der.byteOffset, der.byteLength).toString("base64");
  return `-----BEGIN CERTIFICATE-----\n${base64.replace(/.{64}(?=.)/g, "$&\n")}\n-----END CERTIFICATE-----\n`;
}

function isVersion(version: string): boolean {
  return version === "TLSv1.2" || version === "TLSv1.3";
}

function isServerName(name: string): boolean {
  return isIP(name) !== 0 || (name.length <= 253 && /^[\w-]{1,63}(\.[\w-]{1,63})*$/.test(name));
}

function invalid(message: string): SealwireError {
  return new SealwireError("INVALID_ARGUMENT", message);
}
