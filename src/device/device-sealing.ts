/** The sealing of a device's payloads, with or without the optional room that does it. */
import { toUTF8 } from "../bytes.js";
import { SealwireError } from "../errors.js";
import type { MQTTSession, SessionMessage } from "../mqtt/index.js";
import type { Key } from "../platform.js";
import type { Credentials } from "../vault/index.js";
import type { DeviceCore } from "./device-core.js";

/** A message that was opened. */
export interface OpenedMessage {
  readonly payload: Uint8Array;
  /** To be called once the message was handled. */
  readonly settle: () => void;
}

export class DeviceSealing {
  readonly #core: DeviceCore;

  /** Must come before anything else is written to retained memory. @throws SealwireError `INVALID_ARGUMENT`, `INVALID_STATE` */
  constructor(core: DeviceCore, credentials: Credentials) {
    const { clientIdentifier, platform, memory, options } = core;
    const { crypto } = platform;
    const { storage, retained } = memory;
    this.#core = core;
    options.sealing?.open({ crypto, storage, retained, secrets: secretsOf(credentials), clientIdentifier });
  }

  get isThere(): boolean {
    return this.#core.options.sealing !== undefined;
  }

  /** Without TLS every payload must be sealed, both ways. */
  get always(): boolean {
    return this.#core.options.unencrypted === true;
  }

  /** What the MQTT session stored of messages in an earlier life. */
  loadMark(session: MQTTSession): void {
    const { reporter, options } = this.#core;
    try {
      options.sealing?.loadMark(session.mark, session.markLost);
    } catch (error) {
      reporter.error(error, "STORAGE_FAILED", "What was received sealed in an earlier life is not known.");
      if (!(error instanceof SealwireError && error.code === "STORAGE_CORRUPT")) return;
      // It is known now. Found again at the next start, it would close the epoch that came after this loss, too.
      this.attempt("The damaged mark could not be removed.", () => session.forgetMark());
    }
  }

  /** Other credentials are in force, or being proved. */
  use(credentials: Credentials): void {
    this.attempt("The payload secrets could not be changed.", () =>
      this.#core.options.sealing?.setSecrets(secretsOf(credentials)),
    );
  }

  /**
   * @param retain whether the broker keeps it for subscribers to come
   * @param wanted as the program said; what the link needs, when left out
   * @returns the payload as it goes to the broker
   * @throws SealwireError `UNSUPPORTED`, `INVALID_ARGUMENT`, those of `Sealing.seal`
   */
  seal(
    topic: string,
    payload: Uint8Array | string,
    retain: boolean | undefined,
    wanted = this.always,
  ): Uint8Array | string {
    if (!wanted && this.always) throw new SealwireError("INVALID_ARGUMENT", "Without TLS every payload is sealed.");
    if (!wanted) return payload;
    if (this.#core.options.sealing === undefined)
      throw new SealwireError("UNSUPPORTED", "To seal a payload the device needs the option sealing.");
    const bytes = typeof payload === "string" ? toUTF8(payload) : payload;
    return this.#core.options.sealing.seal(topic, bytes, { retain });
  }

  /** @returns `undefined` for a message that is not to be delivered, but acknowledged: it would come again for ever */
  open(message: SessionMessage): OpenedMessage | undefined {
    const { topic, duplicate, retain, qos } = message;
    const result = this.#core.options.sealing?.unseal(topic, message.payload, { duplicate, retain, qos });
    if (result === undefined) return undefined;
    if (result.outcome === "refused") {
      if (result.security) this.#core.reporter.security("payload-rejected", result.error);
      else this.#core.reporter.error(result.error, result.error.code, "");
      return undefined;
    }
    message.mark = result.mark;
    return result.outcome === "delivered" ? result : undefined;
  }

  /** Before a deep sleep; what is kept is committed by the caller. Nothing may be sealed or opened after it. */
  save(): void {
    this.attempt("The state of sealing could not be kept for after the sleep.", () =>
      this.#core.options.sealing?.save(),
    );
  }

  close(): void {
    this.attempt("The state of sealing could not be kept.", () => this.#core.options.sealing?.close());
  }

  private attempt(message: string, action: () => void): void {
    try {
      action();
    } catch (error) {
      this.#core.reporter.error(error, "STORAGE_FAILED", message);
    }
  }
}

function secretsOf({ payloadSecrets }: Credentials): ReadonlyMap<number, Key> {
  return payloadSecrets ?? new Map<number, Key>();
}
