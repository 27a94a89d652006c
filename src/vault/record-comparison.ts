/** Whether a provisioning record was imported before: the vault then holds what it says. */
import { equal, wipe } from "../bytes.js";
import { wipeRecord } from "./credentials.js";
import { decodeProvisioningRecord, encodeProvisioningRecord, type ProvisioningRecord } from "./provisioning-record.js";

/** Whether the certificate is for a key that was born on the device, and is not in the record. */
export function awaitsOwnKey({ certificateChain, privateKey }: ProvisioningRecord): boolean {
  return certificateChain.length > 0 && privateKey === undefined;
}

/** The same of a record as it is encoded. @throws SealwireError `PROVISIONING_INVALID` */
export function isForOwnKey(bytes: Uint8Array): boolean {
  const record = decodeProvisioningRecord(bytes);
  wipeRecord(record);
  return awaitsOwnKey(record);
}

/**
 * @param content of the vault
 * @param bytes of the provisioning partition, decrypted
 * @returns `undefined` for what an interrupted erase left of a record
 */
export function isSameRecord(content: Uint8Array, bytes: Uint8Array): boolean | undefined {
  // As a rule it was imported as it is: decoded, both would take three times their size.
  if (equal(content, bytes)) return true;
  let record: ProvisioningRecord;
  try {
    record = decodeProvisioningRecord(bytes);
  } catch {
    return undefined;
  }
  const held = decodeProvisioningRecord(content);
  const expected = encodeProvisioningRecord(record);
  const found = encodeProvisioningRecord(awaitsOwnKey(record) ? { ...held, privateKey: undefined } : held);
  const same = equal(expected, found);
  wipe(expected);
  wipe(found);
  wipeRecord(record);
  wipeRecord(held);
  return same;
}
