import assert from "node:assert/strict";
import { createTCP } from "../../hosts/node/tcp.js";
import { SimulatedNetwork } from "../../hosts/node/network.js";
import { MQTTSession, type SessionMessage, type SessionOptions } from "../../src/mqtt/index.js";
import { PlainAedes, PlainMosquitto } from "./plain-broker.js";

const timer = {
  set: (callback: () => void, milliseconds: number) => setTimeout(callback, milliseconds),
  clear: (handle: unknown) => clearTimeout(handle as NodeJS.Timeout | undefined),
};

/** A session that connects again at once, as often as it must. */
class Device {
  readonly session: MQTTSession;
  readonly messages: SessionMessage[] = [];
  readonly versions: number[] = [];
  present: boolean[] = [];
  readonly network = new SimulatedNetwork();
  #stopped = false;

  constructor(port: number, options: Partial<SessionOptions>) {
    const connection = { address: "127.0.0.1", port, socket: { io: createTCP(this.network) } };
    const session: MQTTSession = new MQTTSession({
      clientIdentifier: `device-${Math.random().toString(36).slice(2)}`,
      timer,
      ticks: () => performance.now(),
      onMessage: (message) => void this.messages.push(message),
      onVersion: (version) => void this.versions.push(version),
      onConnected: ({ sessionPresent }) => void this.present.push(sessionPresent),
      onDisconnected: () => {
        if (!this.#stopped) setTimeout(() => this.#stopped || session.connect(connection), 10);
      },
      ...options,
    });
    this.session = session;
    session.connect(connection);
  }

  texts(): string[] {
    return this.messages.map(({ payload }) => Buffer.from(payload).toString());
  }

  /** Pulls the cable and plugs it in again. */
  cut(): void {
    this.network.set(false);
    this.network.set(true);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.session.disconnect();
    this.session.close();
  }
}

async function until(condition: () => boolean, what: string): Promise<void> {
  for (const end = Date.now() + 5000; !condition();) {
    if (Date.now() > end) assert.fail(`waited in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const brokers = [
  { name: "Mosquitto", version: 4, make: () => new PlainMosquitto() },
  { name: "Mosquitto", version: 5, make: () => new PlainMosquitto() },
  { name: "aedes", version: 4, make: () => new PlainAedes() },
] as const;

for (const { name, version, make } of brokers) {
  describe(`A session with ${name} over MQTT ${version === 4 ? "3.1.1" : "5.0"}`, function () {
    const broker = make();
    const devices: Device[] = [];
    const device = (options: Partial<SessionOptions> = {}): Device => {
      const made = new Device(broker.port, { version, ...options });
      devices.push(made);
      return made;
    };

    before(async function () {
      if (name === "Mosquitto" && !PlainMosquitto.installed()) this.skip();
      await broker.start();
    });
    afterEach(async () => {
      await Promise.all(devices.splice(0).map((each) => each.stop()));
    });
    after(() => broker.stop());

    it("delivers each QoS from one device to another", async () => {
      const from = device();
      const to = device();
      assert.deepEqual(await to.session.subscribe("room/#", { qos: 2 }), [2]);
      for (const qos of [0, 1, 2] as const) await from.session.publish("room/1", `qos ${qos}`, { qos });
      await until(() => to.messages.length === 3, "three messages");
      assert.deepEqual(to.texts(), ["qos 0", "qos 1", "qos 2"]);
      assert.deepEqual(
        to.messages.map(({ qos }) => qos),
        [0, 1, 2],
      );
    });

    it("loses nothing and repeats no QoS 2 message when cables are pulled", async () => {
      const from = device({ queue: { messages: 1000, bytes: 100_000 } });
      const to = device();
      await to.session.subscribe("t", { qos: 2 });
      const published: Promise<void>[] = [];
      for (let i = 0; i < 200; i++) {
        published.push(from.session.publish("t", `${i}`, { qos: 2 }));
        if (i % 20 === 10) from.cut();
        if (i % 20 === 15) to.cut();
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
      await Promise.all(published);
      await until(() => new Set(to.texts()).size >= 200, "all messages");
      let texts = to.texts();
      // aedes 1.2 publishes a message again whose PUBREL it had sent, and lets new messages overtake those that it queued.
      if (name === "aedes") texts = [...new Set(texts)].sort((a, b) => Number(a) - Number(b));
      assert.deepEqual(
        texts,
        Array.from({ length: 200 }, (_, i) => `${i}`),
      );
      // aedes says that there is no session when it has no subscriptions.
      if (name === "Mosquitto")
        assert.ok(from.present.length > 5 && from.present.slice(1).every(Boolean), "the session was there each time");
    });

    it("streams a payload that is larger than every buffer, both ways", async () => {
      const size = 300_000;
      const at = (offset: number): number => (offset * 7) & 255;
      let received = 0;
      let wrong = 0;
      let ended = false;
      const to = device({
        maximumMessageSize: 1000,
        onMessageStart: () => ({
          write: (bytes) => {
            for (const byte of bytes) if (byte !== at(received++)) wrong++;
          },
          end: () => {
            ended = true;
          },
          abort: () => assert.fail("aborted"),
        }),
      });
      await to.session.subscribe("big", { qos: 1 });
      const from = device();
      await from.session.publish(
        "big",
        {
          byteLength: size,
          read: async (offset, length) => {
            await Promise.resolve();
            return Uint8Array.from({ length }, (_, i) => at(offset + i));
          },
        },
        { qos: 1 },
      );
      await until(() => ended, "the end of the payload");
      assert.deepEqual([received, wrong], [size, 0]);
    });
  });
}

describe('Version "auto"', () => {
  it("stays with 5.0 where the broker speaks it", async function () {
    if (!PlainMosquitto.installed()) this.skip();
    const broker = new PlainMosquitto();
    await broker.start();
    const device = new Device(broker.port, {});
    await device.session.publish("t", "x", { qos: 1 });
    assert.deepEqual([device.session.version, device.versions], [5, [5]]);
    await device.stop();
    await broker.stop();
  });

  it("takes 3.1.1 with a broker that refuses 5.0, and remembers it", async () => {
    const broker = new PlainAedes();
    await broker.start();
    const device = new Device(broker.port, {});
    await device.session.publish("t", "x", { qos: 1 });
    assert.deepEqual([device.session.version, device.versions], [4, [4]]);
    await device.stop();
    await broker.stop();
  });
});
