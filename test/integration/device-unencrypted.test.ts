/** A device without TLS: how it logs in without its password on the wire, and that nothing leaves it that is not sealed. */
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { Aedes } from "aedes";
import { createPlatform, type NodePlatform } from "../../hosts/node/index.js";
import { Device, type DeviceOptions } from "../../src/index.js";
import { Sealing } from "../../src/sealing/index.js";
import { CONTENT_ALGORITHM } from "../../src/cose/index.js";
import { readEnvelope } from "../../src/sealing/index.js";
import type { Platform, Transport, TransportOptions, WakeCause } from "../../src/platform.js";
import type { WebSocketTransport } from "../../src/websocket/index.js";
import { DevelopmentPKI } from "../../tools/pki/index.js";
import { temporaryFolder } from "../tools/support/temporary-folder.js";
import { eventually } from "./support/eventually.js";
import { ScramBroker } from "./support/scram-broker.js";

type WebSocketOptions = ConstructorParameters<typeof WebSocketTransport>[0];

const user = "device";
const password = "correct horse battery staple";

describe("A device without TLS", function () {
  this.timeout(20_000);
  const folder = temporaryFolder();
  let devices: Device[];
  let causes: (string | undefined)[];
  let count = 0;

  beforeEach(() => {
    devices = [];
    causes = [];
  });
  afterEach(() => Promise.all(devices.map((device) => device.stop())));

  function platformOf(wakeCause: WakeCause = "power", home = folder.join(`device-${count++}`)): NodePlatform {
    return createPlatform({
      folder: home,
      wakeCause,
      hosts: { localhost: "127.0.0.1" },
      log: () => undefined,
      powerDown: () => undefined,
    });
  }

  function boot(port: number, options: Partial<DeviceOptions> = {}, presented = password): Device {
    const platform: Platform = options.platform ?? platformOf();
    const device = new Device({
      clientIdentifier: "device",
      unencrypted: true,
      sealing: new Sealing(),
      reconnectSpread: [50],
      onDisconnected: ({ cause }) => causes.push(cause?.code),
      credentials: {
        broker: { host: "localhost", port },
        trustAnchors: [],
        username: user,
        password: new TextEncoder().encode(presented),
        payloadSecrets: new Map([[0, platform.crypto.importKey("secret", new Uint8Array(32).fill(7))]]),
      },
      ...options,
      platform,
    });
    devices.push(device);
    return device;
  }

  function holds(bytes: readonly Buffer[], text: string): boolean {
    return Buffer.concat(bytes).includes(text);
  }

  it("refuses a password that would travel in the clear, and options that do not say what they cost", () => {
    assert.throws(() => boot(1), /password is never sent without TLS/);
    assert.throws(
      () => boot(1, { login: "SCRAM-SHA-256", sealing: undefined, mqttVersion: 5 }),
      /needs the option sealing/,
    );
    for (const mqttVersion of [undefined, 4, "auto"] as const)
      assert.throws(() => boot(1, { login: "SCRAM-SHA-256", mqttVersion }), /needs the option mqttVersion: 5/);
    for (const allowReplayWindow of [undefined, 0, 999, 1e9, Number.NaN])
      assert.throws(
        () => boot(1, { login: { token: "HMAC-SHA-256", allowReplayWindow: allowReplayWindow as number } }),
        /allowReplayWindow must say/,
      );
    assert.throws(() => boot(1, { login: "plain" as "SCRAM-SHA-256" }), /The option login must be/);
  });

  describe("by SCRAM", () => {
    let broker: ScramBroker;

    beforeEach(async () => {
      broker = new ScramBroker(user, password);
      await broker.start();
    });
    afterEach(() => broker.stop());

    it("logs in with a fresh proof each time; neither password nor plaintext is ever on the wire", async () => {
      const device = boot(broker.port, { login: "SCRAM-SHA-256", mqttVersion: 5 });
      await device.start();
      await device.publish("%c/telemetry", "21.5 degrees", { qos: 1 });
      broker.drop();
      await eventually(() => broker.logins.length === 2 && device.connected, "the second login");
      await device.publish("%c/telemetry", "21.6 degrees", { qos: 1 });
      assert.deepEqual(broker.logins, ["accepted", "accepted"]);
      assert.equal(broker.published.length, 2);
      const proofs = Buffer.concat(broker.received)
        .toString("latin1")
        .match(/,p=[A-Za-z0-9+/]+=/g);
      assert.equal(new Set(proofs).size, 2);
      for (const secret of [password, "degrees"]) assert.equal(holds(broker.received, secret), false);
      await assert.rejects(device.publish("t", "x", { seal: false }), /every payload is sealed/);
    });

    it("refers to its ID Context where that is wanted, but in no message that the broker retains", async () => {
      const sealing = new Sealing({ idContextInterval: 100 });
      const device = boot(broker.port, { login: "SCRAM-SHA-256", mqttVersion: 5, sealing });
      await device.start();
      for (let i = 0; i < 9; i++) await device.publish("%c/telemetry", "21.5", { qos: 1 });
      await device.publish("%c/state", "ready", { qos: 1, retain: true });
      const contexts = broker.published.map((message) => readEnvelope(message, CONTENT_ALGORITHM.A128GCM).idContext);
      assert.deepEqual(
        contexts.map(({ byteLength }) => byteLength),
        [...new Array<number>(8).fill(8), 1, 8],
      );
    });

    it("is refused with a wrong password, and slows down", async () => {
      const device = boot(broker.port, { login: "SCRAM-SHA-256", mqttVersion: 5 }, "wrong");
      await assert.rejects(device.start({ timeout: 600 }), { code: "TIMEOUT" });
      assert.deepEqual(causes, ["MQTT_BAD_CREDENTIALS"]);
      assert.deepEqual(broker.logins, ["refused"]);
    });

    for (const { title, fault } of [
      { title: "does not know the password", fault: () => (broker.honest = false) },
      { title: "accepts without asking", fault: () => (broker.knowsScram = false) },
    ])
      it(`gives nothing to a broker that ${title}`, async () => {
        fault();
        const device = boot(broker.port, { login: "SCRAM-SHA-256", mqttVersion: 5 });
        device.publish("%c/telemetry", "21.5 degrees", { qos: 1 }).catch(() => undefined);
        await assert.rejects(device.start({ timeout: 400 }), { code: "TIMEOUT" });
        assert.ok(causes.length > 0 && causes.every((code) => code === "CRYPTO_AUTHENTICATION_FAILED"), causes.join());
        assert.equal(broker.published.length, 0);
      });
  });

  describe("by a token", () => {
    let aedes: Aedes;
    let server: Server;
    let port: number;
    let received: Buffer[];
    let tokens: string[];
    const sockets = new Set<Socket>();

    beforeEach(async () => {
      received = [];
      tokens = [];
      aedes = await Aedes.createBroker();
      aedes.authenticate = (client, name, given, done) => {
        const token = given?.toString() ?? "";
        tokens.push(token);
        // As docs/device.md says that a broker checks it.
        const [version, issued, window, mac] = token.split(".");
        const head = `${version}.${issued}.${window}`;
        const right = createHmac("sha256", password).update(`${head}\n${client.id}\n${name}`).digest("hex");
        const age = Date.now() - Number(issued);
        done(null, version === "sw1" && mac === right && age > -5000 && age < Math.min(Number(window), 60_000));
      };
      server = createServer((socket) => {
        sockets.add(socket);
        socket.on("data", (data) => received.push(data));
        aedes.handle(socket);
      });
      await once(server.listen(0, "127.0.0.1"), "listening");
      ({ port } = server.address() as AddressInfo);
    });
    afterEach(async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await new Promise<void>((resolve) => aedes.close(() => resolve()));
    });

    const login = { token: "HMAC-SHA-256", allowReplayWindow: 30_000 } as const;

    it("logs in with a token in the place of the password", async () => {
      const device = boot(port, { login });
      await device.start();
      await device.publish("%c/telemetry", "21.5 degrees", { qos: 1 });
      assert.match(tokens[0]!, /^sw1\.[0-9]{13}\.30000\.[0-9a-f]{64}$/);
      for (const secret of [password, "degrees"]) assert.equal(holds(received, secret), false);
    });

    it("is refused with a wrong password", async () => {
      const device = boot(port, { login }, "wrong");
      await assert.rejects(device.start({ timeout: 400 }), { code: "TIMEOUT" });
      assert.deepEqual(causes, ["MQTT_NOT_AUTHORIZED"]);
    });

    it("sends none without a wall clock: it could be used for ever", async () => {
      const platform: Platform = { ...platformOf(), time: () => undefined };
      const device = boot(port, { login, platform });
      await assert.rejects(device.start({ timeout: 400 }), { code: "TIMEOUT" });
      assert.equal(causes[0], "INVALID_STATE");
      assert.deepEqual(tokens, []);
    });
  });

  it("acknowledges a repeat, and delivers it once, over a sleep as well; what was moved to another topic never", async () => {
    const broker = new ScramBroker(user, password);
    broker.knowsScram = false;
    await broker.start();
    try {
      const without = (platform: Platform): Partial<DeviceOptions> => ({
        platform,
        mqttVersion: 5,
        credentials: {
          broker: { host: "localhost", port: broker.port },
          trustAnchors: [],
          payloadSecrets: new Map([[0, platform.crypto.importKey("secret", new Uint8Array(32).fill(7))]]),
        },
      });
      const sender = boot(broker.port, { ...without(platformOf()), clientIdentifier: "sender" });
      await sender.start();
      await sender.publish("device/in", "open the valve", { qos: 1 });
      const [message] = broker.published;
      const delivered: string[] = [];
      const kinds: string[] = [];
      const home = folder.join("receiver");
      const listen = (platform: Platform): Device => {
        const device = boot(broker.port, { ...without(platform), onSecurity: ({ kind }) => kinds.push(kind) });
        void device.subscribe("#", ({ payload }) => void delivered.push(Buffer.from(payload).toString()), { qos: 1 });
        return device;
      };
      const first = listen(platformOf("power", home));
      await first.start();
      broker.publish("device", "device/in", message!, 1, false);
      await eventually(() => broker.acknowledged.length === 1, "the first acknowledgement");
      broker.publish("device", "device/in", message!, 1, true);
      await eventually(() => broker.acknowledged.length === 2, "that of the repeat");
      assert.deepEqual([delivered, kinds], [["open the valve"], []], "a repeat is no attack");
      await first.sleep(0);
      // It wakes from what it kept, and the broker, which lost the acknowledgement, repeats itself.
      const woken = listen(platformOf("sleep", home));
      await woken.start();
      broker.publish("device", "device/in", message!, 1, true);
      await eventually(() => broker.acknowledged.length === 3, "the repeat after the sleep");
      assert.deepEqual([delivered, kinds], [["open the valve"], []]);
      broker.publish("device", "device/elsewhere", message!, 2, false);
      broker.publish("device", "device/in", message!, 3, false);
      await eventually(() => broker.acknowledged.length === 5, "the attacks");
      assert.deepEqual([delivered, kinds], [["open the valve"], ["payload-rejected", "payload-rejected"]]);
    } finally {
      await broker.stop();
    }
  });

  it("stops within seconds, though a transport was given to it that never closes", async () => {
    const pki = await DevelopmentPKI.open({ folder: folder.join("pki"), names: ["localhost"] });
    const sockets: Socket[] = [];
    let greeted = false;
    const server = createServer((socket) => {
      sockets.push(socket);
      socket.on("error", () => undefined).once("data", () => (greeted = true));
    });
    await once(server.listen(0, "127.0.0.1"), "listening");
    try {
      const device = new Device({
        platform: platformOf(),
        clientIdentifier: "device",
        credentials: {
          broker: { host: "localhost", port: (server.address() as AddressInfo).port },
          trustAnchors: [pki.root],
        },
        webSocket: { io: ForgetfulTransport },
      });
      device.start().catch(() => undefined);
      await eventually(() => greeted, "the client's first TLS message");
      const before = Date.now();
      await device.stop();
      assert.ok(Date.now() - before < 5000);
    } finally {
      for (const socket of sockets) socket.destroy();
      server.close();
    }
  });
});

/** Opens the transport below, and never closes it. */
class ForgetfulTransport implements Transport {
  constructor(options: TransportOptions) {
    const { socket, address, host, port } = options as WebSocketOptions;
    new socket.io({ ...socket, address: address!, host: host!, port: port! });
  }

  read(): undefined {
    return undefined;
  }

  write(): number {
    return 0;
  }

  close(): void {
    return;
  }
}
