/** What both commands take. */
import { Option, type Command } from "commander";
import { createCrypto } from "../../hosts/node/crypto/crypto.js";
import { FolderStorage } from "../../hosts/node/storage.js";
import type { ContentAlgorithmName } from "../../src/cose/index.js";
import { SealwireError } from "../../src/errors.js";
import { Sealing, type Encoding, type SecretSource } from "../../src/sealing/index.js";
import { createFolder } from "../files.js";
import { usageFailure } from "../failure.js";

export interface CommonArguments {
  readonly secret?: string;
  readonly fleetRoot?: string;
  readonly epoch: string;
  readonly algorithm: ContentAlgorithmName;
  readonly state?: string;
}

export function addCommonOptions(command: Command): Command {
  return command
    .helpOption("-h, --help", "print this help")
    .option("--secret <file>", "file of the master secret, mode 0600: 16 to 64 bytes, or hexadecimal")
    .option("--fleet-root <file>", "file of the fleet root, mode 0600: secrets of devices derive from it")
    .option("--epoch <n>", "epoch of the secret", "0")
    .addOption(
      new Option("--algorithm <name>", "of the content")
        .choices(["A128GCM", "A256GCM", "AES-CCM-16-64-128", "AES-CCM-16-128-128"])
        .default("A128GCM"),
    )
    .allowExcessArguments(false);
}

export function parseEpoch(text: string): number {
  const epoch = Number(text);
  if (!/^\d+$/.test(text) || epoch > 0xffffffff)
    throw usageFailure("--epoch must be a whole number from 0 to 4294967295.");
  return epoch;
}

export interface StationOptions extends Pick<CommonArguments, "algorithm" | "state"> {
  readonly secrets: SecretSource;
  readonly sender: string;
  readonly encoding?: Encoding;
  readonly fullIV?: boolean;
  readonly acceptOwn?: boolean;
}

/** A sealing room; with `state`, a folder that only its user can read, it remembers what it has sealed and opened. */
export function openStation({ secrets, sender, state, ...options }: StationOptions): Sealing {
  if (state !== undefined) createFolder(state, 0o700);
  // A back end hears a whole fleet, and may start again often.
  const sealing = new Sealing({ ...options, maximumSenders: 4096, maximumKeys: 1024, afterRestart: "deliver" });
  sealing.open({
    crypto: createCrypto(),
    storage:
      state === undefined ? undefined : new FolderStorage(state, { maximumValueLength: 200_000, capacity: 1_000_000 }),
    secrets,
    clientIdentifier: sender,
  });
  return sealing;
}

/** All that comes in, at most 256 MB: the largest payload of MQTT. */
export async function readInput(): Promise<Uint8Array> {
  const parts: Buffer[] = [];
  let byteLength = 0;
  for await (const part of process.stdin as AsyncIterable<Buffer>) {
    byteLength += part.byteLength;
    if (byteLength > 268_435_455)
      throw new SealwireError("INVALID_ARGUMENT", "The input is longer than a payload of MQTT can be.");
    parts.push(part);
  }
  return new Uint8Array(Buffer.concat(parts));
}

/** Waits until the reader has taken it. */
export function writeOutput(bytes: Uint8Array | string): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(bytes, (error) => {
      if (error) reject(error);
      else resolve();
    });
  });
}
