/** What a device knows: for now the provisioning record that it is given. */
export { decodeProvisioningRecord, encodeProvisioningRecord, type ProvisioningRecord } from "./provisioning-record.js";
