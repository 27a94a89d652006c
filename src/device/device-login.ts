/**
 * Proves the password without sending it: the only ways that a device without TLS has to log in.
 *
 * - `"SCRAM-SHA-256"` (MQTT 5.0): the broker gives a nonce, so each proof is good once, and proves itself in return.
 * - a token in place of the password, for brokers that have no enhanced authentication: `sw1.ISSUED.WINDOW.MAC`, with ISSUED in milliseconds since 1970 and
 *   WINDOW in milliseconds, both decimal, and MAC the hexadecimal HMAC-SHA-256 under the password of `sw1.ISSUED.WINDOW`, a line feed, the client
 *   identifier, a line feed, and the user name, in UTF-8. Whoever reads it on the wire can log in with it until ISSUED + WINDOW: hence the name
 *   of the option that allows it.
 */
import { fromUTF8, toHex, toUTF8 } from "../bytes.js";
import { SealwireError } from "../errors.js";
import { ScramSHA256, type Authentication, type AuthenticationStep } from "../mqtt/index.js";
import type { DeviceCore } from "./device-core.js";

export class DeviceLogin implements Authentication {
  readonly #core: DeviceCore;
  #scram: ScramSHA256 | undefined;

  constructor(core: DeviceCore) {
    this.#core = core;
  }

  // SCRAM, as the session asks for it.

  get method(): string {
    return "SCRAM-SHA-256";
  }

  /** With the credentials of the moment: they may be replaced between two connections. */
  start(): Uint8Array {
    this.close();
    const { username, password } = this.#core.connector.credentials;
    const text = password && fromUTF8(password);
    if (username === undefined || text === undefined)
      throw new SealwireError("INVALID_ARGUMENT", "SCRAM-SHA-256 needs a user name, and a password that is text.");
    const { crypto } = this.#core.platform;
    this.#scram = new ScramSHA256({ crypto, user: username, password: text });
    return this.#scram.start();
  }

  step(step: AuthenticationStep): Uint8Array | undefined {
    return this.#scram?.step(step);
  }

  /** @returns the token that stands in the place of the password. @throws SealwireError `INVALID_STATE` without a wall clock */
  token(window: number): string | undefined {
    const { clientIdentifier, clock, connector, platform } = this.#core;
    const { username = "", password } = connector.credentials;
    if (password === undefined) return undefined;
    // Before the login nobody vouches for a time, and a clock far above the build's would be locked out for good.
    const now = clock.claimed();
    if (now === undefined)
      throw new SealwireError("INVALID_STATE", "A login token tells when it was made: the device needs a wall clock.");
    const head = `sw1.${Math.floor(now)}.${window}`;
    const key = platform.crypto.importKey("secret", password.slice());
    try {
      const proof = platform.crypto.hmac(key, toUTF8(`${head}\n${clientIdentifier}\n${username}`));
      return `${head}.${toHex(proof)}`;
    } finally {
      key.close();
    }
  }

  close(): void {
    this.#scram?.close();
    this.#scram = undefined;
  }
}
