/**
 * The PKI of the developer's own machine, in a folder: a root, an issuing authority, a server, and devices.
 *
 * Several runs may share the folder at the same time without a lock. A private key is created once and never changed: of
 * several runs the first wins, and all use its key. A certificate is issued again whenever it is missing, does not fit or
 * ends soon; since it depends on nothing but the keys, the certificates of any run fit those of every other.
 */
import { KeyObject, X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import * as path from "node:path";
import { CommandFailure, exitCodes } from "../failure.js";
import {
  type Authority,
  issueAuthority,
  issueDevice,
  issueRoot,
  issueServer,
  type PublicKey,
  type Validity,
} from "./certificates.js";
import { createFile, createFolder, readFile, replaceFile } from "../files.js";
import { exportPrivateKey, generateKeys, importKeys, isRSA, type KeyPair } from "./keys.js";
import { fromPEM, toPEM } from "./pem.js";
import { issueRevocationList, readRevocationList } from "./revocation.js";

/** A certificate with all that its holder needs to use it. DER. */
export interface Credentials {
  /** The holder's own certificate first, then the authority that signed it; without the root. */
  readonly certificateChain: readonly Uint8Array[];
  /** PKCS#8. */
  readonly privateKey: Uint8Array;
}

export interface DevelopmentPKIOptions {
  /** Made when it does not exist. */
  readonly folder: string;
  /** DNS names and IP addresses of the server. */
  readonly names: readonly string[];
  /** Milliseconds since 1970; the present time when left out. */
  readonly now?: number;
}

const day = 24 * 60 * 60 * 1000;

/** Days of validity. */
const lifetimes = { root: 3650, issuing: 1825, server: 90, device: 365, revocationList: 30 } as const;

/** What is valid for less than this is issued again. */
const margin = day;

const rootName = "Sealwire Development Root CA";
const issuingName = "Sealwire Development Issuing CA";
const serverName = "Sealwire Development Broker";

/** Certificates may be used by a clock that is a little behind ours. */
const clockSkew = 60 * 60 * 1000;

export class DevelopmentPKI {
  /** Where it lies. */
  readonly folder: string;
  /** The root's certificate, DER: what devices and servers trust. */
  readonly root: Uint8Array;
  /** The list of the root, then that of the issuing authority. DER. */
  readonly revocationLists: readonly Uint8Array[];
  readonly server: Credentials;
  readonly #issuing: Authority;
  readonly #now: number;

  private constructor(
    parts: Pick<DevelopmentPKI, "folder" | "root" | "revocationLists" | "server">,
    issuing: Authority,
    now: number,
  ) {
    this.folder = parts.folder;
    this.root = parts.root;
    this.revocationLists = parts.revocationLists;
    this.server = parts.server;
    this.#issuing = issuing;
    this.#now = now;
  }

  /** Reads what is in the folder, and makes what is missing or ends within a day. */
  static async open(options: DevelopmentPKIOptions): Promise<DevelopmentPKI> {
    const { folder, names, now = Date.now() } = options;
    createFolder(folder);
    createFolder(path.join(folder, "devices"));
    // Wherever the folder is: nothing of it belongs into a repository.
    if (readFile(path.join(folder, ".gitignore")) === undefined) replaceFile(path.join(folder, ".gitignore"), "*\n");

    const rootKeys = await keysOf(path.join(folder, "root-ca.key"));
    const root: Authority = {
      keys: rootKeys,
      certificate: await certificateOf({
        file: path.join(folder, "root-ca.crt"),
        fits: (found) => isCurrent(found, now) && isOf(found, rootName, rootKeys, rootKeys),
        issue: () => issueRoot({ commonName: rootName, validity: validity(now, lifetimes.root) }, rootKeys),
      }),
    };

    const issuingKeys = await keysOf(path.join(folder, "issuing-ca.key"));
    const issuing: Authority = {
      keys: issuingKeys,
      certificate: await certificateOf({
        file: path.join(folder, "issuing-ca.crt"),
        fits: (found) => isCurrent(found, now) && isOf(found, issuingName, issuingKeys, rootKeys),
        issue: () =>
          issueAuthority(
            { commonName: issuingName, validity: validity(now, lifetimes.issuing, root) },
            issuingKeys.publicKey,
            root,
          ),
      }),
    };

    const serverKeys = await keysOf(path.join(folder, "server.key"));
    const server = await certificateOf({
      file: path.join(folder, "server.crt"),
      rest: [issuing.certificate],
      fits: (found) =>
        isCurrent(found, now) && isOf(found, serverName, serverKeys, issuingKeys) && hasNames(found, names),
      issue: () =>
        issueServer(
          { commonName: serverName, names, validity: validity(now, lifetimes.server, issuing) },
          serverKeys.publicKey,
          issuing,
        ),
    });

    return new DevelopmentPKI(
      {
        folder,
        root: root.certificate,
        revocationLists: [
          await revocationListOf(path.join(folder, "root-ca.crl"), root, now),
          await revocationListOf(path.join(folder, "issuing-ca.crl"), issuing, now),
        ],
        server: { certificateChain: [server, issuing.certificate], privateKey: await exportPrivateKey(serverKeys) },
      },
      issuing,
      now,
    );
  }

  /**
   * The credentials of a device, made when there are none.
   * @param clientIdentifier 1 to 64 letters, digits, `-`, `_` or `.`, since it names files too
   */
  async device(clientIdentifier: string): Promise<Credentials> {
    if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(clientIdentifier))
      throw new CommandFailure(
        exitCodes.failed,
        "INVALID_ARGUMENT",
        "A client identifier in the development PKI must be 1 to 64 letters, digits, dots, hyphens or underscores.",
      );
    const base = path.join(this.folder, "devices", clientIdentifier);
    const issuing = this.#issuing;
    const keys = await keysOf(`${base}.key`);
    const certificate = await certificateOf({
      file: `${base}.crt`,
      rest: [issuing.certificate],
      fits: (found) => isCurrent(found, this.#now) && isOf(found, clientIdentifier, keys, issuing.keys),
      issue: () => this.#issueDevice(clientIdentifier, keys.publicKey),
    });
    return { certificateChain: [certificate, issuing.certificate], privateKey: await exportPrivateKey(keys) };
  }

  /** Signs a key that was born on a device. Nothing is kept of it. @returns DER, the device's own certificate first */
  async sign(clientIdentifier: string, publicKey: PublicKey): Promise<Uint8Array[]> {
    return [await this.#issueDevice(clientIdentifier, publicKey), this.#issuing.certificate];
  }

  #issueDevice(clientIdentifier: string, publicKey: PublicKey): Promise<Uint8Array> {
    const issuing = this.#issuing;
    return issueDevice(
      { clientIdentifier, validity: validity(this.#now, lifetimes.device, issuing) },
      publicKey,
      issuing,
    );
  }
}

async function keysOf(file: string): Promise<KeyPair> {
  const text =
    readFile(file) ?? createFile(file, toPEM("PRIVATE KEY", await exportPrivateKey(await generateKeys())), 0o600);
  const [der] = fromPEM("PRIVATE KEY", text);
  try {
    if (!der) throw new SyntaxError("There is no PEM block.");
    const keys = await importKeys(der);
    if (isRSA(keys.privateKey)) throw new TypeError("It is an RSA key.");
    return keys;
  } catch {
    // The cause is left out: it might quote what is in the file.
    throw new CommandFailure(
      exitCodes.environment,
      "CRYPTO_INVALID",
      `${file} is not a P-256 private key: delete the folder ${path.dirname(file)} to have a new PKI made.`,
    );
  }
}

interface CertificateFile {
  readonly file: string;
  /** Certificates that follow in the file. */
  readonly rest?: readonly Uint8Array[];
  readonly fits: (found: X509Certificate) => boolean;
  readonly issue: () => Promise<Uint8Array>;
}

async function certificateOf({ file, rest = [], fits, issue }: CertificateFile): Promise<Uint8Array> {
  const found = fromPEM("CERTIFICATE", readFile(file) ?? "");
  const [first, ...others] = found;
  const complete = others.length === rest.length && others.every((der, i) => Buffer.from(rest[i]!).equals(der));
  if (first && complete && fitsSafely(first, fits)) return first;
  // One whose chain alone changed is kept.
  const certificate = first && fitsSafely(first, fits) ? first : await issue();
  replaceFile(file, [certificate, ...rest].map((der) => toPEM("CERTIFICATE", der)).join(""));
  return certificate;
}

/** What cannot be parsed does not fit. */
function fitsSafely(der: Uint8Array, fits: CertificateFile["fits"]): boolean {
  try {
    return fits(new X509Certificate(der));
  } catch {
    return false;
  }
}

async function revocationListOf(file: string, issuer: Authority, now: number): Promise<Uint8Array> {
  let number = 1;
  const [found] = fromPEM("X509 CRL", readFile(file) ?? "");
  if (found) {
    try {
      const info = await readRevocationList(found, issuer.certificate);
      if (info.nextUpdate.getTime() > now + margin) return found;
      number = info.number + 1;
    } catch {
      // It is damaged or of another authority: a new one takes its place.
    }
  }
  const { notBefore, notAfter } = validity(now, lifetimes.revocationList);
  const list = await issueRevocationList({ number, thisUpdate: notBefore, nextUpdate: notAfter }, issuer);
  replaceFile(file, toPEM("X509 CRL", list));
  return list;
}

/** Nothing outlives what signed it. */
function validity(now: number, days: number, issuer?: Authority): Validity {
  const latest = issuer ? Date.parse(new X509Certificate(issuer.certificate).validTo) : Infinity;
  return {
    notBefore: new Date(wholeSecond(now - clockSkew)),
    notAfter: new Date(wholeSecond(Math.min(now + days * day, latest))),
  };
}

function wholeSecond(time: number): number {
  return Math.floor(time / 1000) * 1000;
}

function isCurrent(certificate: X509Certificate, now: number): boolean {
  return Date.parse(certificate.validFrom) <= now && Date.parse(certificate.validTo) > now + margin;
}

function isOf(certificate: X509Certificate, commonName: string, keys: KeyPair, issuer: KeyPair): boolean {
  return (
    certificate.subject === `CN=${commonName}` &&
    certificate.checkPrivateKey(KeyObject.from(keys.privateKey)) &&
    certificate.verify(KeyObject.from(issuer.publicKey))
  );
}

function hasNames(certificate: X509Certificate, names: readonly string[]): boolean {
  return names.every((name) =>
    isIP(name) === 0
      ? certificate.checkHost(name, { subject: "never" }) !== undefined
      : certificate.checkIP(name) !== undefined,
  );
}
