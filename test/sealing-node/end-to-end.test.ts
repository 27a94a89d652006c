/** Two devices and a back end over Mosquitto, a subscriber without keys, and a man in the middle. */
import assert from "node:assert/strict";
import { createCrypto } from "../../hosts/node/crypto/crypto.js";
import { toUTF8 } from "../../src/bytes.js";
import type { SessionMessage } from "../../src/mqtt/index.js";
import { deriveDeviceSecret, FleetSecrets, Sealing, type Unsealed } from "../../src/sealing/index.js";
import { PlainMosquitto } from "../../tools/brokers/index.js";
import { Device, until } from "../interop/device.js";
import { MemoryStorage } from "../support/memory-storage.js";
import { requireMosquitto } from "../tools/support/mosquitto.js";
import { MeddlingProxy } from "./meddling-proxy.js";

const crypto = createCrypto();
const fleetRoot = crypto.importKey("secret", new Uint8Array(32).fill(0x42));

/** What came of a message, and what it said. */
interface Got {
  readonly topic: string;
  readonly result: Unsealed;
  readonly text: string | undefined;
}

/** A station with a session over MQTT, which seals and unseals as a Device does. */
class Station {
  readonly got: Got[] = [];
  readonly raw: Uint8Array[] = [];
  readonly device: Device;
  readonly sealing: Sealing | undefined;

  constructor(port: number, name: string, sealing: Sealing | undefined) {
    this.sealing = sealing;
    this.device = new Device(
      { port: () => port, login: { user: name, password: name } },
      { clientIdentifier: name, version: 4, onMessage: (message) => this.#receive(message) },
    );
  }

  /** A device holds its own secret and nothing else. */
  static device(port: number, name: string): Station {
    const sealing = new Sealing();
    const secret = deriveDeviceSecret(crypto, fleetRoot, toUTF8(name), 1);
    sealing.open({ crypto, storage: new MemoryStorage(), secrets: new Map([[1, secret]]), clientIdentifier: name });
    return new Station(port, name, sealing);
  }

  async publish(topic: string, text: string, sealing = this.sealing, retain = false): Promise<void> {
    const payload = sealing ? sealing.seal(topic, toUTF8(text)) : toUTF8(text);
    await this.device.session.publish(topic, payload, { qos: 1, retain });
  }

  get texts(): (string | undefined)[] {
    return this.got.map(({ text }) => text);
  }

  /** The codes of what was refused. */
  get refused(): string[] {
    return this.got.flatMap(({ result }) => (result.outcome === "refused" ? [result.error.code] : []));
  }

  #receive(message: SessionMessage): void {
    const { topic, payload, redelivered: duplicate, retain, qos } = message;
    this.raw.push(payload.slice());
    if (!this.sealing) return;
    const result = this.sealing.unseal(topic, payload, { duplicate, retain, qos });
    if (result.outcome !== "refused") message.mark = result.mark;
    const text = result.outcome === "delivered" ? Buffer.from(result.payload).toString() : undefined;
    this.got.push({ topic, result, text });
    if (result.outcome === "delivered") result.settle();
  }
}

describe("Sealed payloads end to end over Mosquitto", function () {
  this.timeout(20_000);
  let broker: PlainMosquitto;
  let proxy: MeddlingProxy;
  let stations: Station[] = [];
  const add = (station: Station): Station => {
    stations.push(station);
    return station;
  };
  /** The back end opens what any device sends, and seals for one device with that one's secret. */
  const backEnd = (): { station: Station; to: (device: string) => Sealing } => {
    const sealing = new Sealing();
    const secrets = new FleetSecrets({ crypto, root: fleetRoot, epoch: 1, minimumEpoch: 1 });
    sealing.open({ crypto, storage: new MemoryStorage(), secrets, clientIdentifier: "back-end" });
    const to = (device: string): Sealing => {
      const one = new Sealing();
      const secret = deriveDeviceSecret(crypto, fleetRoot, toUTF8(device), 1);
      one.open({ crypto, storage: new MemoryStorage(), secrets: new Map([[1, secret]]), clientIdentifier: "back-end" });
      return one;
    };
    return { station: add(new Station(broker.port, "back-end", sealing)), to };
  };

  before(async function () {
    requireMosquitto(this);
    broker = new PlainMosquitto({});
    await broker.start();
  });

  beforeEach(async () => {
    proxy = new MeddlingProxy(broker.port);
    await proxy.start();
    stations = [];
  });

  afterEach(async () => {
    await Promise.all(stations.map(({ device }) => device.stop()));
    await proxy.stop();
  });

  after(() => broker.stop());

  it("reach who holds the secret; a subscriber without it sees ciphertext only", async () => {
    const { station: server, to } = backEnd();
    const a = add(Station.device(broker.port, "sensor-a"));
    const b = add(Station.device(broker.port, "sensor-b"));
    const spy = add(new Station(broker.port, "spy", undefined));
    await spy.device.session.subscribe("#", { qos: 1 });
    await server.device.session.subscribe("+/telemetry", { qos: 1 });
    for (const [station, name] of [
      [a, "sensor-a"],
      [b, "sensor-b"],
    ] as const)
      await station.device.session.subscribe(`${name}/commands`, { qos: 1 });
    await a.publish("sensor-a/telemetry", "a is at 21.5");
    await b.publish("sensor-b/telemetry", "b is at 22.5");
    await server.publish("sensor-a/commands", "a, open the valve", to("sensor-a"));
    await server.publish("sensor-b/commands", "b, close the valve", to("sensor-b"));
    await until(() => server.got.length === 2 && a.got.length === 1 && b.got.length === 1, "all messages");
    await until(() => spy.raw.length === 4, "what the spy sees");
    assert.deepEqual([...server.texts].sort(), ["a is at 21.5", "b is at 22.5"]);
    assert.deepEqual([a.texts, b.texts], [["a, open the valve"], ["b, close the valve"]]);
    for (const bytes of spy.raw) {
      const text = Buffer.from(bytes).toString("latin1");
      for (const word of ["21.5", "22.5", "valve", "open"]) assert.equal(text.includes(word), false, word);
    }
    // What the spy recorded opens with no other device's secret.
    const stolen = spy.raw.map((bytes) => b.sealing!.unseal("sensor-a/telemetry", bytes.slice()));
    assert.ok(stolen.every(({ outcome }) => outcome === "refused"));
  });

  it("are refused when the broker changes, swaps, repeats or misroutes them", async () => {
    const { station: server, to } = backEnd();
    const a = add(Station.device(proxy.port, "sensor-a"));
    const topics = ["valve", "lamp"].map((name) => `sensor-a/commands/${name}`);
    await a.device.session.subscribe("sensor-a/commands/+", { qos: 1 });
    const sealing = to("sensor-a");
    const [valve, lamp] = topics as [string, string];
    const send = async (topic: string, text: string): Promise<void> => {
      const count = a.got.length;
      await server.publish(topic, text, sealing);
      await until(() => a.got.length > count, text);
    };

    await send(valve, "honest");
    assert.deepEqual(a.texts, ["honest"]);

    // One bit of the ciphertext.
    proxy.meddle = (message) => {
      const payload = Buffer.from(message.payload as Buffer);
      payload[payload.byteLength - 20]! ^= 1;
      return [{ ...message, payload }];
    };
    await send(valve, "changed");
    assert.deepEqual(a.refused, ["SEALED_TAMPERED"]);

    // To another topic of the same device.
    proxy.meddle = (message) => [{ ...message, topic: lamp }];
    await send(valve, "misrouted");
    assert.deepEqual(a.refused.slice(1), ["SEALED_TAMPERED"]);

    // The contents of two topics swapped.
    proxy.meddle = (message) => [{ ...message, topic: message.topic === valve ? lamp : valve }];
    await send(valve, "swapped 1");
    await send(lamp, "swapped 2");
    assert.deepEqual(a.refused.slice(2), ["SEALED_TAMPERED", "SEALED_TAMPERED"]);

    // Recorded and played again, as a new message, and as a repeat.
    let recorded: Buffer | undefined;
    proxy.meddle = (message) => {
      recorded = message.payload as Buffer;
      return [message];
    };
    await send(valve, "open it once");
    assert.equal(a.texts.at(-1), "open it once");
    for (const [flags, outcome] of [
      [{ dup: false, retain: false }, "refused"],
      [{ dup: true, retain: false }, "duplicate"],
      [{ dup: false, retain: true }, "duplicate"],
    ] as const) {
      proxy.meddle = (message) => [{ ...message, ...flags, topic: valve, payload: recorded! }];
      await send(lamp, "replaced by a recording");
      assert.equal(a.got.at(-1)!.result.outcome, outcome);
    }
    assert.equal(a.refused.at(-1), "SEALED_REPLAYED");

    // What another device was sent.
    const other = to("sensor-b").seal(valve, toUTF8("for another device"));
    proxy.meddle = (message) => [{ ...message, payload: Buffer.from(other) }];
    await send(valve, "replaced by another device's");
    assert.equal(a.refused.at(-1), "SEALED_TAMPERED");

    // What the device sent itself.
    const own = a.sealing!.seal(valve, toUTF8("reflected"));
    proxy.meddle = (message) => [{ ...message, payload: Buffer.from(own) }];
    await send(valve, "replaced by its own");
    assert.equal(a.refused.at(-1), "SEALED_REPLAYED");

    // Nothing is broken: all of it was acknowledged, and the next one comes through.
    proxy.meddle = (message) => [message];
    await send(valve, "honest again");
    const delivered = a.got.flatMap(({ text }) => text ?? []);
    assert.deepEqual(delivered, ["honest", "open it once", "honest again"]);
  });

  it("that the broker retained are delivered once, and are a duplicate at the next subscription", async () => {
    const { station: server, to } = backEnd();
    await server.publish("sensor-a/settings", "interval 60", to("sensor-a"), true);
    const a = add(Station.device(broker.port, "sensor-a"));
    await a.device.session.subscribe("sensor-a/settings", { qos: 1 });
    await until(() => a.got.length === 1, "the retained message");
    assert.deepEqual(a.texts, ["interval 60"]);
    await a.device.session.unsubscribe("sensor-a/settings");
    await a.device.session.subscribe("sensor-a/settings", { qos: 1 });
    await until(() => a.got.length === 2, "the retained message again");
    assert.equal(a.got[1]!.result.outcome, "duplicate");
    await server.device.session.publish("sensor-a/settings", new Uint8Array(0), { qos: 1, retain: true });
  });
});
