/** A PKI of its own, files as a user keeps them, a hardened Mosquitto over them, and clients that try to get in. */
import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import * as fs from "node:fs";
import * as path from "node:path";
import * as tls from "node:tls";
import {
  type Authority,
  generateKeys,
  issueAuthority,
  issueDevice,
  issueRevocationList,
  issueRoot,
  issueServer,
  exportPrivateKey,
  type KeyPair,
  toPEM,
} from "../../../tools/pki/index.js";
import {
  type BrokerChange,
  type BrokerSources,
  ManagedMosquitto,
  type ManagedMosquittoOptions,
  MQTTProbe,
  type ProbeOptions,
  setPassword,
} from "../../../tools/broker/index.js";
import type { PermissionEntry } from "../../../src/permissions/index.js";

const hour = 60 * 60 * 1000;

/** Certificate and key as PEM. */
export interface Identity {
  readonly certificate: string;
  readonly key: string;
  readonly serialNumber: string;
}

const worlds: BrokerWorld[] = [];

export class BrokerWorld {
  readonly folder: string;
  #issuing!: Authority;
  #crlNumber = 0;
  #revoked: { serialNumber: string; date: Date }[] = [];
  readonly changes: BrokerChange[] = [];
  readonly warnings: string[] = [];
  readonly log: string[] = [];
  readonly #brokers: ManagedMosquitto[] = [];
  readonly #probes: MQTTProbe[] = [];

  private constructor(folder: string) {
    this.folder = folder;
  }

  static async create(folder: string): Promise<BrokerWorld> {
    fs.mkdirSync(folder, { recursive: true });
    const world = new BrokerWorld(folder);
    worlds.push(world);
    const { root, issuing } = await authorities("Test");
    world.#issuing = issuing;
    const server = await world.#issue((keys, validity) =>
      issueServer({ commonName: "broker", names: ["localhost", "127.0.0.1"], validity }, keys, issuing),
    );
    world.write("ca.pem", toPEM("CERTIFICATE", root.certificate) + toPEM("CERTIFICATE", issuing.certificate));
    world.write("server.pem", server.certificate);
    world.write("server.key", server.key);
    await world.revoke();
    return world;
  }

  file(name: string): string {
    return path.join(this.folder, name);
  }

  write(name: string, text: string): string {
    fs.writeFileSync(this.file(name), text, { mode: 0o600 });
    return this.file(name);
  }

  permissions(entries: readonly PermissionEntry[]): string {
    return this.write("permissions.json", JSON.stringify(entries));
  }

  password(user: string, password: string): string {
    setPassword(this.file("users"), user, password);
    return this.file("users");
  }

  /** Publishes a list with these added. */
  async revoke(...identities: Identity[]): Promise<string> {
    return this.list(24 * hour, ...identities);
  }

  /** Publishes a list that lasts so many milliseconds. */
  async list(lasts: number, ...identities: Identity[]): Promise<string> {
    this.#revoked.push(...identities.map(({ serialNumber }) => ({ serialNumber, date: new Date(Date.now() - hour) })));
    const dates = { thisUpdate: new Date(Date.now() - hour), nextUpdate: new Date(Date.now() + lasts) };
    const list = await issueRevocationList(
      { number: ++this.#crlNumber, ...dates, revoked: this.#revoked },
      this.#issuing,
    );
    return this.write("revoked.pem", toPEM("X509 CRL", list));
  }

  /** A list that ended an hour ago. */
  async staleList(): Promise<string> {
    const dates = { thisUpdate: new Date(Date.now() - 2 * hour), nextUpdate: new Date(Date.now() - hour) };
    return toPEM("X509 CRL", await issueRevocationList({ number: ++this.#crlNumber, ...dates }, this.#issuing));
  }

  device(clientIdentifier: string, ends = Date.now() + 24 * hour): Promise<Identity> {
    return this.#issue((keys, validity) =>
      issueDevice({ clientIdentifier, validity: { ...validity, notAfter: new Date(ends) } }, keys, this.#issuing),
    );
  }

  /** A server's identity: with another name, or that ended. */
  server(names: readonly string[], ends = Date.now() + 24 * hour): Promise<Identity> {
    return this.#issue((keys, validity) =>
      issueServer(
        { commonName: "other", names, validity: { ...validity, notAfter: new Date(ends) } },
        keys,
        this.#issuing,
      ),
    );
  }

  /** Of an authority with the same names that nobody trusts. */
  async stranger(clientIdentifier: string): Promise<Identity> {
    const { issuing } = await authorities("Test");
    return this.#issue((keys, validity) => issueDevice({ clientIdentifier, validity }, keys, issuing), issuing);
  }

  async #issue(
    issue: (publicKey: KeyPair["publicKey"], validity: { notBefore: Date; notAfter: Date }) => Promise<Uint8Array>,
    issuing = this.#issuing,
  ): Promise<Identity> {
    const keys = await generateKeys();
    const validity = { notBefore: new Date(Date.now() - 48 * hour), notAfter: new Date(Date.now() + 24 * hour) };
    const der = await issue(keys.publicKey, validity);
    return {
      certificate: toPEM("CERTIFICATE", der) + toPEM("CERTIFICATE", issuing.certificate),
      key: toPEM("PRIVATE KEY", await exportPrivateKey(keys)),
      serialNumber: new X509Certificate(der).serialNumber,
    };
  }

  /** Starts a broker over the files of the world. */
  async broker(
    sources: Partial<BrokerSources>,
    options: Partial<ManagedMosquittoOptions> = {},
  ): Promise<ManagedMosquitto> {
    const broker = new ManagedMosquitto({
      sources: {
        ca: this.file("ca.pem"),
        certificate: this.file("server.pem"),
        key: this.file("server.key"),
        revocationList: this.file("revoked.pem"),
        ...sources,
      },
      folder: this.file(`broker-${this.#brokers.length}`),
      authentication: ["certificate"],
      onLog: (line) => this.log.push(line),
      onChange: (change) => this.changes.push(change),
      onWarning: (sentence) => this.warnings.push(sentence),
      ...options,
    });
    this.#brokers.push(broker);
    await broker.start();
    return broker;
  }

  /** Opens TLS. Rejects when the handshake fails, also when TLS 1.3 tells that late. */
  async secure(port: number, identity?: Identity, options: tls.ConnectionOptions = {}): Promise<tls.TLSSocket> {
    const socket = tls.connect({
      host: "127.0.0.1",
      port,
      servername: "localhost",
      ca: fs.readFileSync(this.file("ca.pem")),
      ...(identity && { cert: identity.certificate, key: identity.key }),
      ...options,
    });
    await once(socket, "secureConnect");
    return socket;
  }

  /** Connects, whatever the CONNACK says. */
  async connect(
    port: number,
    identity: Identity | undefined,
    options: ProbeOptions,
    secure: tls.ConnectionOptions = {},
  ): Promise<MQTTProbe> {
    const probe = await MQTTProbe.connect(await this.secure(port, identity, secure), { timeout: 5_000, ...options });
    this.#probes.push(probe);
    return probe;
  }

  /** Ends all worlds, and what runs in them. */
  static async closeAll(): Promise<void> {
    for (const world of worlds.splice(0)) await world.close();
  }

  /** Ends all clients and brokers. */
  async close(): Promise<void> {
    for (const probe of this.#probes.splice(0)) probe.destroy();
    await Promise.all(this.#brokers.splice(0).map((broker) => broker.stop()));
  }
}

async function authorities(name: string): Promise<{ root: Authority; issuing: Authority }> {
  const validity = { notBefore: new Date(Date.now() - 72 * hour), notAfter: new Date(Date.now() + 72 * hour) };
  const rootKeys = await generateKeys();
  const root = { keys: rootKeys, certificate: await issueRoot({ commonName: `${name} Root`, validity }, rootKeys) };
  const keys = await generateKeys();
  const issuing = {
    keys,
    certificate: await issueAuthority({ commonName: `${name} Issuing`, validity }, keys.publicKey, root),
  };
  return { root, issuing };
}
