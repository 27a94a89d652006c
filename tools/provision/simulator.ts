/** Provisions a simulated device as a factory would like to do it with a real one: the key is born in the device's vault, whose root this process can use. */
import { createPlatform } from "../../hosts/node/index.js";
import { Vault } from "../../src/vault/index.js";
import { claimFolder } from "../claim.js";
import { CommandFailure, exitCodes } from "../failure.js";
import { createFolder } from "../files.js";
import { type FleetPKI, type NewEntry, parseCertificateRequest } from "../pki/index.js";
import { type FleetOptions, payloadSecretsOf } from "./build.js";
import type { DeviceOrder } from "./device-order.js";

/** @returns the certificate; `undefined` for a device without one */
export async function provisionSimulator(
  folder: string,
  order: DeviceOrder,
  options: FleetOptions,
): Promise<NewEntry | undefined> {
  const secrets = payloadSecretsOf(order, options);
  createFolder(folder, 0o700);
  const release = claimFolder(folder);
  try {
    const { storage, crypto, rootOfTrust, counter, provisioning } = createPlatform({ folder });
    const vault = Vault.open({ storage, crypto, rootOfTrust, counter, clock: { now: () => Date.now() } });
    try {
      const { integrity } = vault.status;
      if (integrity !== "empty" || provisioning?.read() !== undefined)
        throw new CommandFailure(
          exitCodes.environment,
          "INVALID_STATE",
          `The simulated device in ${folder} is provisioned already: name another folder.`,
        );
      const entry = options.pki && (await issue(options.pki, vault, order.clientIdentifier, options.days));
      vault.provision({
        broker: options.broker,
        clientIdentifier: order.clientIdentifier,
        trustAnchors: options.trustAnchors,
        revocationLists: options.revocationLists,
        revocation: options.revocation,
        certificateChain: options.pki && entry ? [entry.certificate, options.pki.issuing] : [],
        username: order.username,
        password: order.password,
        ...(options.minimumVersion && { tls: { minimumVersion: options.minimumVersion } }),
        ...(options.permissions && { permissions: options.permissions }),
        ...secrets,
        ...(order.allowShortPassword && { allowShortPassword: true }),
      });
      return entry;
    } finally {
      vault.close();
    }
  } finally {
    release();
  }
}

async function issue(
  pki: FleetPKI,
  vault: Vault,
  clientIdentifier: string,
  days: number | undefined,
): Promise<NewEntry> {
  const request = await parseCertificateRequest(await vault.certificateRequest(clientIdentifier), "of the device");
  const entry = await pki.issueDevice(clientIdentifier, request.publicKey, days);
  pki.index.add([entry]);
  return entry;
}
