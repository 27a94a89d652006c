/** The options of `sealwire provision`, checked. */
import { X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import type { RevocationMode, TLSVersion } from "../../src/platform.js";
import { SealwireError } from "../../src/errors.js";
import { Permissions } from "../../src/permissions/index.js";
import { CommandFailure, exitCodes, usageFailure } from "../failure.js";
import { readFile } from "../files.js";
import { readFleet } from "../fleet/fleet-file.js";
import { parseEpoch } from "../sealing/options.js";
import { readKey } from "../sealing/secret-file.js";
import { daysOf, type CommonArguments } from "../pki/commands/common.js";
import { certificatesOf, type FleetPKI } from "../pki/index.js";
import type { FleetOptions, Format } from "./build.js";

/** As the shell gave them; commander names them. */
export interface ProvisionArguments extends CommonArguments {
  readonly csv?: string;
  readonly mac?: string;
  readonly prefix?: string;
  readonly broker?: string;
  readonly fleetRoot?: string;
  readonly epoch: string;
  readonly ca?: string;
  readonly revocation: RevocationMode;
  readonly tls?: string;
  readonly days?: string;
  /** False with --no-certificate. */
  readonly certificate: boolean;
  readonly permissions?: string;
  readonly csr?: string;
  readonly username?: string;
  readonly passwordFile?: string;
  readonly format: string;
  readonly partitionSize?: string;
  readonly encrypt?: boolean;
  /** True without a folder. */
  readonly simulator?: string | true;
  readonly aws?: boolean;
  readonly awsPolicy?: string;
  readonly out: string;
}

const formats: readonly string[] = ["record", "nvs", "raw"] satisfies Format[];

/** @throws CommandFailure with exit code 2 and a sentence that names the option */
export function fleetOptions(given: ProvisionArguments, pki: FleetPKI | undefined): FleetOptions {
  const { revocation } = given;
  if (given.broker === undefined) throw usageFailure("Where the device connects must be said: --broker host:port.");
  const trustAnchors = given.ca === undefined ? (pki ? [pki.root] : []) : anchorsOf(given.ca);
  if (trustAnchors.length === 0) throw usageFailure("Without a PKI the broker's authority must be named: --ca.");
  if (revocation !== "off" && (pki === undefined || given.ca !== undefined))
    throw usageFailure("--revocation takes the lists of the PKI: it goes with its certificates only.");
  return {
    pki,
    broker: brokerOf(given.broker),
    trustAnchors,
    revocationLists: revocation === "off" ? undefined : pki?.revocationLists,
    revocation: revocation === "off" ? undefined : revocation,
    minimumVersion: versionOf(given.tls),
    days: daysOf("--days", given.days),
    permissions: given.permissions === undefined ? undefined : permissionsOf(given.permissions),
    formats: formatsOf(given.format),
    partitionSize: given.partitionSize === undefined ? undefined : sizeOf(given.partitionSize),
    encrypt: given.encrypt ?? false,
    things: given.aws ?? false,
    payloadSecrets:
      given.fleetRoot === undefined
        ? undefined
        : { root: readKey("--fleet-root", given.fleetRoot), epoch: parseEpoch(given.epoch) },
    reserved: new Set(Object.keys(readFleet()?.users ?? {})),
  };
}

/** What goes together, before anything is opened. */
export function checkArguments(id: string | undefined, given: ProvisionArguments): void {
  const refuse = (condition: boolean, sentence: string): void => {
    if (condition) throw usageFailure(sentence);
  };
  const devices = [id, given.mac, given.csv].filter((each) => each !== undefined).length;
  refuse(devices !== 1, "Name one device (its id, or --mac), or a table of them (--csv): one of the three.");
  const isTable = given.csv !== undefined;
  for (const option of ["csr", "username", "passwordFile"] as const)
    refuse(
      isTable && given[option] !== undefined,
      `${optionOf(option)} is for one device; a table has columns for it.`,
    );
  refuse(isTable && given.simulator !== undefined, "--simulator is for one device.");
  refuse(given.prefix !== undefined && id !== undefined, "--prefix is for identifiers that derive from a MAC address.");
  refuse(!given.certificate && given.csr !== undefined, "--csr asks for a certificate, --no-certificate for none.");
  refuse(!given.certificate && given.aws === true, "--aws needs certificates: not with --no-certificate.");
  refuse(given.awsPolicy !== undefined && given.aws !== true, "--aws-policy goes with --aws.");
  for (const option of ["csr", "encrypt", "partitionSize"] as const)
    refuse(
      given.simulator !== undefined && given[option] !== undefined,
      `${optionOf(option)} is for devices that are flashed, not for --simulator.`,
    );
  if (isTable) return;
  refuse(
    (given.username === undefined) !== (given.passwordFile === undefined),
    "--username and --password-file go together.",
  );
  refuse(!given.certificate && given.username === undefined, "Without a certificate a device needs --username.");
}

function optionOf(name: string): string {
  return `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

function brokerOf(text: string): FleetOptions["broker"] {
  const match = /^(?:mqtts:\/\/)?(?:\[([0-9A-Fa-f:.]+)\]|([^\s:/?#@[\]]+))(?::(\d{1,5}))?\/?$/.exec(text);
  const host = match?.[1] ?? match?.[2] ?? "";
  const port = Number(match?.[3] ?? 8883);
  if (!match || port < 1 || port > 65535 || (match[1] !== undefined && isIP(host) !== 6))
    throw usageFailure("--broker must be host:port, where the port is 8883 when left out.");
  return { host, port };
}

function versionOf(tls: string | undefined): TLSVersion | undefined {
  if (tls === undefined || tls === "1.2") return undefined;
  if (tls === "1.3") return "TLSv1.3";
  throw usageFailure("--tls must be 1.2 or 1.3: the oldest version that the device accepts.");
}

function formatsOf(text: string): Format[] {
  const names = [...new Set(text.split(","))];
  if (!names.every((name) => formats.includes(name)))
    throw usageFailure(`--format must be ${formats.join(", ")}, or several of them with commas between.`);
  return names as Format[];
}

/** The firmware is given the same file as the broker: what it may not do there it does not try. */
function permissionsOf(file: string): Uint8Array {
  const text = readFile(file);
  if (text === undefined) throw usageFailure(`There is no file ${file} (--permissions).`);
  try {
    return Permissions.parse(text).toBytes();
  } catch (error) {
    if (!(error instanceof SealwireError)) throw error;
    throw new CommandFailure(exitCodes.usage, error.code, `${file} (--permissions): ${error.message}`, {
      cause: error,
    });
  }
}

function sizeOf(text: string): number {
  const size = Number(text);
  if (!/^(0x[0-9a-f]{1,6}|\d{1,8})$/i.test(text) || size < 4096 || size % 4096 !== 0 || size > 0x100000)
    throw usageFailure("--partition-size must be a multiple of 4096 up to 1 MiB, 0x6000 for example.");
  return size;
}

/** A device that trusts the wrong ones can never be reached again: so they are looked at. */
function anchorsOf(file: string): Uint8Array[] {
  const found = certificatesOf("--ca", file);
  for (const der of found) {
    const certificate = new X509Certificate(der);
    const { ca, subject, issuer, validTo } = certificate;
    const refuse = (why: string): never => {
      throw usageFailure(`${file} (--ca) holds ${subject.replaceAll("\n", ", ")}, which ${why}.`);
    };
    // Who signed himself may be pinned, whatever he is.
    if (!ca && subject !== issuer) refuse("is not an authority");
    if (Date.parse(validTo) <= Date.now()) refuse(`expired on ${new Date(validTo).toISOString().slice(0, 10)}`);
  }
  return found;
}
