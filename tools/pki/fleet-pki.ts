/**
 * The PKI of a fleet, in a folder:
 *
 *     root-ca.crt, root-ca.crl           what devices and servers trust; the key may be moved to a safe place
 *     root-ca.key                        encrypted
 *     issuing-ca.crt, .crl, .key         signs servers and devices
 *     ca-chain.crt, crl.pem              both certificates, both lists: for a broker's configuration
 *     index.db                           what was issued and revoked
 *     servers/, devices/                 what was issued here, by name
 *
 * Several processes may use it at once.
 */
import { type KeyObject, X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import * as fs from "node:fs";
import * as path from "node:path";
import { CommandFailure, exitCodes, usageFailure } from "../failure.js";
import { createFolder, readFile, replaceFile } from "../files.js";
import { CertificateIndex, type CertificateEntry, type CertificateKind, type NewEntry } from "./certificate-index.js";
import {
  type Authority,
  issueAuthority,
  issueDevice,
  issueServer,
  type PublicKey,
  type Validity,
} from "./certificates.js";
import { readPrivateKey } from "./encrypted-key.js";
import { type KeyPair, toKeys } from "./keys.js";
import { fromPEM, toPEM } from "./pem.js";
import { issueRevocationList, readRevocationList, type Revocation, type RevocationReason } from "./revocation.js";

export interface FleetPKIOptions {
  readonly folder: string;
  /** Asked for when a key of an authority is needed. */
  readonly passphrase: () => Promise<string>;
  /** Milliseconds since 1970; the present time when left out. */
  readonly now?: number | undefined;
}

const day = 24 * 60 * 60 * 1000;

/** Days of validity when nothing else is said. */
export const lifetimes = {
  root: 7300,
  issuing: 3650,
  server: 397,
  device: 3650,
  rootRevocationList: 397,
  revocationList: 30,
} as const;

/** Certificates may be used by a clock that is a little behind ours. */
const clockSkew = 60 * 60 * 1000;

export type AuthorityName = "root" | "issuing";

/** Which kinds of certificates each authority signs, and so revokes. */
const signs: Readonly<Record<AuthorityName, readonly CertificateKind[]>> = {
  root: ["authority"],
  issuing: ["server", "device"],
};

export interface RevocationListResult {
  readonly authority: AuthorityName;
  readonly number: number;
  readonly revoked: number;
  readonly nextUpdate: Date;
}

/** For a broker's configuration: certificates and lists of both authorities. */
const bundles = { certificates: "ca-chain.crt", lists: "crl.pem" } as const;

export function indexOf(folder: string): string {
  return path.join(folder, "index.db");
}

/** A serial number as the index has it. */
export function indexed(serialNumber: string): string {
  return serialNumber
    .toLowerCase()
    .replaceAll(":", "")
    .replace(/^0+(?=.)/, "");
}

/** Ends of certificates that were read before: the same one signs a whole fleet. */
const ends = new WeakMap<Uint8Array, number>();

function endOf(certificate: Uint8Array): number {
  let end = ends.get(certificate);
  if (end === undefined) ends.set(certificate, (end = Date.parse(new X509Certificate(certificate).validTo)));
  return end;
}

/** From an hour ago, in whole seconds, until so many days from now, and never beyond the end of what signed it. */
export function validityFor(now: number, days: number, issuer?: Uint8Array): Validity {
  const latest = issuer ? endOf(issuer) : Infinity;
  const whole = (time: number): Date => new Date(Math.floor(time / 1000) * 1000);
  return { notBefore: whole(now - clockSkew), notAfter: whole(Math.min(now + days * day, latest)) };
}

export class FleetPKI {
  readonly folder: string;
  /** DER. */
  readonly root: Uint8Array;
  readonly index: CertificateIndex;
  #issuing: Uint8Array;
  readonly #options: FleetPKIOptions;
  readonly #authorities = new Map<AuthorityName, Promise<Authority>>();

  /** @throws CommandFailure with exit code 3 when there is no PKI in the folder */
  constructor(options: FleetPKIOptions) {
    this.#options = options;
    this.folder = options.folder;
    this.root = this.#certificate("root");
    this.#issuing = this.#certificate("issuing");
    const index = indexOf(this.folder);
    // One that is begun anew knows of no revocation, and would let everybody back in.
    if (!fs.existsSync(index))
      throw new CommandFailure(
        exitCodes.environment,
        "STORAGE_FAILED",
        `The index ${index} is missing: restore it from a copy, or import the authorities and their lists into a new folder (sealwire pki init --help).`,
      );
    this.index = new CertificateIndex(index);
  }

  /** DER. */
  get issuing(): Uint8Array {
    return this.#issuing;
  }

  get now(): number {
    return this.#options.now ?? Date.now();
  }

  /** The newest lists: of the root, then of the issuing authority. DER; those that are there. */
  get revocationLists(): Uint8Array[] {
    return (["root", "issuing"] as const).flatMap((name) =>
      fromPEM("X509 CRL", readFile(this.file(name, "crl")) ?? "").slice(0, 1),
    );
  }

  file(name: AuthorityName, ending: "crt" | "key" | "crl"): string {
    return path.join(this.folder, `${name}-ca.${ending}`);
  }

  /** @throws CommandFailure with exit code 3 when it cannot sign: the key is not here, the passphrase is wrong, its certificate has ended */
  async authority(name: AuthorityName): Promise<Authority> {
    const authority = await this.#authority(name);
    const { validFrom, validTo } = new X509Certificate(authority.certificate);
    const it = `The certificate of the ${name} authority`;
    if (Date.parse(validTo) <= this.now)
      throw new CommandFailure(
        exitCodes.environment,
        "TLS_CERTIFICATE_EXPIRED",
        `${it} expired on ${new Date(validTo).toISOString().slice(0, 10)}${name === "root" ? "" : ": issue it again with sealwire pki renew --issuing"}.`,
      );
    if (Date.parse(validFrom) > this.now)
      throw new CommandFailure(
        exitCodes.environment,
        "TLS_CERTIFICATE_NOT_YET_VALID",
        `${it} is not valid before ${validFrom}: is the clock right?`,
      );
    return authority;
  }

  /** A sentence when certificates of so many days would lose more than a tenth of them, since nothing outlives what signed it. */
  cutShort(days: number): string | undefined {
    const left = Math.floor((endOf(this.#issuing) - this.now) / day);
    return left >= days * 0.9
      ? undefined
      : `Valid for ${left} days only, not ${days}: nothing outlives the issuing authority (sealwire pki renew --issuing).`;
  }

  #authority(name: AuthorityName): Promise<Authority> {
    let authority = this.#authorities.get(name);
    if (authority === undefined) this.#authorities.set(name, (authority = this.#open(name)));
    return authority;
  }

  /** A certificate for a server; not in the index yet. @param names DNS names and IP addresses, the first is the common name */
  async issueServer(
    names: readonly string[],
    publicKey: PublicKey,
    days: number = lifetimes.server,
  ): Promise<NewEntry> {
    for (const name of names) checkServerName(name);
    const issuer = await this.authority("issuing");
    const validity = validityFor(this.now, days, issuer.certificate);
    return toEntry("server", await issueServer({ commonName: names[0]!, names, validity }, publicKey, issuer));
  }

  /** A certificate for a device; not in the index yet. */
  async issueDevice(
    clientIdentifier: string,
    publicKey: PublicKey,
    days: number = lifetimes.device,
  ): Promise<NewEntry> {
    checkClientIdentifier(clientIdentifier);
    const issuer = await this.authority("issuing");
    const validity = validityFor(this.now, days, issuer.certificate);
    return toEntry("device", await issueDevice({ clientIdentifier, validity }, publicKey, issuer));
  }

  /** Whether the index has a certificate of this device that neither ended nor was revoked. */
  hasValidDevice(name: string): boolean {
    const entries = this.index.find({ name, kind: "device" });
    return entries.some(({ revokedAt, notAfter }) => revokedAt === undefined && notAfter > this.now);
  }

  /** A certificate in PEM form, and the one that signed it. */
  chainPEM(certificate: Uint8Array): string {
    return toPEM("CERTIFICATE", certificate) + toPEM("CERTIFICATE", this.#issuing);
  }

  /**
   * Which of them must still be revoked, or are so in the index alone: a process may have ended before it had published the list.
   * Judged by `crl.pem`, which is written last.
   */
  async notYetRevoked(entries: readonly CertificateEntry[]): Promise<CertificateEntry[]> {
    const published = new Set<string>();
    for (const list of fromPEM("X509 CRL", readFile(path.join(this.folder, bundles.lists)) ?? ""))
      for (const issuer of [this.root, this.#issuing]) {
        const info = await readRevocationList(list, issuer).catch(() => undefined);
        for (const serialNumber of info?.serialNumbers ?? []) published.add(indexed(serialNumber));
      }
    return entries.filter(
      ({ revokedAt, serialNumber }) => revokedAt === undefined || !published.has(indexed(serialNumber)),
    );
  }

  /** Takes up what a list revokes and the index does not know: that of an authority before it came here, or from before a copy was restored. */
  adopt(name: AuthorityName, revoked: readonly Revocation[]): void {
    const kind = name === "root" ? "authority" : "device";
    this.index.write(() => {
      const known = new Set(this.index.revocations(signs[name]).map(({ serialNumber }) => serialNumber));
      for (const { serialNumber, date, reason } of revoked) {
        const serial = indexed(serialNumber);
        if (known.has(serial)) continue;
        if (!this.index.has(serial))
          this.index.add([
            { serialNumber: serial, kind, name: "", notBefore: 0, notAfter: 0, certificate: new Uint8Array(0) },
          ]);
        this.index.revoke([serial], date.getTime(), reason ?? "unspecified");
      }
    });
  }

  /**
   * Revokes certificates and issues a list that says so.
   * @returns the lists
   */
  async revoke(entries: readonly CertificateEntry[], reason: RevocationReason): Promise<RevocationListResult[]> {
    const lists = (["root", "issuing"] as const).filter((name) =>
      entries.some(({ kind }) => signs[name].includes(kind)),
    );
    // Before anything is written: without the key there is no list.
    for (const name of lists) await this.authority(name);
    this.index.revoke(
      entries.map(({ serialNumber }) => serialNumber),
      this.now,
      reason,
    );
    const results = [];
    for (const name of lists) results.push(await this.issueList(name));
    return results;
  }

  /** Issues a new list of an authority. @param days until the next one must be there */
  async issueList(name: AuthorityName, days?: number): Promise<RevocationListResult> {
    const authority = await this.authority(name);
    const lifetime = days ?? (name === "root" ? lifetimes.rootRevocationList : lifetimes.revocationList);
    const file = this.file(name, "crl");
    return this.index.write(async () => {
      // A process that was killed may have published a list whose number was not noted.
      const [found] = fromPEM("X509 CRL", readFile(file) ?? "");
      const published = found && (await readRevocationList(found, authority.certificate).catch(() => undefined));
      const number = Math.max(this.index.listNumber(name), published?.number ?? 0) + 1;
      this.adopt(name, published?.revoked ?? []);
      const revoked = this.index.revocations(signs[name]);
      const { notBefore, notAfter } = validityFor(this.now, lifetime, authority.certificate);
      const options = { number, thisUpdate: notBefore, nextUpdate: notAfter, revoked };
      this.index.setListNumber(name, number);
      replaceFile(file, toPEM("X509 CRL", await issueRevocationList(options, authority)));
      this.#writeBundles();
      return { authority: name, number, revoked: revoked.length, nextUpdate: notAfter };
    });
  }

  /** Issues the issuing authority's certificate again, for the same key: what it signed stays valid. Needs the root's key. */
  async renewIssuing(days: number = lifetimes.issuing): Promise<NewEntry> {
    const root = await this.authority("root");
    const { keys } = await this.#authority("issuing");
    const commonName = commonNameOf(this.#issuing);
    const validity = validityFor(this.now, days, root.certificate);
    const entry = toEntry("authority", await issueAuthority({ commonName, validity }, keys.publicKey, root));
    this.index.add([entry]);
    replaceFile(this.file("issuing", "crt"), toPEM("CERTIFICATE", entry.certificate));
    this.#issuing = entry.certificate;
    this.#authorities.delete("issuing");
    this.#writeBundles();
    return entry;
  }

  close(): void {
    this.index.close();
  }

  #writeBundles(): void {
    const bundle = (file: string, parts: readonly (string | undefined)[]): void =>
      replaceFile(path.join(this.folder, file), parts.join(""));
    bundle(bundles.certificates, [readFile(this.file("issuing", "crt")), readFile(this.file("root", "crt"))]);
    bundle(bundles.lists, [readFile(this.file("issuing", "crl")), readFile(this.file("root", "crl"))]);
  }

  #certificate(name: AuthorityName): Uint8Array {
    const file = this.file(name, "crt");
    const [certificate] = fromPEM("CERTIFICATE", readFile(file) ?? "");
    if (certificate === undefined)
      throw new CommandFailure(
        exitCodes.environment,
        "INVALID_STATE",
        fs.existsSync(this.folder)
          ? `The folder ${this.folder} is no PKI: ${file} holds no certificate.`
          : `There is no PKI in ${this.folder}: make one with sealwire pki init --pki ${this.folder}.`,
      );
    return certificate;
  }

  async #open(name: AuthorityName): Promise<Authority> {
    const certificate = this.#certificate(name);
    const file = this.file(name, "key");
    const pem = readFile(file);
    if (pem === undefined)
      throw new CommandFailure(
        exitCodes.environment,
        "INVALID_STATE",
        `The key of the ${name} authority is not here: put it at ${file} for this command.`,
      );
    const key = await readPrivateKey(file, pem, this.#options.passphrase);
    return { certificate, keys: await keysOf(file, certificate, key) };
  }
}

/** @throws CommandFailure with exit code 3 when the key is not that of the certificate, or of another kind than we sign with */
export async function keysOf(file: string, certificate: Uint8Array, key: KeyObject): Promise<KeyPair> {
  const unusable = (what: string): CommandFailure =>
    new CommandFailure(exitCodes.environment, "CRYPTO_INVALID", `The private key in ${file} ${what}.`);
  if (!new X509Certificate(certificate).checkPrivateKey(key)) throw unusable("does not belong to its certificate");
  try {
    return await toKeys(key);
  } catch {
    throw unusable("is neither on P-256 nor of RSA with at least 2048 bits");
  }
}

export function toEntry(kind: CertificateKind, certificate: Uint8Array): NewEntry {
  const parsed = new X509Certificate(certificate);
  return {
    serialNumber: indexed(parsed.serialNumber),
    kind,
    name: nameIn(parsed),
    notBefore: Date.parse(parsed.validFrom),
    notAfter: Date.parse(parsed.validTo),
    certificate,
  };
}

export function commonNameOf(certificate: Uint8Array): string {
  return nameIn(new X509Certificate(certificate));
}

function nameIn(certificate: X509Certificate): string {
  // Node escapes what is special in a name; here names are compared and shown, so as it stands in the certificate.
  const { CN } = certificate.toLegacyObject().subject as { CN?: string };
  return CN ?? "";
}

/** Names files and topics, too. */
export function checkClientIdentifier(clientIdentifier: string): void {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(clientIdentifier))
    throw usageFailure(
      "A client identifier must be 1 to 64 letters, digits, dots, hyphens or underscores, the first a letter or digit.",
    );
}

export function checkServerName(name: string): void {
  const labels = name.replace(/^\*\./, "").split(".");
  const isName = name.length <= 253 && labels.every((label) => /^[A-Za-z0-9_-]{1,63}$/.test(label));
  if (isIP(name) === 0 && !isName)
    throw usageFailure(`"${name.slice(0, 60)}" is neither a DNS name nor an IP address.`);
}

export function makeFolders(folder: string): void {
  for (const name of ["servers", "devices"]) createFolder(path.join(folder, name), 0o700);
}
