/** Makes the PKI of a fleet: new authorities, or ones that are there already. It appears whole or not at all. */
import { randomBytes, X509Certificate } from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";
import { CommandFailure, exitCodes, reasonOf, usageFailure } from "../failure.js";
import { createFolder, readFile, replaceFile } from "../files.js";
import { type Authority, issueAuthority, issueRoot } from "./certificates.js";
import { CertificateIndex } from "./certificate-index.js";
import { encryptPrivateKey, readPrivateKey } from "./encrypted-key.js";
import {
  type AuthorityName,
  FleetPKI,
  indexOf,
  keysOf,
  lifetimes,
  makeFolders,
  toEntry,
  validityFor,
} from "./fleet-pki.js";
import { exportPrivateKey, generateKeys, type KeyAlgorithm } from "./keys.js";
import { fromPEM, toPEM } from "./pem.js";
import { readRevocationList } from "./revocation.js";

/** An authority that exists. PEM files; without its key the root can be known, but not sign. */
export interface ImportedAuthority {
  readonly certificate: string;
  readonly key?: string | undefined;
  readonly revocationList?: string | undefined;
}

export interface CreatePKIOptions {
  /** Must be empty, or not exist. */
  readonly folder: string;
  /** Begins the common names of the authorities. */
  readonly name: string;
  readonly algorithm: KeyAlgorithm;
  readonly rootDays?: number | undefined;
  readonly issuingDays?: number | undefined;
  /** Encrypts the keys. */
  readonly passphrase: string;
  readonly root?: ImportedAuthority | undefined;
  readonly issuing?: ImportedAuthority | undefined;
  /** Opens the keys that are imported. */
  readonly importPassphrase: () => Promise<string>;
  readonly now?: number | undefined;
}

/** Ends the name of a folder in the making; the process that makes it stands before. */
const unfinished = "sealwire-pki";

export async function createPKI(options: CreatePKIOptions): Promise<void> {
  const { folder, passphrase, now = Date.now() } = options;
  const parent = path.dirname(path.resolve(folder));
  createFolder(parent);
  requireEmpty(folder);
  const temporary = path.join(parent, `.${process.pid}.${randomBytes(4).toString("hex")}.${unfinished}`);
  try {
    removeUnfinished(parent);
    createFolder(temporary, 0o700);
    const { root, issuing } = await authoritiesOf(options, now);
    makeFolders(temporary);
    for (const [name, authority] of [
      ["root", root],
      ["issuing", issuing],
    ] as const) {
      const file = path.join(temporary, `${name}-ca`);
      replaceFile(`${file}.crt`, toPEM("CERTIFICATE", authority.certificate));
      if (!authority.keys) continue;
      const pkcs8 = await exportPrivateKey(authority.keys);
      replaceFile(`${file}.key`, toPEM("ENCRYPTED PRIVATE KEY", await encryptPrivateKey(pkcs8, passphrase)), 0o600);
      pkcs8.fill(0);
    }
    await fill(temporary, options, now);
    fs.renameSync(temporary, folder);
  } catch (error) {
    throw isSystemError(error)
      ? new CommandFailure(
          exitCodes.environment,
          "STORAGE_FAILED",
          `Cannot make the PKI in ${folder}: ${reasonOf(error)}.`,
          { cause: error },
        )
      : error;
  } finally {
    fs.rmSync(temporary, { recursive: true, force: true });
  }
}

/** The index, and the first lists. */
async function fill(temporary: string, options: CreatePKIOptions, now: number): Promise<void> {
  new CertificateIndex(indexOf(temporary)).close();
  const pki = new FleetPKI({ folder: temporary, passphrase: () => Promise.resolve(options.passphrase), now });
  try {
    pki.index.add([toEntry("authority", pki.issuing)]);
    for (const [name, imported] of [
      ["root", options.root],
      ["issuing", options.issuing],
    ] as const) {
      if (imported?.revocationList !== undefined) await importList(pki, name, imported.revocationList);
      if (fs.existsSync(pki.file(name, "key"))) await pki.issueList(name);
    }
  } finally {
    pki.close();
  }
}

/** What an authority revoked before it came here stays revoked, and its next list has a higher number. */
async function importList(pki: FleetPKI, name: AuthorityName, file: string): Promise<void> {
  const [list] = fromPEM("X509 CRL", readFile(file) ?? "");
  const issuer = name === "root" ? pki.root : pki.issuing;
  const info = list && (await readRevocationList(list, issuer).catch(() => undefined));
  if (!list || !info)
    throw usageFailure(`${file} is no revocation list, in PEM form and with a number, of this authority.`);
  pki.adopt(name, info.revoked);
  pki.index.setListNumber(name, info.number);
  replaceFile(pki.file(name, "crl"), toPEM("X509 CRL", list));
}

type KnownAuthority = Pick<Authority, "certificate"> & Partial<Pick<Authority, "keys">>;

async function authoritiesOf(
  options: CreatePKIOptions,
  now: number,
): Promise<{ root: KnownAuthority; issuing: KnownAuthority }> {
  const { name, algorithm, rootDays = lifetimes.root, issuingDays = lifetimes.issuing } = options;
  let root: KnownAuthority;
  if (options.root) root = await imported(options.root, options, now);
  else {
    if (options.issuing)
      throw usageFailure("An issuing authority is imported together with its root: name --root-cert.");
    const keys = await generateKeys(algorithm);
    root = {
      keys,
      certificate: await issueRoot({ commonName: `${name} Root CA`, validity: validityFor(now, rootDays) }, keys),
    };
  }
  if (options.issuing) {
    if (options.issuing.key === undefined)
      throw usageFailure("An issuing authority is imported with its key: name --issuing-key.");
    const issuing = await imported(options.issuing, options, now);
    if (!new X509Certificate(issuing.certificate).verify(new X509Certificate(root.certificate).publicKey))
      throw usageFailure(`${options.issuing.certificate} was not signed by the root that is imported with it.`);
    return { root, issuing };
  }
  if (!root.keys)
    throw usageFailure(
      "A new issuing authority is signed by the root: name --root-key, or import an issuing authority.",
    );
  const keys = await generateKeys(algorithm);
  const validity = validityFor(now, issuingDays, root.certificate);
  const signer = { certificate: root.certificate, keys: root.keys };
  const certificate = await issueAuthority({ commonName: `${name} Issuing CA`, validity }, keys.publicKey, signer);
  return { root, issuing: { certificate, keys } };
}

async function imported(
  { certificate: file, key: keyFile }: ImportedAuthority,
  { importPassphrase }: CreatePKIOptions,
  now: number,
): Promise<KnownAuthority> {
  const [certificate] = fromPEM("CERTIFICATE", readFile(file) ?? "");
  let parsed: X509Certificate | undefined;
  try {
    parsed = certificate && new X509Certificate(certificate);
  } catch {
    // Told below.
  }
  if (!certificate || !parsed) throw usageFailure(`${file} holds no certificate in PEM form.`);
  if (!parsed.ca) throw usageFailure(`The certificate in ${file} is not one of an authority.`);
  if (Date.parse(parsed.validTo) <= now) throw usageFailure(`The certificate in ${file} has expired.`);
  if (keyFile === undefined) return { certificate };
  const pem = readFile(keyFile);
  if (pem === undefined) throw usageFailure(`There is no file ${keyFile}.`);
  const key = await readPrivateKey(keyFile, pem, importPassphrase);
  return { certificate, keys: await keysOf(keyFile, certificate, key) };
}

function requireEmpty(folder: string): void {
  let found: string[];
  try {
    found = fs.readdirSync(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
    throw new CommandFailure(exitCodes.environment, "STORAGE_FAILED", `Cannot use ${folder}: ${reasonOf(error)}.`, {
      cause: error,
    });
  }
  if (found.length > 0)
    throw new CommandFailure(
      exitCodes.environment,
      "INVALID_STATE",
      found.includes("root-ca.crt")
        ? `There is a PKI in ${folder} already; it is left as it is.`
        : `The folder ${folder} is not empty: name another one.`,
    );
}

/** Of processes that were killed. */
function removeUnfinished(parent: string): void {
  for (const name of fs.readdirSync(parent)) {
    const [, pid] = new RegExp(`^\\.(\\d+)\\.[0-9a-f]{8}\\.${unfinished}$`).exec(name) ?? [];
    if (pid === undefined || isRunning(Number(pid))) continue;
    fs.rmSync(path.join(parent, name), { recursive: true, force: true });
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

function isSystemError(error: unknown): boolean {
  return (
    error instanceof Error &&
    typeof (error as NodeJS.ErrnoException).syscall === "string" &&
    !(error instanceof CommandFailure)
  );
}
