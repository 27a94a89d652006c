/** What ends a connection is told apart, and says when the next one is tried: with the defaults, and what a server says on the wire. */
import assert from "node:assert/strict";
import { once } from "node:events";
import * as net from "node:net";
import { createServer, type Server } from "node:tls";
import { createPlatform } from "../../hosts/node/index.js";
import {
  Device,
  type DeviceDisconnected,
  type DeviceOptions,
  type SealwireError,
  type SecurityEvent,
} from "../../src/index.js";
import { Monitor } from "../../src/monitor/index.js";
import type { Platform } from "../../src/platform.js";
import { Vault } from "../../src/vault/index.js";
import { type Credentials as Issued, DevelopmentPKI, toPEM } from "../../tools/pki/index.js";
import { temporaryFolder } from "../tools/support/temporary-folder.js";
import { eventually } from "./support/eventually.js";
import { type Faults, faultyPlatform } from "./support/faulty-platform.js";
import { startWrongServer } from "./support/wrong-server.js";

const minute = 60_000;
const aws = "a1b2c3-ats.iot.eu-central-1.amazonaws.com";

describe("A device that is not let in", function () {
  this.timeout(20_000);
  const folder = temporaryFolder();
  let pki: DevelopmentPKI;
  let other: DevelopmentPKI;
  let issued: Issued;
  let device: Device;
  let server: Server | undefined;
  let losses: DeviceDisconnected[];
  let security: SecurityEvent[];
  let monitor: Monitor;
  let faults: Faults;
  let port: number;
  let count = 0;

  before(async () => {
    pki = await DevelopmentPKI.open({ folder: folder.join("pki"), names: ["localhost", aws, "broker.example"] });
    other = await DevelopmentPKI.open({ folder: folder.join("other"), names: ["localhost"] });
    issued = await pki.device("device");
  });

  beforeEach(() => {
    losses = [];
    security = [];
    faults = { resolvable: true, storageFails: false, wall: undefined };
    monitor = new Monitor();
    port = 1;
  });

  afterEach(async () => {
    await (device as Device | undefined)?.stop();
    server?.close();
    server = undefined;
  });

  function platformOf(): Platform {
    const real = createPlatform({
      folder: folder.join(`device-${count++}`),
      wakeCause: "power",
      hosts: { localhost: "127.0.0.1", [aws]: "127.0.0.1", "broker.example": "127.0.0.1" },
      log: () => undefined,
      powerDown: () => undefined,
    });
    return faultyPlatform(real, faults, () => port);
  }

  /** Starts a device that goes to `port`, whatever it thinks. */
  function boot(options: Partial<DeviceOptions> = {}, platform = platformOf()): void {
    device = new Device({
      monitor,
      clientIdentifier: "device",
      broker: { host: "localhost" },
      onDisconnected: (info) => losses.push(info),
      onSecurity: (event) => security.push(event),
      ...options,
      platform,
      credentials: {
        broker: { host: "localhost", port: 1 },
        trustAnchors: [pki.root],
        certificateChain: issued.certificateChain,
        privateKey: platform.crypto.importKey("private", issued.privateKey),
      },
    });
    void device.start().catch(() => undefined);
  }

  async function answering(...connack: number[]): Promise<void> {
    server = await startWrongServer(pki, Uint8Array.from(connack));
    ({ port } = server.address() as net.AddressInfo);
  }

  async function untrusted(): Promise<void> {
    server = await startWrongServer(other, Uint8Array.of());
    ({ port } = server.address() as net.AddressInfo);
  }

  async function closedPort(): Promise<void> {
    const unused = net.createServer().listen(0, "127.0.0.1");
    await once(unused, "listening");
    ({ port } = unused.address() as net.AddressInfo);
    unused.close();
    await once(unused, "close");
  }

  const causes: readonly {
    readonly title: string;
    readonly arrange: () => Promise<void> | void;
    readonly options?: Partial<DeviceOptions>;
    readonly code: string;
    /** Milliseconds between which the next attempt lies. */
    readonly between: readonly [number, number];
    readonly security?: string;
  }[] = [
    {
      title: "a name that is not found: soon, nobody else is affected",
      arrange: () => void (faults.resolvable = false),
      code: "NAME_NOT_RESOLVED",
      between: [0, 1000],
    },
    {
      title: "a port where nobody listens: spread",
      arrange: closedPort,
      code: "CONNECTION_REFUSED",
      between: [0, minute],
    },
    {
      title: "a server that cannot be verified: never fast",
      arrange: untrusted,
      code: "TLS_CERTIFICATE_UNTRUSTED",
      between: [minute, 10 * minute],
      security: "server-not-verified",
    },
    {
      title: "bad credentials (3.1.1): slowly",
      arrange: () => answering(0x20, 2, 0, 4),
      code: "MQTT_BAD_CREDENTIALS",
      between: [minute, 10 * minute],
      security: "credentials-refused",
    },
    {
      title: "bad credentials (5.0): slowly",
      arrange: () => answering(0x20, 3, 0, 0x86, 0),
      options: { mqttVersion: 5 },
      code: "MQTT_BAD_CREDENTIALS",
      between: [minute, 10 * minute],
      security: "credentials-refused",
    },
    {
      title: "not authorised (3.1.1): slowly",
      arrange: () => answering(0x20, 2, 0, 5),
      code: "MQTT_NOT_AUTHORIZED",
      between: [minute, 10 * minute],
      security: "credentials-refused",
    },
    {
      title: "banned (5.0): slowly",
      arrange: () => answering(0x20, 3, 0, 0x8a, 0),
      options: { mqttVersion: 5 },
      code: "MQTT_NOT_AUTHORIZED",
      between: [minute, 10 * minute],
      security: "credentials-refused",
    },
    {
      title: "a client identifier that is refused: slowly",
      arrange: () => answering(0x20, 2, 0, 2),
      code: "MQTT_CLIENT_ID_REFUSED",
      between: [minute, 10 * minute],
      security: "credentials-refused",
    },
    {
      title: "a server that is unavailable (3.1.1): from the widest window",
      arrange: () => answering(0x20, 2, 0, 3),
      code: "MQTT_SERVER_UNAVAILABLE",
      between: [0, 2 * minute],
    },
    {
      title: "a server that is busy (5.0): from the widest window",
      arrange: () => answering(0x20, 3, 0, 0x89, 0),
      options: { mqttVersion: 5 },
      code: "MQTT_SERVER_UNAVAILABLE",
      between: [0, 2 * minute],
    },
    {
      title: "a quota that is exceeded (5.0): from the widest window",
      arrange: () => answering(0x20, 3, 0, 0x97, 0),
      options: { mqttVersion: 5 },
      code: "MQTT_QUOTA_EXCEEDED",
      between: [0, 2 * minute],
    },
    {
      title: "a server that moved, and a program that does not follow (5.0): slowly",
      arrange: () => answering(0x20, 3, 0, 0x9d, 0),
      options: { mqttVersion: 5 },
      code: "MQTT_SERVER_MOVED",
      between: [minute, 10 * minute],
    },
    {
      title: "a client that is taken over (5.0): slowly, and no suspicion but a fact",
      arrange: () => answering(0x20, 3, 0, 0, 0, 0xe0, 2, 0x8e, 0),
      options: { mqttVersion: 5 },
      code: "MQTT_TAKEN_OVER",
      between: [minute, 10 * minute],
      security: "taken-over",
    },
  ];

  for (const { title, arrange, options, code, between, security: kind } of causes)
    it(title, async () => {
      await arrange();
      boot(options);
      await eventually(() => losses.length > 0, "the end");
      const [{ cause, willRetryIn, suspected }] = losses as [DeviceDisconnected];
      assert.equal(cause?.code, code);
      assert.equal(suspected, false);
      assert.ok(willRetryIn! >= between[0] && willRetryIn! <= between[1], `next attempt in ${willRetryIn} ms`);
      assert.deepEqual(
        security.map((event) => [event.kind, event.code]),
        kind ? [[kind, code]] : [],
      );
      if (kind) assert.equal(monitor.counters.security[kind as SecurityEvent["kind"]], 1);
      assert.equal(device.status.lastError?.code, code);
    });

  it("a network that is down: not before it is up, then within a second", async () => {
    const platform = platformOf();
    const network = platform.network as unknown as { set(up: boolean): void };
    await answering(0x20, 2, 0, 0);
    boot({}, platform);
    await eventually(() => device.connected, "the connection");
    network.set(false);
    assert.deepEqual([losses[0]?.cause?.code, losses[0]?.willRetryIn], ["NETWORK_DOWN", undefined]);
    const back = Date.now();
    network.set(true);
    await eventually(() => device.connected, "the next connection");
    assert.ok(Date.now() - back < 1500);
  });

  it("a vault that was meddled with: it says so, and does not start", () => {
    const platform = platformOf();
    const open = (): Vault => Vault.open({ ...platform, storage: platform.storage!, clock: { now: () => Date.now() } });
    const vault = open();
    vault.provision({
      broker: { host: "localhost", port: 1 },
      clientIdentifier: "device",
      trustAnchors: [pki.root],
      certificateChain: issued.certificateChain,
      privateKey: issued.privateKey.slice(),
    });
    vault.close();
    const storage = platform.storage!;
    for (const slot of ["sw.v.a", "sw.v.b"]) {
      const bytes = storage.read(slot);
      if (bytes === undefined) continue;
      const damaged = new Uint8Array(bytes);
      damaged[damaged.byteLength >> 1]! ^= 1;
      storage.write(slot, damaged);
    }
    const broken = open();
    assert.throws(
      () => new Device({ platform, vault: broken, monitor, onSecurity: (event) => security.push(event) }),
      (error: SealwireError) => error.code.startsWith("VAULT_"),
    );
    assert.equal(security[0]?.kind, "vault-integrity");
    broken.close();
  });

  describe("offers by ALPN", () => {
    for (const { host, at, options, offered } of [
      { host: aws, at: 443, options: {}, offered: ["x-amzn-mqtt-ca"] },
      { host: "broker.example", at: 443, options: {}, offered: ["mqtt"] },
      { host: "broker.example", at: 8883, options: {}, offered: undefined },
      { host: "broker.example", at: 8883, options: { applicationProtocols: ["mqtt", "x"] }, offered: ["mqtt", "x"] },
    ])
      it(`${offered?.join(" and ") ?? "nothing"} at ${host}, port ${at}${"applicationProtocols" in options ? ", as its options say" : ""}`, async () => {
        let seen: string[] | undefined;
        const names: (string | undefined)[] = [];
        server = createServer({
          cert: pki.server.certificateChain.map((der) => toPEM("CERTIFICATE", der)).join(""),
          key: toPEM("PRIVATE KEY", pki.server.privateKey),
          ALPNCallback: ({ servername, protocols }) => {
            names.push(servername);
            seen = protocols;
            return protocols[0];
          },
        });
        server.on("secureConnection", (socket) => {
          socket.on("error", () => undefined);
          socket.once("data", () => socket.write(Uint8Array.of(0x20, 2, 0, 0)));
        });
        await once(server.listen(0, "127.0.0.1"), "listening");
        ({ port } = server.address() as net.AddressInfo);
        boot({ broker: { host, port: at }, ...options });
        await eventually(() => device.connected, "the connection");
        assert.deepEqual(seen, offered);
        if (offered) assert.deepEqual(names, [host]);
      });
  });
});
