/**
 * TLS for code that was written for the SDK's own client: an ECMA-419 socket, made with `{ host, address, port, secure }` alone.
 *
 * Certificates and key are named by `secure`, in the SDK's words: `certificate` (trust anchors) or `ca`, `clientCertificates` and `clientKey`, DER.
 * Where it names no trust anchor they are the device's own, from its vault. Sessions are kept while the program runs, so that a second
 * connection resumes; over sleep and loss of power they are kept by `Device`, which also knows when to try again.
 */
import { toBytes } from "../../../src/bytes.js";
import { Clock } from "../../../src/clock.js";
import { SealwireError } from "../../../src/errors.js";
import type { BufferLike, Key, Transport, TransportDescriptor, TransportOptions } from "../../../src/platform.js";
import { policyDigest, TLSSessionStore } from "../../../src/tls/index.js";
import { TLSSocket, type SecureOptions } from "../../../src/transport/index.js";
import { type Credentials, Vault } from "../../../src/vault/index.js";
import { TCP } from "../tcp.js";
import { platform } from "./host.js";

/** One certificate, or several. */
type Certificates = BufferLike | readonly BufferLike[];

export interface SDKSecureOptions {
  readonly certificate?: Certificates | undefined;
  readonly ca?: Certificates | undefined;
  /** The device's own, and those that issued it. */
  readonly clientCertificates?: Certificates | undefined;
  /** PKCS#8. */
  readonly clientKey?: BufferLike | undefined;
  /** The name that the server's certificate must have: the host when left out. */
  readonly serverName?: string | undefined;
}

export interface SDKTLSOptions extends TransportOptions {
  readonly secure?: SDKSecureOptions | undefined;
  readonly TCP?: TransportDescriptor | undefined;
}

type Identity = Pick<
  Credentials,
  | "trustAnchors"
  | "revocationLists"
  | "revocation"
  | "certificateChain"
  | "privateKey"
  | "minimumVersion"
  | "maximumVersion"
>;

/** Of this program: nothing of it exists before the first connection, since preloaded modules are frozen in flash. */
const shared: { clock?: Clock; sessions?: TLSSessionStore; own?: Identity } = {};

/** The device's own. @throws SealwireError those of the vault, `PROVISIONING_MISSING` */
function ownIdentity(): Identity {
  if (shared.own) return shared.own;
  const { storage, crypto, rootOfTrust, counter } = platform;
  const vault = Vault.open({ storage, crypto, rootOfTrust, counter, clock: { now: () => platform.time()?.now } });
  if (platform.provisioning) vault.import(platform.provisioning);
  return (shared.own = vault.credentials);
}

const listOf = (given: Certificates | undefined): Uint8Array[] =>
  given === undefined ? [] : (Array.isArray(given) ? given : [given]).map(bytesOf);

/** A resource of the app lies in flash: it is neither an ArrayBuffer nor a view, but a view can be made of it. */
function bytesOf(given: BufferLike): Uint8Array {
  return ArrayBuffer.isView(given) ? toBytes(given) : new Uint8Array(given);
}

function identityOf(given: SDKSecureOptions | undefined): { identity: Identity; ownKey: Key | undefined } {
  const trustAnchors = [...listOf(given?.certificate), ...listOf(given?.ca)];
  if (trustAnchors.length === 0) return { identity: ownIdentity(), ownKey: undefined };
  const ownKey = given?.clientKey && platform.crypto.importKey("private", bytesOf(given.clientKey));
  const certificateChain = listOf(given?.clientCertificates);
  return { identity: { trustAnchors, certificateChain, privateKey: ownKey }, ownKey };
}

/** @throws SealwireError what is wrong with certificates or key */
function secure(host: string | undefined, { identity }: { identity: Identity }): SecureOptions {
  if (host === undefined)
    throw new SealwireError("INVALID_ARGUMENT", "TLS needs the server's name: the option host, or secure.serverName.");
  const clock = (shared.clock ??= new Clock(platform));
  const sessions = (shared.sessions ??= new TLSSessionStore({ clock, platform }));
  const { trustAnchors, revocationLists = [], revocation = "off", certificateChain = [], privateKey } = identity;
  const { minimumVersion = "TLSv1.2", maximumVersion } = identity;
  const checks = { trustAnchors, revocationLists, revocation, certificateChain, minimumVersion, maximumVersion };
  const digest = policyDigest(platform.crypto, {
    ...checks,
    serverName: host,
    applicationProtocols: [],
    engineBuild: platform.tlsEngineBuild,
  });
  return {
    ...checks,
    serverName: host,
    privateKey,
    session: sessions.take(digest),
    time: clock.interval(),
    createTLSEngine: (options) => platform.createTLSEngine(options),
    onOpen: (negotiated) => sessions.opened(digest, negotiated),
    onSession: (data) => sessions.put(data),
  };
}

export class SDKTLSSocket implements Transport {
  readonly #socket: TLSSocket;

  constructor(options: SDKTLSOptions) {
    const { secure: given, TCP: below, ...rest } = options;
    const known = identityOf(given);
    this.#socket = new TLSSocket({
      ...rest,
      socket: below ?? { io: TCP },
      timer: platform.timer,
      secure: (host) => secure(given?.serverName ?? host, known),
      onReleased: () => known.ownKey?.close(),
    });
  }

  read(count?: number): ArrayBuffer | undefined;
  read(buffer: BufferLike): number | undefined;
  read(target?: number | BufferLike): ArrayBuffer | number | undefined {
    return typeof target === "object" ? this.#socket.read(target) : this.#socket.read(target);
  }

  write(buffer: BufferLike): number {
    return this.#socket.write(buffer);
  }

  close(): void {
    this.#socket.close();
  }
}
