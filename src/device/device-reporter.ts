/** Tells the application what no promise tells of. What its callbacks throw is theirs: it is reported, and the link goes on. */
import type { DeviceMemory } from "./device-memory.js";
import type { DeviceOptions } from "./device-options.js";
import { SealwireError, toSealwireError, type ErrorCode } from "../errors.js";
import type { MonitorHost, SecurityEvent, SecurityKind } from "../monitor/index.js";
import { RETAINED_SECTION } from "../storage/index.js";

/** What a monitor asks of its device. */
interface MonitoredDevice extends Pick<MonitorHost, "publish"> {
  readonly connected: boolean;
}

const NOT_VERIFIED: readonly ErrorCode[] = [
  "TLS_CERTIFICATE_EXPIRED",
  "TLS_CERTIFICATE_NOT_YET_VALID",
  "TLS_CERTIFICATE_UNTRUSTED",
  "TLS_CERTIFICATE_NAME_MISMATCH",
  "TLS_CERTIFICATE_REVOKED",
  "TLS_CERTIFICATE_UNSUITABLE",
  "TLS_REVOCATION_UNKNOWN",
];

const CREDENTIALS_REFUSED: readonly ErrorCode[] = [
  "MQTT_BAD_CREDENTIALS",
  "MQTT_NOT_AUTHORIZED",
  "MQTT_CLIENT_ID_REFUSED",
];

const VAULT: readonly ErrorCode[] = ["VAULT_CORRUPT", "VAULT_WRONG_ROOT", "VAULT_ROLLED_BACK", "STORAGE_ROLLED_BACK"];

export class DeviceReporter {
  readonly #options: Pick<DeviceOptions, "onError" | "onSecurity" | "monitor">;

  constructor(options: Pick<DeviceOptions, "onError" | "onSecurity" | "monitor">) {
    this.#options = options;
  }

  /** Puts the monitor to work. */
  attach(platform: MonitorHost["platform"], memory: DeviceMemory, device: MonitoredDevice): void {
    this.#options.monitor?.attach({
      platform,
      saved: memory.get(RETAINED_SECTION.log),
      keep: (save) => memory.keepLog(save),
      isConnected: () => device.connected,
      publish: (topic, payload, options) => device.publish(topic, payload, options),
    });
  }

  /** @returns what the callback returned; `undefined` when it threw */
  call<T>(callback: () => T): T | undefined {
    try {
      return callback();
    } catch (error) {
      const message = "A callback of the application failed; its error is the cause.";
      this.error(new SealwireError("CALLBACK_FAILED", message, { cause: error }), "CALLBACK_FAILED", message);
      return undefined;
    }
  }

  error(error: unknown, code: ErrorCode, message: string): void {
    const failure = toSealwireError(error, code, message);
    this.#options.monitor?.failed(failure);
    this.vault(failure);
    try {
      this.#options.onError?.(failure);
    } catch {
      // The handler of errors failed itself: there is nobody left to tell, and in a timer it would restart the device.
    }
  }

  security(kind: SecurityKind, { code, message }: SealwireError, suspected = false): void {
    const event: SecurityEvent = { kind, code, message, suspected };
    this.#options.monitor?.security(event);
    this.call(() => this.#options.onSecurity?.(event));
  }

  /** The vault gave no credentials. */
  vault(error: SealwireError): void {
    if (VAULT.includes(error.code)) this.security("vault-integrity", error);
  }

  /** A connection failed or ended: was it what an attack looks like? */
  lost(cause: SealwireError | undefined, suspected: boolean): void {
    if (cause === undefined) return;
    if (NOT_VERIFIED.includes(cause.code)) this.security("server-not-verified", cause);
    else if (CREDENTIALS_REFUSED.includes(cause.code)) this.security("credentials-refused", cause);
    else if (cause.code === "MQTT_TAKEN_OVER") this.security("taken-over", cause, suspected);
  }
}
