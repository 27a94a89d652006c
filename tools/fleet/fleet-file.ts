/** `fleet.json`: what the commands in a folder need not be told. `sealwire init` makes it; paths are relative to it. */
import { CommandFailure, exitCodes } from "../failure.js";
import { readFile } from "../files.js";

export const fleetFileName = "fleet.json";

export interface Fleet {
  /** `host:port`, as devices reach it. */
  readonly broker: string;
  /** Folder of the PKI. */
  readonly pki: string;
  /** Of the PKI's keys; left out when it is kept elsewhere. */
  readonly passphraseFile?: string;
  /** What devices may do. */
  readonly permissions: string;
  /** Permissions files of users who are no devices, by their names. */
  readonly users: Readonly<Record<string, string>>;
  /** The user who opens what devices send. */
  readonly backEnd: string;
  /** File of the secret that those of the devices derive from. */
  readonly fleetRoot: string;
  /** Of the payload secrets. */
  readonly epoch: number;
}

const texts = ["broker", "pki", "permissions", "backEnd", "fleetRoot"] as const;

/** The fleet of the current folder, or `undefined` when there is none. @throws CommandFailure with exit code 3 when the file is wrong */
export function readFleet(file: string = fleetFileName): Fleet | undefined {
  const text = readFile(file);
  if (text === undefined) return undefined;
  const wrong = (what: string): CommandFailure =>
    new CommandFailure(exitCodes.environment, "INVALID_STATE", `${file} is wrong: ${what}.`);
  let fleet: Partial<Record<keyof Fleet, unknown>>;
  try {
    fleet = JSON.parse(text) as typeof fleet;
  } catch {
    throw wrong("it is not JSON");
  }
  if (typeof fleet !== "object" || (fleet as unknown) === null || Array.isArray(fleet)) throw wrong("it is no object");
  for (const name of texts)
    if (typeof fleet[name] !== "string" || fleet[name] === "") throw wrong(`"${name}" must be a text`);
  const { passphraseFile, users = {}, epoch = 0 } = fleet;
  if (passphraseFile !== undefined && typeof passphraseFile !== "string")
    throw wrong('"passphraseFile" must be a text, or be left out');
  if (typeof users !== "object" || users === null || !Object.values(users).every((path) => typeof path === "string"))
    throw wrong('"users" must hold names and the paths of their permissions files');
  if (!Number.isInteger(epoch) || (epoch as number) < 0 || (epoch as number) > 0xffffffff)
    throw wrong('"epoch" must be a whole number');
  return { ...(fleet as unknown as Fleet), users: users as Fleet["users"], epoch: epoch as number };
}

/** @throws CommandFailure with exit code 3 when the current folder has none */
export function requireFleet(): Fleet {
  const fleet = readFleet();
  if (fleet !== undefined) return fleet;
  throw new CommandFailure(
    exitCodes.environment,
    "INVALID_STATE",
    `There is no fleet in this folder (${fleetFileName}): sealwire init makes one.`,
  );
}

/** Folder of a simulated device. */
export function simulatedFolder(id: string): string {
  return `simulated/${id}`;
}

/** Files of a client of the fleet that is no device: as `sealwire pki device` wrote them. */
export function credentialFilesOf(fleet: Fleet, user: string): { ca: string; cert: string; key: string } {
  const own = `${fleet.pki}/devices/${user}`;
  return { ca: `${fleet.pki}/root-ca.crt`, cert: `${own}.crt`, key: `${own}.key` };
}
