/** `sealwire pki server | device | sign | renew`: certificates and their keys, as files. */
import { type Command, Option } from "commander";
import * as fs from "node:fs";
import * as path from "node:path";
import { tellResult, type CommandResult } from "../../command-result.js";
import { CommandFailure, type ExitCode, exitCodes, reasonOf, usageFailure } from "../../failure.js";
import { createFolder, replaceFile } from "../../files.js";
import { shownPath } from "../../paths.js";
import type { CertificateEntry, NewEntry } from "../certificate-index.js";
import { readCertificateRequest } from "../certificate-request.js";
import { checkClientIdentifier, checkServerName, type FleetPKI, lifetimes } from "../fleet-pki.js";
import { exportPrivateKey, generateKeys, importPublicKey, type KeyAlgorithm, keyAlgorithms } from "../keys.js";
import { toPEM } from "../pem.js";
import { x509 } from "../x509.js";
import {
  type CommonArguments,
  dayOf,
  daysOf,
  exitCodeHelp,
  iso,
  passphraseHelp,
  withCommonOptions,
  withPKI,
} from "./common.js";

interface IssueArguments extends CommonArguments {
  readonly days?: string;
  readonly key: KeyAlgorithm;
  readonly out?: string;
  readonly force?: boolean;
}

interface SignArguments extends IssueArguments {
  readonly server?: boolean;
  readonly id?: string;
  readonly name?: string[];
}

type Ended = (exitCode: ExitCode) => void;

export function addIssue(pki: Command, ended: Ended): void {
  withCommonOptions(pki.command("server <name...>"))
    .summary("issue a server certificate and its key")
    .description(
      "Issues a certificate for a server. Names are DNS names and IP addresses; the first is also the common name.",
    )
    .option("--days <days>", "validity (default: 397)")
    .addOption(new Option("--key <algorithm>", "of the new key").choices([...keyAlgorithms]).default("P-256"))
    .option("--out <folder>", "where the files go (default: servers/ of the PKI)")
    .option("--force", "replace files that are there")
    .addHelpText(
      "after",
      `${passphraseHelp}\n${exitCodeHelp}\n\nExamples:\n  sealwire pki server broker.example 192.0.2.7\n  sealwire pki server localhost 127.0.0.1 ::1 --key RSA-2048 --days 90`,
    )
    .action(async (names: string[], given: IssueArguments) => {
      ended(await tellResult(given, () => withPKI(given, (open) => issueServer(open, names, given))));
    });
  withCommonOptions(pki.command("device <id>"))
    .summary("issue a device certificate and its key")
    .description(
      "Issues a certificate for a device: its client identifier is the common name and a DNS name in it. Better: let the device make its key, and sign its request (sealwire pki sign).",
    )
    .option("--days <days>", "validity (default: 3650)")
    .addOption(new Option("--key <algorithm>", "of the new key").choices([...keyAlgorithms]).default("P-256"))
    .option("--out <folder>", "where the files go (default: devices/ of the PKI)")
    .option("--force", "replace files that are there")
    .addHelpText(
      "after",
      `${passphraseHelp}\n${exitCodeHelp}\n\nExamples:\n  sealwire pki device pump-0001\n  sealwire pki device pump-0001 --days 365 --out line-3 --json`,
    )
    .action(async (id: string, given: IssueArguments) => {
      ended(await tellResult(given, () => withPKI(given, (open) => issueDevice(open, id, given))));
    });
  withCommonOptions(pki.command("sign <csr>"))
    .summary("sign a certificate request")
    .description(
      "Signs a certificate request (PKCS#10, PEM or DER), whose own signature is checked. Only the key and the names are taken from it. For a device, the common name is the client identifier.",
    )
    .option("--server", "for a server, not for a device")
    .option("--id <id>", "the client identifier that the request must have")
    .option("--name <name...>", "server: its names, instead of those in the request")
    .option("--days <days>", "validity (default: 3650 for a device, 397 for a server)")
    .option("--out <folder>", "where the certificate goes (default: devices/ or servers/ of the PKI)")
    .option("--force", "replace a file that is there")
    .addHelpText(
      "after",
      `${passphraseHelp}\n${exitCodeHelp}\n\nExamples:\n  sealwire pki sign pump-0001.csr --id pump-0001\n  sealwire pki sign broker.csr --server --name broker.example`,
    )
    .action(async (csr: string, given: SignArguments) => {
      ended(await tellResult(given, () => withPKI(given, (open) => sign(open, csr, given))));
    });
  withCommonOptions(pki.command("renew [name]"))
    .summary("issue a certificate again, for the same key and names")
    .description(
      "Issues the newest certificate of a server or device again: the same names, the same key, a new end. The old one stays valid until it ends or is revoked.",
    )
    .option("--issuing", "the issuing authority's own certificate; needs the root's key")
    .option("--days <days>", "validity (default: as for new ones)")
    .option("--out <folder>", "where the certificate goes (default: devices/ or servers/ of the PKI)")
    .addHelpText(
      "after",
      `${passphraseHelp}\n${exitCodeHelp}\n\nExamples:\n  sealwire pki renew broker.example\n  sealwire pki renew --issuing`,
    )
    .action(async (name: string | undefined, given: IssueArguments & { issuing?: boolean }) => {
      ended(await tellResult(given, () => withPKI(given, (open) => renew(open, name, given))));
    });
}

async function issueServer(pki: FleetPKI, names: readonly string[], given: IssueArguments): Promise<CommandResult> {
  const days = daysOf("--days", given.days);
  for (const name of names) checkServerName(name);
  const files = filesFor(pki, "servers", names[0]!, given);
  const keys = await generateKeys(given.key);
  const entry = await pki.issueServer(names, keys.publicKey, days);
  return publish(pki, { entry, files, days, privateKey: await exportPrivateKey(keys) });
}

async function issueDevice(pki: FleetPKI, id: string, given: IssueArguments): Promise<CommandResult> {
  const days = daysOf("--days", given.days);
  checkClientIdentifier(id);
  const files = filesFor(pki, "devices", id, given);
  const keys = await generateKeys(given.key);
  const entry = await pki.issueDevice(id, keys.publicKey, days);
  return publish(pki, { entry, files, days, privateKey: await exportPrivateKey(keys) });
}

async function sign(pki: FleetPKI, file: string, given: SignArguments): Promise<CommandResult> {
  const days = daysOf("--days", given.days);
  const request = await readCertificateRequest(file);
  if (given.server) {
    const names = given.name ?? (request.names.length > 0 ? request.names : [request.commonName]);
    for (const name of names) checkServerName(name);
    const files = filesFor(pki, "servers", names[0]!, given);
    return publish(pki, { entry: await pki.issueServer(names, request.publicKey, days), files, days });
  }
  if (given.name !== undefined) throw usageFailure("--name is for a server (--server) only.");
  if (given.id !== undefined && given.id !== request.commonName)
    throw usageFailure(`The request in ${file} is for "${request.commonName.slice(0, 64)}", not for "${given.id}".`);
  checkClientIdentifier(request.commonName);
  const files = filesFor(pki, "devices", request.commonName, given);
  const entry = await pki.issueDevice(request.commonName, request.publicKey, days);
  return publish(pki, { entry, files, days });
}

async function renew(
  pki: FleetPKI,
  name: string | undefined,
  given: IssueArguments & { issuing?: boolean },
): Promise<CommandResult> {
  const days = daysOf("--days", given.days);
  if (given.issuing) {
    if (name !== undefined) throw usageFailure("Name a certificate, or --issuing: not both.");
    const entry = await pki.renewIssuing(days);
    return result(entry, { certificate: pki.file("issuing", "crt"), key: undefined });
  }
  if (name === undefined) throw usageFailure("Name the server or device whose certificate is renewed.");
  const old = newestOf(pki.index.find({ name }), name);
  const publicKey = await importPublicKey(
    new Uint8Array(new x509.X509Certificate(Buffer.from(old.certificate)).publicKey.rawData),
  );
  const entry =
    old.kind === "server"
      ? await pki.issueServer(serverNamesOf(old), publicKey, days)
      : await pki.issueDevice(old.name, publicKey, days);
  const folder = old.kind === "server" ? "servers" : "devices";
  return publish(pki, { entry, files: filesFor(pki, folder, name, { ...given, force: true }), days });
}

/** The newest that is not revoked. */
function newestOf(entries: readonly CertificateEntry[], name: string): CertificateEntry {
  const newest = entries
    .filter(
      ({ kind, revokedAt, certificate }) =>
        kind !== "authority" && revokedAt === undefined && certificate.byteLength > 0,
    )
    .at(-1);
  if (newest) return newest;
  throw new CommandFailure(
    exitCodes.failed,
    "INVALID_STATE",
    entries.length > 0
      ? `Every certificate of ${name} is revoked: issue a new one, with a new key.`
      : `This PKI issued no certificate to "${name.slice(0, 64)}".`,
  );
}

function serverNamesOf({ certificate, name }: CertificateEntry): string[] {
  const extension = new x509.X509Certificate(Buffer.from(certificate)).getExtension(
    x509.SubjectAlternativeNameExtension,
  );
  const names = extension?.names.items.map(({ value }) => value) ?? [];
  // The first is the common name.
  return [name, ...names.filter((other) => other !== name)];
}

interface Files {
  readonly certificate: string;
  readonly key: string | undefined;
}

/** @throws CommandFailure with exit code 3 when one is there that must not be lost */
function filesFor(
  pki: FleetPKI,
  kind: "servers" | "devices",
  name: string,
  { out, force }: Pick<IssueArguments, "out" | "force">,
): Files {
  const folder = out ?? path.join(pki.folder, kind);
  createFolder(folder, out === undefined ? 0o700 : 0o755);
  // An asterisk or a colon would be a nuisance in a file's name.
  const base = path.join(folder, name.replace(/[*:]/g, "_"));
  const files = { certificate: `${base}.crt`, key: `${base}.key` };
  const [taken] = force ? [] : [files.key, files.certificate].filter((file) => fs.existsSync(file));
  if (taken !== undefined)
    throw new CommandFailure(
      exitCodes.environment,
      "INVALID_STATE",
      `${shownPath(taken)} is there already: it is left as it is (--force replaces it).`,
    );
  return files;
}

interface Issued {
  readonly entry: NewEntry;
  readonly files: Files;
  /** As asked for. */
  readonly days: number | undefined;
  readonly privateKey?: Uint8Array | undefined;
}

/** In this order: a key that got lost is worth nothing, a certificate that nobody knows of cannot be revoked. */
function publish(pki: FleetPKI, { entry, files, days, privateKey }: Issued): CommandResult {
  try {
    if (privateKey !== undefined) {
      replaceFile(files.key!, toPEM("PRIVATE KEY", privateKey), 0o600);
      privateKey.fill(0);
    }
    pki.index.add([entry]);
    replaceFile(files.certificate, pki.chainPEM(entry.certificate));
  } catch (error) {
    if (error instanceof CommandFailure) throw error;
    throw new CommandFailure(
      exitCodes.environment,
      "STORAGE_FAILED",
      `Cannot write ${files.certificate}: ${reasonOf(error)}.`,
      { cause: error },
    );
  }
  const shortened = pki.cutShort(days ?? lifetimes[entry.kind === "server" ? "server" : "device"]);
  return {
    ...result(entry, privateKey === undefined ? { ...files, key: undefined } : files),
    warnings: shortened === undefined ? [] : [shortened],
  };
}

function result(entry: NewEntry, { certificate, key }: Files): CommandResult {
  const { serialNumber, kind, name, notAfter } = entry;
  return {
    json: { serialNumber, kind, name, notAfter: iso(notAfter), certificate, key: key ?? null },
    lines: [
      `Certificate  ${shownPath(certificate)}  (${name}, until ${dayOf(notAfter)})`,
      `Serial       ${serialNumber}`,
      ...(key === undefined
        ? []
        : [`Private key  ${shownPath(key)}  (not encrypted: keep it where only its holder can read it)`]),
    ],
  };
}
