/** A running device replaces its certificate, its password and its authorities against Mosquitto, while it publishes. */
import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { webcrypto } from "node:crypto";
import { once } from "node:events";
import * as fs from "node:fs";
import * as net from "node:net";
import mqtt from "mqtt";
import { createPlatform, type NodePlatform } from "../../hosts/node/index.js";
import { Device } from "../../src/device.js";
import { SealwireError, type ErrorCode } from "../../src/errors.js";
import { Permissions } from "../../src/permissions/index.js";
import { Vault, type ProvisioningRecord } from "../../src/vault/index.js";
import {
  type Authority,
  exportPrivateKey,
  generateKeys,
  issueDevice,
  issueRoot,
  issueServer,
  toPEM,
} from "../../tools/pki/index.js";
import { x509 } from "../../tools/pki/x509.js";
import { requireMosquitto } from "../tools/support/mosquitto.js";
import { temporaryFolder } from "../tools/support/temporary-folder.js";
import { eventually } from "./support/eventually.js";

const identifier = "rotating-device";
const day = 86_400_000;
const validity = { notBefore: new Date(Date.now() - day), notAfter: new Date(Date.now() + 30 * day) };
const users = {
  first: "first correct horse battery",
  second: "second correct horse battery",
  observer: "the observer of it all",
};

async function authority(commonName: string): Promise<Authority> {
  const keys = await generateKeys();
  return { keys, certificate: await issueRoot({ commonName, validity }, keys) };
}

async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as net.AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

describe("A running device replaces its credentials", function () {
  this.timeout(30_000);
  const folder = temporaryFolder();
  let oldRoot: Authority;
  let newRoot: Authority;
  let stranger: Authority;
  let broker: ChildProcess;
  const ports: number[] = [];
  /** The network before the broker: leads to the listener with the old or the new authority's certificate. */
  let gate: net.Server;
  let target = 0;
  const received: number[] = [];
  let platform: NodePlatform;
  let vault: Vault;
  let device: Device;
  /** For each connection, whether the bootstrap certificate was presented. */
  const bootstraps: boolean[] = [];
  const cleanups: (() => unknown)[] = [];
  let sent = 0;
  let publishing: Promise<unknown>[] = [];
  let ticker: NodeJS.Timeout;

  before(async function () {
    requireMosquitto(this);
    [oldRoot, newRoot, stranger] = await Promise.all([authority("Old"), authority("New"), authority("Stranger")]);
    await startBroker();
    gate = net.createServer((socket) => {
      const peer = net.connect(ports[target]!, "127.0.0.1");
      socket.pipe(peer).pipe(socket);
      for (const [a, b] of [
        [socket, peer],
        [peer, socket],
      ] as const)
        a.on("error", () => b.destroy()).on("close", () => b.destroy());
    });
    await once(gate.listen(0, "127.0.0.1"), "listening");
    cleanups.push(() => gate.close());
    const observer = await connectObserver();
    cleanups.push(() => observer.endAsync());
    boot(await firstRecord());
    cleanups.push(async () => {
      clearInterval(ticker);
      await device.stop();
      vault.close();
    });
    await device.start({ timeout: 10_000 });
    ticker = setInterval(() => {
      const publication = device.publish("%c/count", String(sent++), { qos: 1 });
      publication.catch(() => undefined);
      publishing.push(publication);
    }, 5);
  });

  after(async () => {
    for (const cleanup of cleanups.reverse()) await cleanup();
  });

  /** Every message that was acknowledged so far is at the observer, in each test. */
  afterEach(async () => {
    const soFar = publishing;
    publishing = [];
    await Promise.all(soFar);
    await eventually(() => new Set(received).size >= sent - publishing.length, "all messages at the observer");
    const missing = Array.from({ length: sent - publishing.length }, (_, i) => i).filter((i) => !received.includes(i));
    assert.deepEqual(missing, [], "messages were lost");
    assert.equal(device.connected, true, "the device is not connected");
  });

  async function startBroker(): Promise<void> {
    const file = (name: string, content: string): string => {
      fs.writeFileSync(folder.join(name), content, { mode: 0o600 });
      return folder.join(name);
    };
    const passwords = file(
      "passwords",
      Object.entries(users)
        .map((user) => `${user.join(":")}\n`)
        .join(""),
    );
    execFileSync("mosquitto_passwd", ["-U", passwords], {
      env: { ...process.env, PATH: `${process.env["PATH"]}:/usr/sbin` },
    });
    const lines = [
      "persistence false",
      "log_type none",
      "allow_anonymous false",
      "max_queued_messages 0",
      "max_inflight_messages 0",
      `password_file ${passwords}`,
    ];
    if (process.getuid?.() === 0) lines.push("user root");
    for (const [i, root] of [oldRoot, newRoot].entries()) {
      const keys = await generateKeys();
      const certificate = await issueServer(
        { commonName: "Broker", names: ["localhost"], validity },
        keys.publicKey,
        root,
      );
      ports[i] = await freePort();
      lines.push(
        `listener ${ports[i]} 127.0.0.1`,
        `cafile ${file(`ca${i}.pem`, toPEM("CERTIFICATE", oldRoot.certificate) + toPEM("CERTIFICATE", newRoot.certificate))}`,
        `certfile ${file(`server${i}.pem`, toPEM("CERTIFICATE", certificate))}`,
        `keyfile ${file(`server${i}.key`, toPEM("PRIVATE KEY", await exportPrivateKey(keys)))}`,
        "require_certificate true",
      );
    }
    broker = spawn("mosquitto", ["-c", file("mosquitto.conf", `${lines.join("\n")}\n`)], {
      stdio: "ignore",
      env: { ...process.env, PATH: `${process.env["PATH"]}:/usr/sbin` },
    });
    cleanups.push(async () => {
      broker.kill("SIGTERM");
      if (broker.exitCode === null) await once(broker, "exit");
    });
    let up = false;
    const probe = setInterval(() => {
      const socket = net.connect(ports[1]!, "127.0.0.1", () => (up = true));
      socket.on("error", () => undefined).on("connect", () => socket.destroy());
    }, 50);
    try {
      await eventually(() => up, "Mosquitto");
    } finally {
      clearInterval(probe);
    }
  }

  async function connectObserver(): Promise<mqtt.MqttClient> {
    const keys = await generateKeys();
    const certificate = await issueDevice({ clientIdentifier: "observer", validity }, keys.publicKey, oldRoot);
    const client = await mqtt.connectAsync({
      protocol: "mqtts",
      host: "127.0.0.1",
      servername: "localhost",
      port: ports[0]!,
      ca: toPEM("CERTIFICATE", oldRoot.certificate),
      cert: toPEM("CERTIFICATE", certificate),
      key: toPEM("PRIVATE KEY", await exportPrivateKey(keys)),
      username: "observer",
      password: users.observer,
    });
    client.on("message", (_topic, payload) => void received.push(Number(payload.toString())));
    await client.subscribeAsync(`${identifier}/count`, { qos: 1 });
    return client;
  }

  async function firstRecord(): Promise<ProvisioningRecord> {
    const keys = await generateKeys();
    return {
      broker: { host: "localhost", port: (gate.address() as net.AddressInfo).port },
      clientIdentifier: identifier,
      trustAnchors: [oldRoot.certificate],
      certificateChain: [await issueDevice({ clientIdentifier: identifier, validity }, keys.publicKey, oldRoot)],
      privateKey: await exportPrivateKey(keys),
      username: "first",
      password: Buffer.from(users.first),
    };
  }

  function boot(record?: ProvisioningRecord): void {
    platform = createPlatform({
      folder: folder.join("device"),
      wakeCause: "power",
      hosts: { localhost: "127.0.0.1" },
      log: () => undefined,
      powerDown: () => undefined,
    });
    const { storage, crypto, rootOfTrust } = platform;
    vault = Vault.open({ storage, crypto, rootOfTrust, clock: { now: () => Date.now() } });
    if (record) vault.provision(record);
    device = new Device({
      platform,
      vault,
      permissions: (json) => Permissions.parse(json),
      reconnectSpread: [100],
      onConnected: ({ bootstrap }) => bootstraps.push(bootstrap),
    });
  }

  /** Has a request signed by an authority. */
  function signedBy(issuer: Authority, clientIdentifier = identifier): (request: Uint8Array) => Promise<Uint8Array[]> {
    return async (der) => {
      const request = new x509.Pkcs10CertificateRequest(Buffer.from(der));
      assert.ok(await request.verify(), "the request is not signed by its key");
      const curve = { name: "ECDSA", namedCurve: "P-256" };
      const publicKey = await webcrypto.subtle.importKey("spki", request.publicKey.rawData, curve, true, ["verify"]);
      return [await issueDevice({ clientIdentifier, validity }, publicKey, issuer)];
    };
  }

  async function refused(rotation: Promise<void>, ...codes: ErrorCode[]): Promise<void> {
    const error = await rotation.then(
      () => assert.fail("the rotation was accepted"),
      (rejected: unknown) => rejected,
    );
    assert.ok(error instanceof SealwireError && codes.includes(error.code), String(error));
    assert.equal(vault.status.staged, undefined);
    assert.equal(vault.status.lastRotation?.outcome, "rolled back");
    assert.ok(vault.status.lastRotation.version > vault.status.version!, "the refused version is in force");
    assert.equal(vault.status.lastRotation.code, error.code);
    await eventually(() => device.connected, "the device to be connected again");
  }

  it("its certificate, for a key that was born on it", async () => {
    const before = vault.credentials.certificateChain?.[0];
    await device.rotateCertificate(signedBy(oldRoot));
    assert.notDeepEqual(vault.credentials.certificateChain?.[0], before);
    assert.equal(vault.status.version, 2);
  });

  it("not its certificate, when the broker refuses the new one: it returns to the old one and stays connected", async () => {
    const before = vault.credentials.certificateChain?.[0];
    await refused(
      device.rotateCertificate(signedBy(stranger)),
      "TLS_ALERT_RECEIVED",
      "CONNECTION_LOST",
      "TLS_HANDSHAKE_FAILED",
    );
    assert.deepEqual(vault.credentials.certificateChain?.[0], before);
  });

  it("not its certificate, when the new one is for another device: the broker is not even asked", async () => {
    const { version } = vault.status;
    await assert.rejects(
      device.rotateCertificate(signedBy(oldRoot, "somebody-else")),
      (error) => error instanceof SealwireError && error.code === "IDENTITY_CERTIFICATE_MISMATCH",
    );
    assert.equal(vault.status.version, version);
  });

  it("its user name and password", async () => {
    await device.rotate({ username: "second", password: Buffer.from(users.second) });
    assert.equal(vault.credentials.username, "second");
  });

  it("not its password, when the broker refuses the new one", async () => {
    await refused(
      device.rotate({ password: Buffer.from("not the one that the broker knows") }),
      "MQTT_BAD_CREDENTIALS",
      "MQTT_NOT_AUTHORIZED",
    );
    assert.equal(Buffer.from(vault.credentials.password!).toString(), users.second);
  });

  it("not its authorities as long as the broker shows a certificate of the old one: both stay trusted", async () => {
    await refused(device.rotateTrustAnchors([newRoot.certificate]), "TLS_CERTIFICATE_UNTRUSTED");
    assert.deepEqual(vault.credentials.trustAnchors, [oldRoot.certificate, newRoot.certificate]);
  });

  it("its authorities, once the broker changed over", async () => {
    target = 1;
    await device.rotateTrustAnchors([newRoot.certificate]);
    assert.deepEqual(vault.credentials.trustAnchors, [newRoot.certificate]);
  });

  it("one at a time, and only with a vault", async () => {
    const first = device.rotate({ permissions: Buffer.from('[{"topic":"#","operation":"both"}]') });
    await assert.rejects(
      device.rotate({}),
      (error) => error instanceof SealwireError && error.code === "INVALID_STATE",
    );
    await first;
    await assert.rejects(device.rotate({ clientIdentifier: "other" }), /client identifier/);
  });

  it("and starts with the new ones after a power cut, with a full handshake at most", async () => {
    clearInterval(ticker);
    await Promise.all(publishing);
    platform.network.set(false);
    await device.stop();
    vault.close();
    boot();
    await device.start({ timeout: 10_000 });
    assert.deepEqual(vault.credentials.trustAnchors, [newRoot.certificate]);
    assert.equal(vault.credentials.username, "second");
  });

  it("even when its certificate has expired, by the bootstrap identity that is kept for that", async () => {
    await device.stop();
    const keys = [await generateKeys(), await generateKeys()] as const;
    const expired = { notBefore: new Date(Date.now() - 3 * day), notAfter: new Date(Date.now() - day) };
    const own = await issueDevice({ clientIdentifier: identifier, validity: expired }, keys[0].publicKey, newRoot);
    const bootstrap = await issueDevice({ clientIdentifier: identifier, validity }, keys[1].publicKey, newRoot);
    vault.stage({
      certificateChain: [own],
      privateKey: await exportPrivateKey(keys[0]),
      bootstrap: { certificateChain: [bootstrap], privateKey: await exportPrivateKey(keys[1]) },
    });
    vault.prove();
    vault.commit();
    vault.close();
    boot();
    await device.start({ timeout: 10_000 });
    assert.equal(bootstraps.at(-1), true);
    await device.rotateCertificate(signedBy(newRoot));
    assert.equal(bootstraps.at(-1), false);
    assert.ok(vault.status.expires.certificate! > Date.now());
    assert.ok(vault.status.renewAt! > Date.now());
  });
});
