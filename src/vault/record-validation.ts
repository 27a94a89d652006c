/** What a record must fulfil before the vault takes it. */
import { equal, wipe } from "../bytes.js";
import { SealwireError } from "../errors.js";
import type { Crypto } from "../platform.js";
import { closeCredentials, toCredentials, wipeRecord } from "./credentials.js";
import { decodeProvisioningRecord, encodeProvisioningRecord, type ProvisioningRecord } from "./provisioning-record.js";
import { requireStrongSecret } from "./secret-strength.js";

/**
 * Checks a record and encodes it.
 * @returns its bytes, for the caller to wipe
 * @throws SealwireError as {@link requireValid}
 */
export function encodeValid(crypto: Crypto, record: ProvisioningRecord): Uint8Array {
  if (record.trustAnchors.length === 0)
    throw new SealwireError("PROVISIONING_INVALID", "The record has no trust anchor: no broker could be verified.");
  const bytes = encodeProvisioningRecord(record);
  try {
    requireValid(crypto, bytes);
  } catch (error) {
    wipe(bytes);
    throw error;
  }
  return bytes;
}

/**
 * Checks a record as it is encoded. Each private key must be the one of its certificate, and no secret a weak one.
 * @throws SealwireError `PROVISIONING_INVALID`, `CREDENTIALS_WEAK`, `CRYPTO_INVALID`
 */
export function requireValid(crypto: Crypto, bytes: Uint8Array): void {
  // A copy: making handles wipes what they are made of.
  const record = decodeProvisioningRecord(bytes);
  try {
    requireStrongSecrets(record);
    const credentials = toCredentials(crypto, record);
    try {
      const { certificateChain, privateKey, bootstrap } = credentials;
      if (certificateChain && privateKey) requirePair(crypto, certificateChain[0], crypto.publicKey(privateKey));
      if (bootstrap) requirePair(crypto, bootstrap.certificateChain[0], crypto.publicKey(bootstrap.privateKey));
    } finally {
      closeCredentials(credentials);
    }
  } finally {
    wipeRecord(record);
  }
}

/** @throws SealwireError `PROVISIONING_INVALID`, `CREDENTIALS_WEAK` */
function requireStrongSecrets(record: ProvisioningRecord): void {
  const { username, clientIdentifier, password, payloadSecrets } = record;
  const names = [username, clientIdentifier];
  if (username !== undefined && password === undefined)
    throw new SealwireError("CREDENTIALS_WEAK", "The user name has no password.");
  if (password !== undefined)
    requireStrongSecret("password", password, { names, allowShort: record.allowShortPassword === true });
  for (const [epoch, secret] of payloadSecrets ?? []) {
    requireStrongSecret(`payload secret of epoch ${epoch}`, secret, { names, allowShort: false });
    if (secret.byteLength > 64)
      throw new SealwireError("PROVISIONING_INVALID", `The payload secret of epoch ${epoch} is over 64 bytes.`);
  }
}

/** @throws SealwireError `PROVISIONING_INVALID` when the key is not the one in the certificate */
export function requirePair(crypto: Crypto, certificate: Uint8Array | undefined, publicKey: Uint8Array): void {
  if (certificate === undefined || !equal(crypto.certificate(certificate).publicKey, publicKey))
    throw new SealwireError("PROVISIONING_INVALID", "A private key in the record is not the one of its certificate.");
}
