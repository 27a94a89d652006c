/** What a device knows: for now the provisioning record that it is given. */
export { readCredentials, type Credentials } from "./credentials.js";
export { decodeProvisioningRecord, encodeProvisioningRecord, type ProvisioningRecord } from "./provisioning-record.js";
