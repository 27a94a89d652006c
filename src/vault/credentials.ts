/** What a device presents to its broker, and what it checks the broker against. */
import { wipe } from "../bytes.js";
import { SealwireError, toSealwireError } from "../errors.js";
import type { Key, Platform, RevocationMode, TLSVersion } from "../platform.js";
import { decodeProvisioningRecord, type ProvisioningRecord } from "./provisioning-record.js";

/** Certificates and lists are DER; the private key is a handle, its bytes stay with the host. */
export interface Credentials {
  readonly broker: { readonly host: string; readonly port: number };
  readonly clientIdentifier?: string | undefined;
  readonly trustAnchors: readonly Uint8Array[];
  readonly revocationLists?: readonly Uint8Array[] | undefined;
  readonly revocation?: RevocationMode | undefined;
  readonly certificateChain?: readonly Uint8Array[] | undefined;
  readonly privateKey?: Key | undefined;
  readonly username?: string | undefined;
  readonly password?: Uint8Array | undefined;
  readonly minimumVersion?: TLSVersion | undefined;
  readonly maximumVersion?: TLSVersion | undefined;
}

/**
 * The credentials in the provisioning partition.
 * @throws SealwireError `PROVISIONING_MISSING`, `PROVISIONING_INVALID`
 */
export function readCredentials(platform: Pick<Platform, "provisioning" | "crypto">): Credentials {
  const bytes = platform.provisioning?.read();
  if (bytes === undefined)
    throw new SealwireError(
      "PROVISIONING_MISSING",
      "This device has no provisioning record: flash one and start it again.",
    );
  const { privateKey, tls, ...record } = decode(bytes);
  if ((privateKey === undefined) !== (record.certificateChain.length === 0))
    throw new SealwireError(
      "PROVISIONING_INVALID",
      "A device certificate and its private key must be provisioned together.",
    );
  let key: Key | undefined;
  try {
    key = privateKey && platform.crypto.importKey("private", privateKey);
  } catch (error) {
    throw toSealwireError(error, "PROVISIONING_INVALID", "The private key in the provisioning record cannot be used.");
  } finally {
    wipe(privateKey);
  }
  return { ...record, ...tls, privateKey: key };
}

/** @param bytes are wiped: they hold the private key, whether or not the record is well-formed */
function decode(bytes: Uint8Array): ProvisioningRecord {
  try {
    return decodeProvisioningRecord(bytes);
  } finally {
    wipe(bytes);
  }
}
