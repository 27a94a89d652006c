/**
 * SCRAM-SHA-256 (RFC 5802, RFC 7677) as a method of enhanced authentication (MQTT 5.0 section 4.12): the password is never sent, and the
 * server proves that it knows it too. Without channel binding.
 */
import { concat, equal, fromUTF8, toUTF8, wipe } from "../bytes.js";
import { SealwireError } from "../errors.js";
import type { Crypto, Key } from "../platform.js";
import { fromBase64, toBase64 } from "./base64.js";
import { checkNames, integer, invalid } from "./session-options.js";
import type { Authentication } from "./session-types.js";
import type { AuthenticationStep } from "./types.js";

/** 120 bits, which is 20 characters without padding. */
const NONCE_LENGTH = 15;
/** RFC 7677 section 4. */
const MINIMUM_ITERATIONS = 4096;
/** "n,,": no channel binding, no other identity; and its Base64. */
const GS2_HEADER = "n,,";
const GS2_HEADER_BASE64 = "biws";
const SHA256_LENGTH = 32;

export interface ScramOptions {
  readonly crypto: Pick<Crypto, "random" | "sha256" | "hmac" | "pbkdf2" | "importKey">;
  /** Printable ASCII: other characters would need SASLprep (RFC 4013), whose tables are too large for a device. */
  readonly user: string;
  /** The password, printable ASCII, or a secret key that holds its bytes. */
  readonly password: string | Key;
  /**
   * Most iterations of PBKDF2 that a server may demand: they cost the device time before anything is proven. 100,000 when left out; servers
   * commonly demand 4096.
   */
  readonly maximumIterations?: number | undefined;
}

export class ScramSHA256 implements Authentication {
  readonly method = "SCRAM-SHA-256";
  readonly #crypto: ScramOptions["crypto"];
  readonly #user: string;
  readonly #password: Key;
  readonly #maximumIterations: number;
  #nonce = "";
  /** What the server must prove itself with; `undefined` before our own proof was sent. */
  #serverSignature: Uint8Array | undefined;
  /** PBKDF2's result for the server's present salt: it is the same each time, and dear. */
  #salted: { readonly salt: string; readonly iterations: number; readonly key: Key } | undefined;

  /** @throws SealwireError `INVALID_ARGUMENT` */
  constructor(options: ScramOptions) {
    checkNames(options, " crypto user password maximumIterations ", "ScramSHA256 has no option");
    const { crypto, user, password, maximumIterations = 100_000 } = options;
    if (typeof (crypto as Partial<ScramOptions["crypto"]> | undefined)?.pbkdf2 !== "function")
      throw invalid("crypto", "must be the platform's cryptography");
    integer("maximumIterations", maximumIterations, MINIMUM_ITERATIONS, 0x7fffffff);
    checkText(user, "user");
    this.#crypto = crypto;
    // RFC 5802 section 5.1: these two are special in a message.
    this.#user = user.replace(/=/g, "=3D").replace(/,/g, "=2C");
    this.#maximumIterations = maximumIterations;
    if (typeof password === "string") {
      checkText(password, "password");
      this.#password = crypto.importKey("secret", toUTF8(password));
    } else if ((password as Key | undefined)?.type === "secret") this.#password = password;
    else throw invalid("password", "must be a string or a secret key");
  }

  start(): Uint8Array {
    this.#serverSignature = undefined;
    this.#nonce = toBase64(this.#crypto.random(NONCE_LENGTH));
    return toUTF8(GS2_HEADER + this.firstBare());
  }

  /** @throws SealwireError `CRYPTO_AUTHENTICATION_FAILED` when the server does not prove itself, `MQTT_PROTOCOL_ERROR` */
  step({ data, reasonCode }: AuthenticationStep): Uint8Array | undefined {
    const text = data && fromUTF8(data);
    if (reasonCode !== 0) {
      if (text === undefined || this.#serverSignature) throw wrongMessage("came at the wrong moment");
      return this.answer(text);
    }
    const signature = this.#serverSignature;
    this.#serverSignature = undefined;
    const proof = text !== undefined && text.startsWith("v=") ? decode(text.slice(2)) : undefined;
    if (!signature || !proof || !equal(signature, proof))
      throw new SealwireError(
        "CRYPTO_AUTHENTICATION_FAILED",
        "The server accepted the connection, but did not prove that it knows the password.",
      );
    return undefined;
  }

  /** Wipes and frees what was derived from the password; the password itself too. */
  close(): void {
    this.#salted?.key.close();
    this.#salted = undefined;
    this.#password.close();
    wipe(this.#serverSignature);
  }

  private firstBare(): string {
    return `n=${this.#user},r=${this.#nonce}`;
  }

  /** RFC 5802 section 3: the client's final message, for the server's first one. */
  private answer(serverFirst: string): Uint8Array {
    const [nonce = "", salt = "", iterations = ""] = serverFirst.split(",");
    // A mandatory extension (m=) would come first; there is none that we know (section 5.1).
    if (!nonce.startsWith("r=") || !salt.startsWith("s=") || !/^i=[1-9][0-9]{0,9}$/.test(iterations))
      throw wrongMessage("is not what RFC 5802 says");
    if (!nonce.startsWith(`r=${this.#nonce}`) || nonce.length === 2 + this.#nonce.length)
      throw wrongMessage("does not hold our nonce and its own");
    const count = Number(iterations.slice(2));
    if (count < MINIMUM_ITERATIONS || count > this.#maximumIterations)
      throw wrongMessage(
        `demands ${count} iterations; ${MINIMUM_ITERATIONS} to ${this.#maximumIterations} are allowed`,
      );
    const withoutProof = `c=${GS2_HEADER_BASE64},${nonce}`;
    const message = toUTF8(`${this.firstBare()},${serverFirst},${withoutProof}`);
    const { clientProof, serverSignature } = this.sign(salt.slice(2), count, message);
    this.#serverSignature = serverSignature;
    return toUTF8(`${withoutProof},p=${toBase64(clientProof)}`);
  }

  /** RFC 5802 section 3: ClientProof and ServerSignature. */
  private sign(
    salt: string,
    iterations: number,
    message: Uint8Array,
  ): { clientProof: Uint8Array; serverSignature: Uint8Array } {
    const crypto = this.#crypto;
    const salted = this.saltedPassword(salt, iterations);
    const clientKey = crypto.hmac(salted, toUTF8("Client Key"));
    const clientProof = this.hmac(crypto.sha256().update(clientKey).digest(), message);
    for (let i = 0; i < SHA256_LENGTH; i++) clientProof[i]! ^= clientKey[i]!;
    wipe(clientKey);
    const serverSignature = this.hmac(crypto.hmac(salted, toUTF8("Server Key")), message);
    return { clientProof, serverSignature };
  }

  private saltedPassword(salt: string, iterations: number): Key {
    const known = this.#salted;
    if (known?.salt === salt && known.iterations === iterations) return known.key;
    const bytes = decode(salt);
    if (!bytes || bytes.byteLength === 0) throw wrongMessage("has no salt");
    const key = this.#crypto.pbkdf2(this.#password, bytes, iterations, SHA256_LENGTH);
    known?.key.close();
    this.#salted = { salt, iterations, key };
    return key;
  }

  /** HMAC under a key that is wiped afterwards. */
  private hmac(secret: Uint8Array, message: Uint8Array): Uint8Array {
    const key = this.#crypto.importKey("secret", secret);
    wipe(secret);
    try {
      return concat(this.#crypto.hmac(key, message));
    } finally {
      key.close();
    }
  }
}

function decode(text: string): Uint8Array | undefined {
  try {
    return fromBase64(text);
  } catch {
    return undefined;
  }
}

function checkText(text: string, name: string): void {
  if (typeof text !== "string" || !/^[ -~]+$/.test(text))
    throw new SealwireError("INVALID_ARGUMENT", `The option ${name} must be printable ASCII.`);
}

function wrongMessage(what: string): SealwireError {
  return new SealwireError("MQTT_PROTOCOL_ERROR", `The server's SCRAM message ${what}.`, { reasonCode: 0x82 });
}
