/** Options of a device that contradict each other: found at its start, not at the first connection. */
import type { DeviceOptions } from "./device-options.js";
import { SealwireError } from "../errors.js";

/** @throws SealwireError `INVALID_ARGUMENT` naming the option */
export function checkDeviceOptions(options: DeviceOptions): void {
  checkLogin(options);
  const { unencrypted, sealing, issueCertificate, vault, pipeline, permissions, permissionsTopic } = options;
  if (permissionsTopic !== undefined && !(sealing && vault && typeof permissions === "function"))
    throw new SealwireError(
      "INVALID_ARGUMENT",
      "The option permissionsTopic needs the options sealing and vault, and permissions as a function.",
    );
  if (unencrypted && sealing === undefined)
    throw new SealwireError("INVALID_ARGUMENT", "The option unencrypted needs the option sealing.");
  if (issueCertificate && vault === undefined)
    throw new SealwireError("INVALID_ARGUMENT", "The option issueCertificate needs the option vault.");
  if (pipeline !== undefined && (pipeline as string) !== "auto" && (pipeline as string) !== "off")
    throw new SealwireError("INVALID_ARGUMENT", 'The option pipeline must be "auto" or "off".');
}

function checkLogin({ login, mqttVersion }: DeviceOptions): void {
  if (login === undefined) return;
  if (login === "SCRAM-SHA-256") {
    // Negotiated down to 3.1.1 there would be no such thing.
    if (mqttVersion !== 5)
      throw new SealwireError("INVALID_ARGUMENT", "SCRAM-SHA-256 needs the option mqttVersion: 5.");
    return;
  }
  const { token, allowReplayWindow: window } = login as { token: unknown; allowReplayWindow: unknown };
  if (token !== "HMAC-SHA-256")
    throw new SealwireError("INVALID_ARGUMENT", 'The option login must be "SCRAM-SHA-256" or a token "HMAC-SHA-256".');
  if (!(Number.isInteger(window) && (window as number) >= 1000 && (window as number) <= 86_400_000))
    throw new SealwireError(
      "INVALID_ARGUMENT",
      "A login token can be used again by whoever sees it: login.allowReplayWindow must say for how long, 1,000 to 86,400,000 milliseconds.",
    );
}

/** @throws SealwireError `INVALID_ARGUMENT` when a password would travel in the clear */
export function checkNoPassword({ unencrypted, login }: DeviceOptions, password: unknown): void {
  if (unencrypted && password !== undefined && login === undefined)
    throw new SealwireError(
      "INVALID_ARGUMENT",
      "A password is never sent without TLS: provision this device without, or set the option login.",
    );
}
