/**
 * The fault matrix: what networks, brokers, clocks and flash do to a device. After each: it is connected again, no message with QoS 1 or 2 is lost, none with
 * QoS 2 came twice, it was never busy for nothing, and its memory is back where it was.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import * as net from "node:net";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { createPlatform, type NodePlatform } from "../../hosts/node/index.js";
import { Device, type DeviceOptions, type SecurityEvent } from "../../src/index.js";
import type { TLSVersion } from "../../src/platform.js";
import { MosquittoBroker } from "../../tools/brokers/index.js";
import { type Credentials as Issued, DevelopmentPKI } from "../../tools/pki/index.js";
import { requireMosquitto } from "../tools/support/mosquitto.js";
import { temporaryFolder } from "../tools/support/temporary-folder.js";
import { BlackHole } from "./support/black-hole.js";
import { eventually } from "./support/eventually.js";
import { FaultProxy } from "./support/fault-proxy.js";
import { type Faults, faultyPlatform } from "./support/faulty-platform.js";
import { startWrongServer } from "./support/wrong-server.js";

const day = 86_400_000;

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

/** Bytes that the heap may have grown by over a fault: the test's own records, and what V8 compiles meanwhile. */
const GROWTH = 3_000_000;

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

function heap(): number {
  collectGarbage();
  return process.memoryUsage().heapUsed;
}

describe("A device survives", function () {
  this.timeout(60_000);
  const folder = temporaryFolder();
  let pki: DevelopmentPKI;
  let broker: MosquittoBroker;
  let proxy: FaultProxy;
  /** Also while it does not run. */
  let brokerPort: number;
  let issued: Issued;
  let watcherIssued: Issued;
  let devices: Device[];
  let device: Device;
  let platform: NodePlatform;
  let security: SecurityEvent[];
  let causes: (string | undefined)[];
  let connects: { resumed: boolean; sessionPresent: boolean }[];
  let count = 0;
  /** What the tests change. */
  let faults: Faults;
  let port: (() => number) | undefined;
  /** What the watcher received, by payload. */
  let received: Map<string, number>;
  let published: { payload: string; qos: 1 | 2; done: Promise<void> }[];
  let base: number;

  before(async function () {
    requireMosquitto(this);
    pki = await DevelopmentPKI.open({ folder: folder.join("pki"), names: ["localhost"] });
    issued = await pki.device("device");
    watcherIssued = await pki.device("watcher");
  });

  beforeEach(async () => {
    devices = [];
    security = [];
    causes = [];
    connects = [];
    received = new Map();
    published = [];
    faults = { resolvable: true, storageFails: false, wall: undefined };
    port = undefined;
    await startBroker();
    proxy = new FaultProxy(() => brokerPort);
    await proxy.start();
  });

  afterEach(async () => {
    await Promise.all(devices.map((each) => each.stop()));
    await proxy.stop();
    await broker.stop();
  });

  async function startBroker(at?: number, version?: TLSVersion): Promise<void> {
    broker = new MosquittoBroker({
      server: pki.server,
      root: pki.root,
      versions: { minimum: version ?? "TLSv1.2", maximum: version ?? "TLSv1.3" },
      ...(at === undefined ? undefined : { port: at }),
    });
    await broker.start();
    brokerPort = broker.port;
  }

  function boot(name: string, from: Issued, to: () => number, options: Partial<DeviceOptions> = {}): Device {
    const created = createPlatform({
      folder: folder.join(`${name}-${count++}`),
      wakeCause: "power",
      hosts: { localhost: "127.0.0.1" },
      log: () => undefined,
      powerDown: () => undefined,
    });
    platform = created;
    const made = new Device({
      clientIdentifier: name,
      reconnectSpread: [300],
      connectTimeout: 1500,
      keepAlive: 2000,
      ...options,
      platform: faultyPlatform(created, faults, to),
      credentials: {
        broker: { host: "localhost", port: 1 },
        trustAnchors: [pki.root],
        certificateChain: from.certificateChain,
        privateKey: created.crypto.importKey("private", from.privateKey),
      },
    });
    devices.push(made);
    return made;
  }

  /** A device on the proxy, and one that watches directly at the broker. Both are connected when it is fulfilled. */
  async function begin(options: Partial<DeviceOptions> = {}): Promise<void> {
    const watcher = boot("watcher", watcherIssued, () => brokerPort);
    void watcher.subscribe(
      "n/#",
      ({ payload, retain }) => {
        const text = Buffer.from(payload).toString();
        // A retained copy that comes with a subscription is not a second delivery.
        if (!retain || !received.has(text)) received.set(text, (received.get(text) ?? 0) + 1);
      },
      { qos: 2 },
    );
    await watcher.start();
    device = boot("device", issued, () => port?.() ?? proxy.port, {
      onConnected: (info) => connects.push(info),
      onDisconnected: ({ cause }) => causes.push(cause?.code),
      onSecurity: (event) => security.push(event),
      ...options,
    });
    await device.start();
    publish(4);
    await eventually(() => received.size === 4, "the first messages");
    base = heap();
  }

  /** QoS 1 and 2 in turn; retained, so that a watcher whose session the broker lost sees them too. */
  function publish(messages: number): void {
    for (let i = 0; i < messages; i++) {
      const payload = `${published.length}`;
      const qos = published.length % 2 === 0 ? 1 : 2;
      const done = device.publish(`n/${payload}`, payload, { qos, retain: true });
      done.catch(() => undefined);
      published.push({ payload, qos, done });
    }
  }

  /** @param exactly whether QoS 2 must hold from end to end: not when the broker itself forgot */
  async function recovered(exactly = true): Promise<void> {
    publish(2);
    await Promise.all(published.map(({ done }) => done));
    await eventually(() => device.connected, "the connection");
    await eventually(() => published.every(({ payload }) => received.has(payload)), "every message", 15_000);
    await pause(50);
    for (const { payload, qos } of published)
      if (exactly && qos === 2) assert.equal(received.get(payload), 1, `message ${payload} with QoS 2`);
    const before = process.cpuUsage();
    const connections = proxy.connections;
    await pause(400);
    const { user, system } = process.cpuUsage(before);
    assert.ok((user + system) / 400_000 < 0.5, `busy: ${Math.round((user + system) / 4000)} % of a processor`);
    assert.equal(proxy.connections, connections, "it stays connected");
    assert.equal(device.status.pending.messages, 0);
    assert.ok(heap() < base + GROWTH, `the heap grew by ${heap() - base} bytes`);
  }

  it("a name that cannot be resolved", async () => {
    await begin();
    faults.resolvable = false;
    proxy.reset();
    publish(4);
    await eventually(() => causes.includes("NAME_NOT_RESOLVED"), "the failure");
    faults.resolvable = true;
    await recovered();
  });

  it("connections that are reset, established ones and new ones", async () => {
    await begin();
    proxy.fault = { kind: "reset" };
    proxy.reset();
    publish(4);
    await pause(1500);
    const attempts = proxy.connections;
    assert.ok(attempts >= 2 && attempts < 40, `${attempts} attempts in 1.5 s with windows of 0.3 s`);
    proxy.fault = { kind: "none" };
    await recovered();
  });

  it("a port where nobody listens", async () => {
    await begin();
    const unused = net.createServer().listen(0, "127.0.0.1");
    await once(unused, "listening");
    const closed = (unused.address() as net.AddressInfo).port;
    unused.close();
    port = () => closed;
    proxy.reset();
    publish(4);
    await eventually(() => causes.includes("CONNECTION_REFUSED"), "the refusal");
    port = undefined;
    await recovered();
  });

  it("a SYN that nobody answers", async () => {
    await begin();
    const hole = await BlackHole.open();
    try {
      port = () => hole.port;
      proxy.reset();
      publish(4);
      await eventually(() => causes.includes("TIMEOUT"), "the timeout");
      port = undefined;
      await recovered();
    } finally {
      hole.close();
    }
  });

  it("a server that takes connections and says nothing", async () => {
    await begin();
    proxy.fault = { kind: "silent" };
    proxy.reset();
    publish(4);
    await eventually(() => causes.includes("TIMEOUT"), "the timeout");
    proxy.fault = { kind: "none" };
    await recovered();
  });

  it("a half-open link: the other side is gone, and nobody said so", async () => {
    await begin();
    proxy.frozen = true;
    publish(4);
    await eventually(() => causes.includes("MQTT_KEEP_ALIVE_TIMEOUT"), "the missing answer to the ping");
    proxy.frozen = false;
    await recovered();
  });

  it("a link that stalls, and then delivers everything at once", async () => {
    await begin();
    proxy.frozen = true;
    publish(4);
    await pause(1200);
    proxy.thaw();
    await recovered();
    assert.deepEqual(causes, [], "a stall shorter than the keep-alive costs no connection");
  });

  it("a link that stalls for 30 s, with the keep-alive of every device", async () => {
    await begin({ keepAlive: undefined });
    proxy.frozen = true;
    publish(4);
    await pause(30_000);
    proxy.thaw();
    await recovered();
    assert.deepEqual(causes, []);
  });

  it("a server that answers byte by byte, for ever", async () => {
    await begin();
    proxy.fault = { kind: "trickle", pause: 20 };
    proxy.reset();
    publish(4);
    await eventually(() => causes.includes("TIMEOUT"), "the timeout");
    proxy.fault = { kind: "none" };
    await recovered();
  });

  for (const version of ["TLSv1.2", "TLSv1.3"] as const)
    it(`a connection that is cut after each record of handshake and MQTT in turn (${version})`, async () => {
      await broker.stop();
      await startBroker(undefined, version);
      // So many ends soon after CONNACK would look like another client with the same identifier.
      await begin({ reconnectSpread: [30], stablePeriod: 1 });
      for (let records = 0, before = -1; before !== proxy.cuts; records++) {
        before = proxy.cuts;
        assert.ok(records < 60, "a connection has an end of its own");
        const losses = causes.length;
        proxy.fault = { kind: "cut", records };
        proxy.reset();
        publish(2);
        await Promise.all(published.map(({ done }) => done));
        await eventually(() => device.connected && causes.length > losses, `the connection after ${records} records`);
      }
      assert.ok(proxy.cuts >= 8, `${proxy.cuts} cuts`);
      await recovered();
    });

  for (const { title, answer, code } of [
    { title: "that is none", answer: [0x90, 3, 0, 1, 0], code: "MQTT_PROTOCOL_ERROR" },
    { title: "with reserved flags", answer: [0x20, 2, 0xfe, 0], code: "MQTT_MALFORMED_PACKET" },
    { title: "that says the server is unavailable", answer: [0x20, 2, 0, 3], code: "MQTT_SERVER_UNAVAILABLE" },
    { title: "of two hundred megabytes", answer: [0x20, 0xff, 0xff, 0xff, 0x5f], code: "MQTT_PACKET_TOO_LARGE" },
    { title: "that is no MQTT", answer: [...Buffer.from("HTTP/1.1 400 Bad Request\r\n\r\n")], code: undefined },
  ])
    it(`a CONNACK ${title}`, async () => {
      await begin();
      const server = await startWrongServer(pki, Uint8Array.from(answer));
      try {
        port = () => (server.address() as net.AddressInfo).port;
        proxy.reset();
        publish(4);
        await eventually(() => causes.length >= 2, "the refusal");
        if (code) assert.ok(causes.includes(code), causes.join());
        assert.ok(causes.length < 20, "not in a busy loop");
        port = undefined;
        await recovered();
      } finally {
        server.close();
      }
    });

  it("a broker that is killed, and comes back without any session", async () => {
    await begin();
    const heard: string[] = [];
    void device.subscribe("to/device", ({ payload }) => void heard.push(Buffer.from(payload).toString()), { qos: 1 });
    process.kill(broker.pid!, "SIGKILL");
    await eventually(() => !device.connected, "the loss");
    publish(6);
    await pause(500);
    await broker.stop();
    await startBroker(brokerPort);
    await recovered(false);
    assert.equal(connects.at(-1)?.sessionPresent, false);
    await devices[0]!.publish("to/device", "again", { qos: 1 });
    await eventually(() => heard.includes("again"), "the subscription that the broker forgot");
  });

  it("a network that flaps", async () => {
    await begin();
    for (let i = 0; i < 12; i++) {
      platform.network.set(i % 2 === 1);
      publish(1);
      await pause(250);
    }
    platform.network.set(true);
    await recovered();
    assert.ok(proxy.connections < 14, `${proxy.connections} connections`);
  });

  for (const mqttVersion of [4, 5] as const)
    it(`another client with its identifier, of which the broker says nothing (MQTT ${mqttVersion}): it suspects it, and slows down`, async () => {
      await begin({ mqttVersion });
      const rival = boot("device", issued, () => brokerPort, {
        mqttVersion,
        onSecurity: (event) => security.push(event),
      });
      await rival.start();
      await eventually(() => security.length > 0, "the suspicion of either", 20_000);
      await pause(2000);
      assert.ok(!device.connected || !rival.connected, "one of them leaves the field for minutes");
      assert.equal(security.length, 1);
      assert.deepEqual([security[0]?.kind, security[0]?.suspected], ["taken-over", true]);
    });

  it("another client with its identifier, of which the broker tells: it slows down at once", async () => {
    await begin({ mqttVersion: 5 });
    const server = await startWrongServer(pki, Uint8Array.of(0x20, 3, 0, 0, 0, 0xe0, 2, 0x8e, 0));
    port = () => (server.address() as net.AddressInfo).port;
    proxy.reset();
    await eventually(() => causes.includes("MQTT_TAKEN_OVER"), "the reason");
    await pause(1000);
    server.close();
    assert.deepEqual([security[0]?.kind, security[0]?.suspected, security.length], ["taken-over", false, 1]);
    assert.equal(causes.length, 2, "no further attempt");
  });

  it("a clock that jumps, forward and back, and one that is lost; what goes back is reported", async () => {
    await begin({ stablePeriod: 1 });
    for (const jump of [400 * day, -400 * day, 20 * day, undefined]) {
      faults.wall = (now) => (now && jump !== undefined ? { ...now, now: now.now + jump } : undefined);
      const before = connects.length;
      proxy.reset();
      publish(2);
      await eventually(() => connects.length > before, `the connection after a jump of ${jump}`);
    }
    faults.wall = undefined;
    await recovered();
    assert.ok(
      security.some(({ kind }) => kind === "clock-rollback"),
      "the jump back",
    );
  });

  it("flash that takes no more", async () => {
    faults.storageFails = true;
    await begin();
    proxy.reset();
    publish(4);
    await eventually(() => connects.length >= 2, "the next connection");
    assert.equal(connects[1]?.resumed, true, "what is in memory still resumes");
    await recovered();
  });
});
