/** Gives a simulated device what a real one is given at the factory. */
import * as path from "node:path";
import { createPlatform } from "../../hosts/node/index.js";
import { encodeProvisioningRecord, Vault } from "../../src/vault/index.js";
import type { TLSVersionRange } from "../brokers/index.js";
import { replaceFile } from "../files.js";
import type { Credentials } from "../pki/index.js";

export interface Provisioning {
  /** The device's folder. */
  readonly folder: string;
  /** The name in the broker's certificate, and the port at which the device reaches it. */
  readonly broker: { readonly host: string; readonly port: number };
  /** DER certificates that the broker's must chain to. */
  readonly trustAnchors: readonly Uint8Array[];
  /** With lists, the broker's whole chain is checked against them. DER. */
  readonly revocationLists?: readonly Uint8Array[] | undefined;
  readonly credentials: Credentials;
  /** The master secret of its sealed payloads; they go as they are when `undefined`. */
  readonly payloadSecret?: Uint8Array | undefined;
  readonly versions: TLSVersionRange;
}

/** Writes the provisioning record into the device's folder, and wipes what its vault holds of an earlier run. */
export function provision(options: Provisioning): void {
  const { folder, broker, trustAnchors, revocationLists, credentials, payloadSecret, versions } = options;
  const { storage, crypto, rootOfTrust, counter } = createPlatform({ folder });
  const vault = Vault.open({ storage, crypto, rootOfTrust, counter, clock: { now: () => Date.now() } });
  if (vault.status.integrity === "empty") vault.close();
  else vault.wipe();
  const record = encodeProvisioningRecord({
    broker,
    trustAnchors,
    revocationLists,
    revocation: revocationLists ? "chain" : "off",
    certificateChain: credentials.certificateChain,
    privateKey: credentials.privateKey,
    payloadSecrets: payloadSecret && new Map([[0, payloadSecret]]),
    tls: { minimumVersion: versions.minimum, maximumVersion: versions.maximum },
  });
  replaceFile(path.join(folder, "provisioning.bin"), record, 0o600);
  record.fill(0);
}
