/** Options of a device that contradict each other: found at its start, not at the first connection. */
import type { DeviceOptions } from "./device-options.js";
import { SealwireError } from "../errors.js";

/** @throws SealwireError `INVALID_ARGUMENT` naming the option */
export function checkDeviceOptions(options: DeviceOptions): void {
  const { unencrypted, sealing, issueCertificate, vault, pipeline, permissions, permissionsTopic } = options;
  if (permissionsTopic !== undefined && !(sealing && typeof permissions === "function"))
    throw new SealwireError(
      "INVALID_ARGUMENT",
      "The option permissionsTopic needs the option sealing, and permissions as a function.",
    );
  if (unencrypted && sealing === undefined)
    throw new SealwireError("INVALID_ARGUMENT", "The option unencrypted needs the option sealing.");
  if (issueCertificate && vault === undefined)
    throw new SealwireError("INVALID_ARGUMENT", "The option issueCertificate needs the option vault.");
  if (pipeline !== undefined && (pipeline as string) !== "auto" && (pipeline as string) !== "off")
    throw new SealwireError("INVALID_ARGUMENT", 'The option pipeline must be "auto" or "off".');
}

/** @throws SealwireError `INVALID_ARGUMENT` when a password would travel in the clear */
export function checkNoPassword(unencrypted: boolean | undefined, password: unknown): void {
  if (unencrypted && password !== undefined)
    throw new SealwireError("INVALID_ARGUMENT", "A password is never sent without TLS: provision this device without.");
}
