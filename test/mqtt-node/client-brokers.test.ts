import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { SimulatedNetwork } from "../../hosts/node/network.js";
import { createTCP } from "../../hosts/node/tcp.js";
import {
  MQTTClient,
  type ControlMessage,
  type InboundMessage,
  type MQTTClientOptions,
  type ProtocolVersion,
} from "../../src/mqtt/index.js";
import { PlainAedes, PlainMosquitto } from "./plain-broker.js";

const timer = {
  set: (callback: () => void, milliseconds: number) => setTimeout(callback, milliseconds),
  clear: (handle: unknown) => clearTimeout(handle as NodeJS.Timeout | undefined),
};

const network = new SimulatedNetwork();

function options(port: number, version: ProtocolVersion): MQTTClientOptions<MQTTClient> {
  const id = `c${Math.random().toString(36).slice(2)}`;
  const socket = { io: createTCP(network) };
  return { address: "127.0.0.1", port, version, id, socket, timer, ticks: () => Math.trunc(performance.now()) };
}

/** Runs a client until `done` is called; fails with its error. */
function run(
  given: MQTTClientOptions<MQTTClient>,
  use: (callbacks: {
    onConnected: (use: (client: MQTTClient, message: ControlMessage) => void) => void;
    onControl: (use: (client: MQTTClient, message: ControlMessage) => void) => void;
    onReadable: (use: (client: MQTTClient, count: number, message: InboundMessage) => void) => void;
    onWritable: (use: (client: MQTTClient, count: number) => void) => void;
    done: () => void;
  }) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    let connected: ((client: MQTTClient, message: ControlMessage) => void) | undefined;
    let control: typeof connected;
    let readable: ((client: MQTTClient, count: number, message: InboundMessage) => void) | undefined;
    let writable: ((client: MQTTClient, count: number) => void) | undefined;
    const client = new MQTTClient({
      ...given,
      onControl(message) {
        if (message.operation === MQTTClient.CONNACK) connected?.(this, message);
        else control?.(this, message);
      },
      onReadable(count, message) {
        readable?.(this, count, message);
      },
      onWritable(count) {
        writable?.(this, count);
      },
      onError: reject,
      onClose: resolve,
    });
    use({
      onConnected: (callback) => (connected = callback),
      onControl: (callback) => (control = callback),
      onReadable: (callback) => (readable = callback),
      onWritable: (callback) => (writable = callback),
      done: () => {
        client.write(null, { operation: MQTTClient.DISCONNECT });
      },
    });
  });
}

const brokers = [
  { name: "Mosquitto", version: 4, make: () => new PlainMosquitto() },
  { name: "Mosquitto", version: 5, make: () => new PlainMosquitto() },
  { name: "aedes", version: 4, make: () => new PlainAedes() },
] as const;

for (const { name, version, make } of brokers)
  describe(`A client with ${name} over MQTT ${version === 4 ? "3.1.1" : "5.0"}`, function () {
    const broker = make();

    before(async function () {
      if (name === "Mosquitto" && !PlainMosquitto.installed()) this.skip();
      await broker.start();
    });
    after(() => broker.stop());

    for (const QoS of [0, 1, 2] as const)
      it(`sends itself 2,000 messages with QoS ${QoS}, in order, payloads of 0 to 299 bytes`, async () => {
        const total = 2000;
        let sent = 0;
        let received = 0;
        let unanswered = 0;
        await run(options(broker.port, version), ({ onConnected, onControl, onReadable, onWritable, done }) => {
          let subscribed = false;
          const pump = (client: MQTTClient): void => {
            while (subscribed && sent < total && unanswered < 20 && client.writable >= 320) {
              const payload = new Uint8Array(sent % 300).fill(sent & 0xff);
              client.write(payload, { topic: `test/${name}/${version}/${QoS}`, QoS });
              sent++;
              if (QoS > 0) unanswered++;
            }
          };
          onConnected((client) =>
            client.write(null, {
              operation: MQTTClient.SUBSCRIBE,
              items: [{ topic: `test/${name}/${version}/${QoS}`, QoS }],
            }),
          );
          onControl((client, message) => {
            if (message.operation === MQTTClient.SUBACK) {
              assert.deepEqual(message.reasonCodes, [QoS]);
              subscribed = true;
            }
            if (message.operation === MQTTClient.PUBACK || message.operation === MQTTClient.PUBCOMP) unanswered--;
            pump(client);
          });
          onWritable(pump);
          onReadable((client, count, message) => {
            assert.equal(message.QoS, QoS);
            assert.equal(message.byteLength, received % 300);
            const payload = new Uint8Array(client.read(count) ?? new ArrayBuffer(0));
            assert.ok(payload.every((byte) => byte === (received & 0xff)));
            if (!message.more && ++received === total) done();
          });
        });
        assert.equal(received, total);
      });

    it("streams a payload of 3 MB out and in", async () => {
      const byteLength = 3_000_000;
      const sentHash = createHash("sha256");
      const receivedHash = createHash("sha256");
      let left = byteLength;
      let received = 0;
      let largest = 0;
      await run(options(broker.port, version), ({ onConnected, onControl, onReadable, onWritable, done }) => {
        const pump = (client: MQTTClient): void => {
          while (left > 0 && left < byteLength) {
            const part = new Uint8Array(Math.min(left, client.writable));
            if (part.byteLength === 0) return;
            part.fill(left & 0xff);
            sentHash.update(part);
            left -= part.byteLength;
            client.write(part);
          }
        };
        onConnected((client) =>
          client.write(null, { operation: MQTTClient.SUBSCRIBE, items: [{ topic: "large", QoS: 1 }] }),
        );
        onControl((client, message) => {
          if (message.operation !== MQTTClient.SUBACK) return;
          const first = Uint8Array.of(1, 2, 3);
          sentHash.update(first);
          left -= first.byteLength;
          client.write(first, { topic: "large", QoS: 1, byteLength });
          pump(client);
        });
        onWritable(pump);
        onReadable((client, count, message) => {
          assert.equal(message.byteLength, byteLength);
          largest = Math.max(largest, count);
          receivedHash.update(new Uint8Array(client.read()!));
          received += count;
          if (!message.more) done();
        });
      });
      assert.equal(received, byteLength);
      assert.ok(largest < 100_000, `${largest} bytes were announced at once`);
      assert.equal(receivedHash.digest("hex"), sentHash.digest("hex"));
    });

    it("keeps the connection alive by pings, past the time at which the server would end it", async function () {
      this.timeout(6000);
      let pings = 0;
      const started = Date.now();
      await run({ ...options(broker.port, version), keepAlive: 1000 }, ({ onControl, done }) => {
        onControl((_, message) => {
          if (message.operation !== MQTTClient.PINGRESP) return;
          pings++;
          if (Date.now() - started > 2600) done();
        });
      });
      assert.ok(pings >= 2 && pings <= 4, `${pings} pings`);
    });
  });

describe("A client with Mosquitto", () => {
  const broker = new PlainMosquitto();

  before(async function () {
    if (!PlainMosquitto.installed()) this.skip();
    await broker.start();
  });
  after(() => broker.stop());

  it("gets properties, subscription identifiers and aliases as they were sent", async () => {
    const connect = { ...options(broker.port, 5), properties: { topicAliasMaximum: 5, receiveMaximum: 3 } };
    const properties = {
      payloadFormatIndicator: 1,
      messageExpiryInterval: 100,
      contentType: "text/plain",
      responseTopic: "answers",
      correlationData: Uint8Array.of(0, 1, 255),
      userProperties: [
        ["a", "1"],
        ["a", "2"],
        ["", "ü€𐍈"],
      ],
    } as const;
    const seen: InboundMessage[] = [];
    await run(connect, ({ onConnected, onControl, onReadable, done }) => {
      onConnected((client) => {
        assert.ok(client.limits.topicAliasMaximum > 0);
        const items = [{ topic: "p/+", QoS: 1, retainAsPublished: true }] as const;
        client.write(null, { operation: MQTTClient.SUBSCRIBE, items, properties: { subscriptionIdentifier: 4711 } });
      });
      onControl((client, message) => {
        if (message.operation !== MQTTClient.SUBACK) return;
        client.write(Uint8Array.of(1), { topic: "p/1", QoS: 1, properties: { ...properties, topicAlias: 1 } });
        client.write(Uint8Array.of(2), { topic: "", QoS: 1, properties: { ...properties, topicAlias: 1 } });
      });
      onReadable((client, _, message) => {
        seen.push({ ...message });
        client.read();
        if (seen.length === 2) done();
      });
    });
    for (const message of seen) {
      assert.equal(message.topic, "p/1");
      assert.deepEqual(message.properties, { ...properties, subscriptionIdentifiers: [4711] });
    }
  });

  it("pipelines: CONNECT and PUBLISH leave together, and the message arrives", async () => {
    let second: Promise<void> | undefined;
    await run(options(broker.port, 4), ({ onConnected, onControl, onReadable, done }) => {
      onConnected((client) => client.write(null, { operation: MQTTClient.SUBSCRIBE, items: [{ topic: "early" }] }));
      onControl((_, message) => {
        if (message.operation !== MQTTClient.SUBACK) return;
        second = run(
          { ...options(broker.port, 4), pipeline: true },
          ({ onWritable, onConnected: onAccepted, done: end }) => {
            let written = false;
            onWritable((client) => {
              if (!written) client.write(Uint8Array.of(7), { topic: "early" });
              written = true;
            });
            onAccepted(() => {
              assert.ok(written, "nothing could be written before CONNACK");
              end();
            });
          },
        );
      });
      onReadable((client, _, message) => {
        assert.equal(message.topic, "early");
        assert.deepEqual(new Uint8Array(client.read()!), Uint8Array.of(7));
        done();
      });
    });
    await second;
  });

  it("finds nobody at the port", async () => {
    await broker.end();
    await assert.rejects(
      run(options(broker.port, 4), () => undefined),
      { code: "CONNECTION_REFUSED" },
    );
  });
});
