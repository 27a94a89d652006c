/** `sealwire init`: a fleet from nothing. What is there already is left as it is, so that a run that broke off can be done again. */
import { randomBytes } from "node:crypto";
import * as fs from "node:fs";
import * as net from "node:net";
import * as path from "node:path";
import type { PermissionEntry } from "../../src/permissions/index.js";
import { freePort, localHost, loopback } from "../brokers/index.js";
import { claimFolder } from "../claim.js";
import type { CommandResult } from "../command-result.js";
import { CommandFailure, exitCodes } from "../failure.js";
import { createFile, readFile, replaceFile } from "../files.js";
import { passphraseOf, passphraseVariable } from "../pki/commands/common.js";
import {
  createPKI,
  exportPrivateKey,
  FleetPKI,
  generateKeys,
  type KeyPair,
  type NewEntry,
  toPEM,
  unfinished,
} from "../pki/index.js";
import { addressOf } from "./defaults.js";
import { type Fleet, fleetFileName } from "./fleet-file.js";

export interface InitArguments {
  readonly name: string;
  readonly broker?: string;
  readonly passphraseFile?: string;
  readonly json?: boolean;
  readonly verbose?: boolean;
}

const defaultPort = 8883;
const pki = "pki";
const backEnd = "back-end";

/** Each device has its own topics, and no other's. */
const devicePermissions: readonly PermissionEntry[] = [
  { topic: "%c/telemetry", operation: "publish", qos: [0, 1] },
  { topic: "%c/answers", operation: "publish", qos: [0, 1] },
  { topic: "%c/commands", operation: "subscribe", qos: [0, 1] },
];

const backEndPermissions: readonly PermissionEntry[] = [
  { topic: "+/telemetry", operation: "subscribe", qos: [0, 1] },
  { topic: "+/answers", operation: "subscribe", qos: [0, 1] },
  { topic: "+/commands", operation: "publish", qos: [0, 1] },
];

const files = {
  permissions: "permissions.json",
  backEnd: `${backEnd}.json`,
  fleetRoot: "fleet-root.key",
  passphrase: "pki.passphrase",
} as const;

/** Secrets, what runs that were killed may leave of them, and what a device or broker keeps. */
const ignored = [
  `${pki}/`,
  `.*.${unfinished}/`,
  files.passphrase,
  `.${files.passphrase}.*`,
  files.fleetRoot,
  `.${files.fleetRoot}.*`,
  "provisioned/",
  "simulated/",
  ".sealwire/",
];

/** @throws CommandFailure with exit code 3 when there is a fleet here already */
export async function init(given: InitArguments): Promise<CommandResult> {
  const release = claimFolder(".");
  try {
    return await make(given);
  } finally {
    release();
  }
}

async function make(given: InitArguments): Promise<CommandResult> {
  if (readFile(fleetFileName) !== undefined)
    throw new CommandFailure(
      exitCodes.environment,
      "INVALID_STATE",
      `There is a fleet in this folder already (${fleetFileName}); it is left as it is.`,
    );
  const address = addressOf(given.broker ?? `${localHost}:${await goodPort()}`);
  const passphraseFile = passphraseFileOf(given);
  ignoreSecrets();
  createFile(files.permissions, textOf(devicePermissions), 0o644);
  createFile(files.backEnd, textOf(backEndPermissions), 0o644);
  createFile(files.fleetRoot, `${randomBytes(32).toString("hex")}\n`, 0o600);
  const passphrase = passphraseOf(
    { pki, ...(passphraseFile !== undefined && { passphraseFile }) },
    !fs.existsSync(pki),
  );
  if (!fs.existsSync(pki))
    await createPKI({
      folder: pki,
      name: given.name,
      algorithm: "P-256",
      passphrase: await passphrase(),
      importPassphrase: passphrase,
    });
  const isLocal = address.host === localHost;
  await issueCertificates(new FleetPKI({ folder: pki, passphrase }), [
    address.host,
    ...(isLocal ? [loopback, "::1"] : []),
  ]);
  const host = net.isIPv6(address.host) ? `[${address.host}]` : address.host;
  const fleet: Fleet = {
    broker: `${host}:${address.port}`,
    pki,
    ...(passphraseFile !== undefined && { passphraseFile }),
    permissions: files.permissions,
    users: { [backEnd]: files.backEnd },
    backEnd,
    fleetRoot: files.fleetRoot,
    epoch: 0,
  };
  replaceFile(fleetFileName, textOf(fleet));
  return {
    json: { fleet: fleetFileName, ...fleet },
    lines: [
      `Fleet        ${fleetFileName}: the commands in this folder take their defaults from it`,
      `Broker       ${fleet.broker}${!isLocal || address.port === defaultPort ? "" : given.broker === undefined ? ` (port ${defaultPort} is in use)` : ""}`,
      `PKI          ${pki}/: root, issuing authority, certificates of the broker and of the back end`,
      `Permissions  ${files.permissions}: of every device; ${files.backEnd}: of the back end`,
      `Secrets      ${files.fleetRoot}: payload secrets of the devices derive from it`,
      ...(passphraseFile === files.passphrase
        ? [`             ${files.passphrase}: opens the keys in ${pki}/; for more than a trial keep it elsewhere`]
        : []),
    ],
  };
}

/** Before there are any. A file that is there keeps what it says. */
function ignoreSecrets(): void {
  const file = ".gitignore";
  const before = readFile(file) ?? "";
  const lines = before.split(/\r?\n/);
  const missing = ignored.filter((line) => !lines.includes(line));
  if (missing.length === 0) return;
  const end = before === "" || before.endsWith("\n") ? before : `${before}\n`;
  replaceFile(file, `${end}# Of sealwire: secrets, and what a device or broker keeps.\n${missing.join("\n")}\n`);
}

/** One is made unless there is another source. */
function passphraseFileOf({ passphraseFile }: InitArguments): string | undefined {
  if (passphraseFile !== undefined) return passphraseFile;
  if (process.env[passphraseVariable] !== undefined) return undefined;
  createFile(files.passphrase, `${randomBytes(20).toString("base64url")}\n`, 0o600);
  return files.passphrase;
}

async function issueCertificates(open: FleetPKI, serverNames: readonly string[]): Promise<void> {
  try {
    await issue(open, path.join("servers", serverNames[0]!), (keys) => open.issueServer(serverNames, keys.publicKey));
    await issue(open, path.join("devices", backEnd), (keys) => open.issueDevice(backEnd, keys.publicKey));
  } finally {
    open.close();
  }
}

/** The certificate is written last: where it is, all is there. */
async function issue(open: FleetPKI, name: string, make: (keys: KeyPair) => Promise<NewEntry>): Promise<void> {
  const file = path.join(open.folder, name);
  if (fs.existsSync(`${file}.crt`)) return;
  const keys = await generateKeys();
  const entry = await make(keys);
  const privateKey = await exportPrivateKey(keys);
  replaceFile(`${file}.key`, toPEM("PRIVATE KEY", privateKey), 0o600);
  privateKey.fill(0);
  open.index.add([entry]);
  replaceFile(`${file}.crt`, open.chainPEM(entry.certificate));
}

/** The usual one, unless something else listens there. */
async function goodPort(): Promise<number> {
  const isFree = await new Promise<boolean>((resolve) => {
    const server = net.createServer();
    server.once("error", () => resolve(false));
    server.listen(defaultPort, loopback, () => server.close(() => resolve(true)));
  });
  return isFree ? defaultPort : freePort();
}

function textOf(value: object): string {
  const json = JSON.stringify(value, undefined, 2);
  // An entry a line.
  const text = Array.isArray(value) ? `[\n${value.map((entry) => `  ${JSON.stringify(entry)}`).join(",\n")}\n]` : json;
  return `${text}\n`;
}
