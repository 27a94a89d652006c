/** What a device does beside keeping its link: wakes that remember, permissions, sealing, renewal, reports, WebSocket, wipe. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { createPlatform, type NodePlatform } from "../../hosts/node/index.js";
import { Device, type DeviceOptions, type SealwireError, type SecurityEvent } from "../../src/index.js";
import { Monitor } from "../../src/monitor/index.js";
import { MQTTSession } from "../../src/mqtt/index.js";
import { Permissions } from "../../src/permissions/index.js";
import type { Platform, WakeCause } from "../../src/platform.js";
import { Sealing } from "../../src/sealing/index.js";
import { Vault, type Credentials } from "../../src/vault/index.js";
import { WebSocketTransport } from "../../src/websocket/index.js";
import { MosquittoBroker, PlainMosquitto } from "../../tools/brokers/index.js";
import { freePort } from "../../tools/brokers/free-port.js";
import { type Credentials as Issued, DevelopmentPKI } from "../../tools/pki/index.js";
import { requireMosquitto } from "../tools/support/mosquitto.js";
import { temporaryFolder } from "../tools/support/temporary-folder.js";
import { eventually } from "./support/eventually.js";
import { FaultProxy } from "./support/fault-proxy.js";
import { startWrongServer } from "./support/wrong-server.js";

describe("A device", function () {
  this.timeout(30_000);
  const folder = temporaryFolder();
  let pki: DevelopmentPKI;
  let broker: MosquittoBroker;
  let proxy: FaultProxy;
  let issued: Issued;
  let peer: Issued;
  let devices: Device[];
  let errors: SealwireError[];
  let security: SecurityEvent[];
  let home: string;
  let count = 0;
  let platform: NodePlatform;

  before(async function () {
    requireMosquitto(this);
    pki = await DevelopmentPKI.open({ folder: folder.join("pki"), names: ["localhost"] });
    issued = await pki.device("device");
    peer = await pki.device("peer");
    broker = new MosquittoBroker({
      server: pki.server,
      root: pki.root,
      versions: { minimum: "TLSv1.2", maximum: "TLSv1.3" },
    });
    await broker.start();
    proxy = new FaultProxy(() => broker.port);
    await proxy.start();
  });

  after(async () => {
    await proxy.stop();
    await broker.stop();
  });

  beforeEach(() => {
    devices = [];
    errors = [];
    security = [];
    home = folder.join(`device-${count++}`);
    proxy.fault = { kind: "none" };
  });

  afterEach(() => Promise.all(devices.map((device) => device.stop())));

  function platformOf(wakeCause: WakeCause = "power", path = home): NodePlatform {
    return (platform = createPlatform({
      folder: path,
      wakeCause,
      hosts: { localhost: "127.0.0.1" },
      log: () => undefined,
      powerDown: () => undefined,
    }));
  }

  function credentialsOf(from: Platform, of = issued, more: Partial<Credentials> = {}): Credentials {
    return {
      broker: { host: "localhost", port: proxy.port },
      trustAnchors: [pki.root],
      certificateChain: of.certificateChain,
      privateKey: from.crypto.importKey("private", of.privateKey),
      ...more,
    };
  }

  function boot(options: Partial<DeviceOptions> = {}): Device {
    const on = options.platform ?? platformOf();
    const device = new Device({
      clientIdentifier: "device",
      reconnectSpread: [200],
      onError: (error) => errors.push(error),
      onSecurity: (event) => security.push(event),
      ...("credentials" in options || options.vault ? {} : { credentials: credentialsOf(on) }),
      ...options,
      platform: on,
    });
    devices.push(device);
    return device;
  }

  describe("that wakes", () => {
    it("has its reading acknowledged after three round trips, TLS 1.2 and 1.3", async () => {
      const program = fileURLToPath(new URL("../../bench/wake/main.js", import.meta.url));
      const { stdout } = await promisify(execFile)(process.execPath, [
        program,
        "--runs",
        "1",
        "--delay",
        "20",
        "--json",
      ]);
      const { cases } = JSON.parse(stdout) as { cases: { name: string; resumed: boolean; roundTrips: number }[] };
      const ours = cases.filter(({ name }) => name.startsWith("sealwire") && name.endsWith("resumed"));
      assert.equal(ours.length, 2);
      for (const { name, resumed, roundTrips } of ours) assert.deepEqual([name, resumed, roundTrips], [name, true, 3]);
    });

    /** A wake whose DNS queries are counted. */
    function wake(options: Partial<DeviceOptions> = {}, wakeCause: WakeCause = "sleep") {
      const queries = { count: 0 };
      const real = platformOf(wakeCause);
      const Resolver = real.resolver;
      const on: Platform = {
        ...real,
        resolver: class extends Resolver {
          override resolve(request: Parameters<InstanceType<typeof Resolver>["resolve"]>[0]): void {
            queries.count++;
            super.resolve(request);
          }
        },
      };
      return { device: boot({ platform: on, ...options }), queries };
    }

    it("asks DNS only when the address of before is too old, or led nowhere", async () => {
      const first = wake({}, "power");
      await first.device.start();
      assert.equal(first.queries.count, 1);
      await first.device.sleep(0);
      const second = wake();
      await second.device.start();
      assert.equal(second.queries.count, 0);
      await second.device.sleep(0);
      const expired = wake({ addressLifetime: 1 });
      await expired.device.start();
      assert.equal(expired.queries.count, 1);
      await expired.device.sleep(0);
      proxy.fault = { kind: "reset" };
      const started = Date.now();
      // Before the next try, however busy this machine is.
      const onDisconnected = (): void => void (proxy.fault = { kind: "none" });
      const lost = wake({ reconnectSpread: [20_000], onDisconnected });
      await lost.device.start();
      assert.equal(lost.queries.count, 1);
      assert.ok(Date.now() - started < 2000, "at once, not spread over minutes");
    });

    it("keeps its log over a restart, beside everything else", async () => {
      const device = boot({ monitor: new Monitor() });
      await device.start();
      await device.sleep(0);
      const monitor = new Monitor();
      boot({ platform: platformOf("sleep"), monitor });
      const texts = monitor.entries.map(({ text }) => text);
      assert.ok(
        texts.some((text) => text.startsWith("connected in")),
        texts.join("\n"),
      );
      assert.equal(texts.at(-1), "start after sleep");
    });
  });

  it("publishes and subscribes only as permitted, and nothing else reaches the wire", async () => {
    const device = boot({ permissions: new Permissions([{ topic: "%c/up/#", operation: "publish", qos: [0, 1] }]) });
    await device.start();
    await device.publish("%c/up/1", "x", { qos: 1 });
    const before = platform.newestConnection!.bytesOut;
    const denied = { code: "PERMISSION_DENIED" };
    await assert.rejects(device.publish("%c/up/1", "x", { qos: 2 }), denied);
    await assert.rejects(device.publish("other/up/1", "x"), /"topic":"other\/up\/1"/);
    await assert.rejects(
      device.subscribe("%c/up/#", () => undefined),
      denied,
    );
    assert.equal(platform.newestConnection!.bytesOut, before);
    assert.deepEqual([...new Set(security.map(({ kind }) => kind))], ["permission-refused"]);
    device.permissions = new Permissions([{ topic: "%c/#", operation: "both" }]);
    await device.subscribe("%c/up/#", () => undefined);
  });

  it("keeps changed permissions in its vault, and refuses to start without who reads them", async () => {
    const real = platformOf();
    const open = (on: Platform): Vault => Vault.open({ ...on, storage: on.storage!, clock: { now: () => Date.now() } });
    let vault = open(real);
    vault.provision({
      broker: { host: "localhost", port: proxy.port },
      clientIdentifier: "device",
      trustAnchors: [pki.root],
      certificateChain: issued.certificateChain,
      privateKey: issued.privateKey.slice(),
    });
    const read = (json: Uint8Array): Permissions => Permissions.parse(json);
    const device = boot({ platform: real, vault, permissions: read });
    await device.start();
    device.permissions = new Permissions([{ topic: "a", operation: "publish" }]);
    await device.publish("a", "x", { qos: 1 });
    assert.equal(device.connected, true);
    await device.stop();
    vault.close();
    const later = platformOf("power");
    vault = open(later);
    assert.throws(() => boot({ platform: later, vault }), { code: "UNSUPPORTED" });
    const again = boot({ platform: later, vault, permissions: read });
    await assert.rejects(again.publish("b", "x"), { code: "PERMISSION_DENIED" });
    await again.wipe();
    assert.throws(() => open(platformOf("power")).credentials, { code: "VAULT_EMPTY" });
  });

  it("seals payloads, opens them, and tells of what is not what it should be", async () => {
    const secretOf = (on: Platform) => new Map([[1, on.crypto.importKey("secret", new Uint8Array(16).fill(7))]]);
    const here = platformOf();
    const there = platformOf("power", folder.join(`peer-${count++}`));
    const received: { text: string; sealed: boolean }[] = [];
    const receiver = boot({
      platform: there,
      clientIdentifier: "peer",
      credentials: credentialsOf(there, peer, { payloadSecrets: secretOf(there) }),
      sealing: new Sealing(),
    });
    await receiver.start();
    await receiver.subscribe(
      "sealed/#",
      ({ payload, sealed }) => void received.push({ text: Buffer.from(payload).toString(), sealed }),
      { qos: 1, sealed: true },
    );
    const sender = boot({
      platform: here,
      credentials: credentialsOf(here, issued, { payloadSecrets: secretOf(here) }),
      sealing: new Sealing(),
    });
    await sender.start();
    await sender.publish("sealed/a", "secret", { qos: 1, seal: true });
    await sender.publish("sealed/a", "in the clear", { qos: 1 });
    await eventually(() => received.length > 0 && security.length > 0, "both");
    assert.deepEqual(received, [{ text: "secret", sealed: true }]);
    assert.equal(security[0]?.kind, "payload-rejected");
    assert.deepEqual(errors, []);
    await assert.rejects(boot({ clientIdentifier: "third" }).publish("t", "x", { seal: true }), {
      code: "UNSUPPORTED",
    });
  });

  it("goes without TLS only with sealing, and never with a password", () => {
    assert.throws(() => boot({ unencrypted: true }), /unencrypted needs the option sealing/);
    const on = platformOf();
    const credentials = credentialsOf(on, issued, { username: "device", password: new Uint8Array(16) });
    assert.throws(() => boot({ platform: on, unencrypted: true, sealing: new Sealing(), credentials }), /password/);
  });

  it("renews its certificate in time", async () => {
    const real = platformOf();
    // Nearly all of the certificate's life is still to come: renewal begins right at its start.
    const renewal = { fraction: 1e-9, jitter: 0 };
    const vault = Vault.open({ ...real, storage: real.storage!, clock: { now: () => Date.now() }, renewal });
    vault.provision({
      broker: { host: "localhost", port: proxy.port },
      clientIdentifier: "device",
      trustAnchors: [pki.root],
      certificateChain: issued.certificateChain,
      privateKey: issued.privateKey.slice(),
    });
    const due: (number | undefined)[] = [];
    const requests: Uint8Array[] = [];
    const device = boot({
      platform: real,
      vault,
      onRenewalDue: ({ certificateExpires }) => void due.push(certificateExpires),
      issueCertificate: (request) => {
        requests.push(request);
        return Promise.reject(new Error("the authority is closed"));
      },
    });
    await device.start();
    await eventually(() => errors.length > 0, "the failure");
    assert.deepEqual([due.length, requests.length], [1, 1]);
    assert.equal(due[0], vault.status.expires.certificate);
    assert.equal(device.connected, true, "the old one still serves");
    await device.stop();
    vault.close();
  });

  it("counts what it does as the wire sees it, and reports it", async () => {
    const reports: Uint8Array[] = [];
    const monitor = new Monitor({ health: { format: "json" } });
    const device = boot({ monitor });
    await device.start();
    await device.subscribe("%c/health", ({ payload }) => void reports.push(payload));
    for (const qos of [0, 1, 1, 2] as const) await device.publish("x", "y", { qos });
    await monitor.publish();
    await eventually(() => reports.length > 0, "the report");
    const { counters } = monitor;
    const { bytesIn, bytesOut } = platform.newestConnection!;
    assert.deepEqual([counters.bytesIn, counters.bytesOut], [bytesIn, bytesOut]);
    assert.deepEqual(counters.sent, [1, 3, 1], "four of the test, and the report");
    assert.deepEqual([counters.connectsFull, counters.connectsResumed], [1, 0]);
    proxy.reset();
    await eventually(() => counters.connectsResumed === 1, "the next connection");
    assert.equal((JSON.parse(Buffer.from(reports[0]!).toString()) as { format: number }).format, 1);
  });

  it("feeds its watchdog while it runs, and no longer", async () => {
    let meals = 0;
    const on: Platform = {
      ...platformOf(),
      watchdog: {
        feed: () => {
          meals++;
        },
      },
    };
    const device = boot({ platform: on });
    await device.start();
    await new Promise((resolve) => setTimeout(resolve, 1200));
    assert.ok(meals >= 2, `${meals} meals`);
    await device.stop();
    const fed = meals;
    await new Promise((resolve) => setTimeout(resolve, 1200));
    assert.equal(meals, fed);
  });

  it("goes where its broker sends it, if the program says so", async () => {
    // 5.0: use another server (0x9C).
    const server = await startWrongServer(pki, Uint8Array.of(0x20, 6, 0, 0x9c, 3, 0x1c, 0, 0));
    const { port } = server.address() as { port: number };
    const moved: boolean[] = [];
    const device = boot({
      mqttVersion: 5,
      broker: { host: "localhost", port },
      onServerMoved: ({ permanent }) => {
        moved.push(permanent);
        return { host: "localhost", port: proxy.port };
      },
    });
    await device.start();
    assert.deepEqual([moved, device.status.broker.port], [[false], proxy.port]);
    server.close();
  });

  it("speaks MQTT over WebSocket", async () => {
    const port = await freePort();
    const plain = new PlainMosquitto({ settings: [`listener ${port} 127.0.0.1`, "protocol websockets"] });
    await plain.start();
    const on = platformOf();
    const received: number[] = [];
    const session = new MQTTSession({
      clientIdentifier: "ws",
      timer: on.timer,
      ticks: () => on.ticks(),
      version: 4,
      onMessage: ({ payload }) => void received.push(payload.byteLength),
      onError: (error) => errors.push(error),
    });
    try {
      session.connect({
        address: "127.0.0.1",
        port,
        socket: {
          io: WebSocketTransport,
          socket: { io: on.tcp },
          random: (length: number) => on.crypto.random(length),
        },
      });
      await session.subscribe("t", { qos: 2 });
      for (const size of [0, 1, 125, 126, 1015, 1016, 1017, 5000, 16_000])
        await session.publish("t", new Uint8Array(size).fill(size), { qos: 2 });
      await eventually(() => received.length === 9, "all of them");
      assert.deepEqual(received, [0, 1, 125, 126, 1015, 1016, 1017, 5000, 16_000]);
      assert.deepEqual(errors, []);
      await session.disconnect();
    } finally {
      session.close();
      await plain.stop();
    }
  });
});
