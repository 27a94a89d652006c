/** `sealwire pki revoke --disconnect`: ends the live connections of who was revoked, since a broker looks at its list at the next connect only. */
import * as fs from "node:fs";
import { disconnectClient } from "../../broker/disconnect.js";
import { disconnectRefusal, disconnectRequest } from "../../broker/managed-mosquitto.js";
import { isClaimed } from "../../claim.js";
import { SealwireError } from "../../../src/errors.js";
import { usageFailure } from "../../failure.js";
import { readSecret } from "../../secrets.js";
import { createFile, readFile } from "../../files.js";

export interface DisconnectRevokedArguments {
  readonly disconnect?: boolean;
  readonly brokerState: string;
  readonly broker?: string;
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly admin?: string;
  readonly adminPasswordFile?: string;
}

/** Milliseconds that a broker has to read the list and start again. */
const longestRestart = 20_000;

export interface Disconnected {
  readonly how: "dynamic security" | "broker restart";
  readonly names: readonly string[];
  /** What did not work, in sentences. */
  readonly failures: readonly string[];
}

/**
 * What must be right before anything is revoked.
 * @returns the administrator's password: standard input gives it once, however many devices there are
 * @throws CommandFailure with exit code 2 or 3
 */
export function checkDisconnect(given: DisconnectRevokedArguments): string | undefined {
  const { disconnect, broker, ca, cert, key, admin, adminPasswordFile } = given;
  const others = [broker, ca, cert, key, admin, adminPasswordFile].some((value) => value !== undefined);
  if (others && !disconnect) throw usageFailure("--broker and what belongs to it go with --disconnect.");
  if (others && (broker === undefined || ca === undefined))
    throw usageFailure("To disconnect through dynamic security, --broker and --ca are needed.");
  return adminPasswordFile === undefined ? undefined : readSecret(adminPasswordFile, "administrator's password");
}

/** @param devices that were revoked, with their certificates */
export async function disconnectRevoked(
  devices: readonly { readonly name: string; readonly serialNumber: string }[],
  given: DisconnectRevokedArguments,
  password: string | undefined,
): Promise<Disconnected> {
  const names = [...new Set(devices.map(({ name }) => name))];
  const { broker, ca } = given;
  if (broker === undefined || ca === undefined)
    return restartBroker(names, devices.map(({ serialNumber }) => `${serialNumber}\n`).join(""), given.brokerState);
  const { cert, key, admin } = given;
  const failures: string[] = [];
  for (const name of names)
    try {
      await disconnectClient(
        name,
        {
          broker,
          ca,
          ...(cert !== undefined && { cert }),
          ...(key !== undefined && { key }),
          ...(admin !== undefined && { admin }),
        },
        password,
      );
    } catch (error) {
      if (!(error instanceof SealwireError)) throw error;
      failures.push(`${name} could not be disconnected: ${error.message}`);
    }
  return { how: "dynamic security", names, failures };
}

async function restartBroker(names: readonly string[], serialNumbers: string, state: string): Promise<Disconnected> {
  const result = (...failures: string[]): Disconnected => ({ how: "broker restart", names, failures });
  if (!isClaimed(state))
    return result(`No sealwire broker run has its state in ${state} (--broker-state): nobody was disconnected.`);
  const request = disconnectRequest(state);
  const end = performance.now() + longestRestart;
  // Another command may have asked just now: it comes first.
  for (let asked = false; ;) {
    if (!asked) asked = createFile(request, serialNumbers, 0o600) === serialNumbers;
    else if (!fs.existsSync(request)) break;
    if (performance.now() > end || !isClaimed(state)) {
      if (asked) fs.rmSync(request, { force: true });
      return result(`The broker whose state is in ${state} did not start again: look whether it runs.`);
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const refusal = readFile(disconnectRefusal(state));
  fs.rmSync(disconnectRefusal(state), { force: true });
  return refusal === undefined
    ? result()
    : result(`The broker whose state is in ${state} ${refusal.replace(/\.$/, "")}: nobody was disconnected.`);
}
