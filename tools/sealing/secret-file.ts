/** Secrets come from files that nobody else can read: arguments are seen by every process of the machine. */
import * as fs from "node:fs";
import { createCrypto } from "../../hosts/node/crypto/crypto.js";
import { toUTF8 } from "../../src/bytes.js";
import type { Key } from "../../src/platform.js";
import { EpochSecrets, FleetSecrets, type SecretSource } from "../../src/sealing/index.js";
import { reasonOf, usageFailure } from "../failure.js";

/** Where the secret is, and what it is. */
export interface SecretArguments {
  readonly secret?: string;
  readonly fleetRoot?: string;
  readonly epoch: number;
}

const crypto = createCrypto();

/**
 * The secrets to open with, or to seal with for `device`.
 * @throws CommandFailure with exit code 2; never quotes what is in the file
 */
export function readSecrets({ secret, fleetRoot, epoch }: SecretArguments, device?: string): SecretSource {
  if ((secret === undefined) === (fleetRoot === undefined))
    throw usageFailure("Name either the file of a master secret (--secret) or that of a fleet root (--fleet-root).");
  if (secret !== undefined) return new EpochSecrets(new Map([[epoch, readKey("--secret", secret)]]));
  const fleet = new FleetSecrets({ crypto, root: readKey("--fleet-root", fleetRoot!), epoch });
  if (device === undefined) return fleet;
  // Whoever the sender is, the secret is that of the device.
  const id = toUTF8(device);
  return { epoch, minimumEpoch: 0, with: (_sender, at, use) => fleet.with(id, at, use) };
}

/** @throws CommandFailure with exit code 2 when others can read the file, or it holds no secret */
export function readKey(option: string, file: string): Key {
  let bytes: Buffer;
  try {
    const descriptor = fs.openSync(file, "r");
    try {
      const { mode } = fs.fstatSync(descriptor);
      if (process.platform !== "win32" && (mode & 0o077) !== 0)
        throw usageFailure(`Others can read ${file} (${option}): its mode must be 0600, so \`chmod 600 ${file}\`.`);
      bytes = fs.readFileSync(descriptor);
    } finally {
      fs.closeSync(descriptor);
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).syscall === undefined) throw error;
    throw usageFailure(`Cannot read ${file} (${option}): ${reasonOf(error)}.`);
  }
  const text = bytes.toString("latin1").trim();
  const secret = /^([0-9a-fA-F]{2}){16,64}$/.test(text) ? Buffer.from(text, "hex") : bytes;
  try {
    if (secret.byteLength < 16 || secret.byteLength > 64)
      throw usageFailure(`${file} (${option}) must hold 16 to 64 bytes, as they are or in hexadecimal.`);
    return crypto.importKey("secret", secret);
  } finally {
    bytes.fill(0);
    secret.fill(0);
  }
}
