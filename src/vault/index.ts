/** What a device knows: credentials as they are provisioned, kept and replaced. */
export { readCredentials, type Credentials } from "./credentials.js";
export {
  decodeProvisioningRecord,
  encodeProvisioningRecord,
  type BootstrapIdentity,
  type ProvisioningRecord,
} from "./provisioning-record.js";
export { lockProvisioningRecord, unlockProvisioningRecord } from "./provisioning-envelope.js";
export { PROVISIONING_IMAGE_HEADER, provisioningImageHeader, readProvisioningImage } from "./provisioning-image.js";
export { renewalTime, type RenewalOptions } from "./renewal.js";
export type { RotationOutcome } from "./rotation-note.js";
export { Vault, type RecordChange, type VaultOptions } from "./vault.js";
export type { RollbackProtection, VaultIntegrity, VaultStatus } from "./vault-status.js";
