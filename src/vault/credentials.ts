/** What a device presents to its broker, and what it checks the broker against. */
import { wipe } from "../bytes.js";
import { SealwireError, toSealwireError } from "../errors.js";
import type { Crypto, Key, Platform, RevocationMode, TLSVersion } from "../platform.js";
import { unlockProvisioningRecord } from "./provisioning-envelope.js";
import { decodeProvisioningRecord, type ProvisioningRecord } from "./provisioning-record.js";

/** Certificates and lists are DER; private keys and payload secrets are handles, their bytes stay with the host. */
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
  /** Master secrets of sealed payloads by epoch. */
  readonly payloadSecrets?: ReadonlyMap<number, Key> | undefined;
  readonly permissions?: Uint8Array | undefined;
  /** For the renewal of an expired certificate, and nothing else. */
  readonly bootstrap?: { readonly certificateChain: readonly Uint8Array[]; readonly privateKey: Key } | undefined;
}

/**
 * The credentials in the provisioning partition.
 * @param code opens a record that is encrypted to a one-time code
 * @throws SealwireError `PROVISIONING_MISSING`, `PROVISIONING_INVALID`, `PROVISIONING_LOCKED`
 */
export function readCredentials(platform: Pick<Platform, "provisioning" | "crypto">, code?: string): Credentials {
  const stored = platform.provisioning?.read();
  if (stored === undefined)
    throw new SealwireError(
      "PROVISIONING_MISSING",
      "This device has no provisioning record: flash one and start it again.",
    );
  const bytes = unlockProvisioningRecord(platform.crypto, stored, code);
  try {
    return toCredentials(platform.crypto, decodeProvisioningRecord(bytes));
  } finally {
    // They hold the private key, whether or not the record is well-formed.
    wipe(bytes);
  }
}

/**
 * Makes handles of the secrets in a record, and wipes them there; the password stays, since CONNECT carries it.
 * @throws SealwireError `PROVISIONING_INVALID`; no handle is left open then
 */
export function toCredentials(crypto: Crypto, record: ProvisioningRecord): Credentials {
  const { privateKey, tls, payloadSecrets, bootstrap, ...rest } = record;
  const keys: Key[] = [];
  const take = (type: "private" | "secret", what: string, bytes: Uint8Array): Key => {
    try {
      const key = crypto.importKey(type, bytes);
      keys.push(key);
      return key;
    } catch (error) {
      throw toSealwireError(error, "PROVISIONING_INVALID", `The ${what} in the provisioning record cannot be used.`);
    }
  };
  try {
    if ((privateKey === undefined) !== (record.certificateChain.length === 0))
      throw new SealwireError(
        "PROVISIONING_INVALID",
        "A device certificate and its private key must be provisioned together.",
      );
    const secrets = payloadSecrets && new Map<number, Key>();
    for (const [epoch, secret] of payloadSecrets ?? []) secrets?.set(epoch, take("secret", "payload secret", secret));
    return {
      broker: rest.broker,
      clientIdentifier: rest.clientIdentifier,
      trustAnchors: rest.trustAnchors,
      revocationLists: rest.revocationLists,
      revocation: rest.revocation,
      certificateChain: rest.certificateChain,
      username: rest.username,
      password: rest.password,
      permissions: rest.permissions,
      ...tls,
      privateKey: privateKey && take("private", "private key", privateKey),
      payloadSecrets: secrets,
      bootstrap: bootstrap && {
        certificateChain: bootstrap.certificateChain,
        privateKey: take("private", "private key of the bootstrap identity", bootstrap.privateKey),
      },
    };
  } catch (error) {
    for (const key of keys) key.close();
    throw error;
  } finally {
    wipe(privateKey);
    wipe(bootstrap?.privateKey);
    for (const secret of payloadSecrets?.values() ?? []) wipe(secret);
  }
}

/** Closes every handle, and wipes the password. */
export function closeCredentials(credentials: Credentials): void {
  credentials.privateKey?.close();
  credentials.bootstrap?.privateKey.close();
  for (const key of credentials.payloadSecrets?.values() ?? []) key.close();
  wipe(credentials.password);
}

/** Overwrites every secret of a record. */
export function wipeRecord(record: ProvisioningRecord): void {
  wipe(record.privateKey);
  wipe(record.password);
  wipe(record.bootstrap?.privateKey);
  for (const secret of record.payloadSecrets?.values() ?? []) wipe(secret);
}
