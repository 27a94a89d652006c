/**
 * Two whole devices and a back end over Mosquitto, with a man in the middle of each link who changes, cuts, swaps, misroutes, repeats, reorders and holds back what
 * passes. All that he does to a message is an event of security and is not delivered; what MQTT itself does (repeats, retained messages, another order) is none;
 * and in the end nothing is left unacknowledged that would come again for ever.
 */
import assert from "node:assert/strict";
import mqtt, { type MqttClient } from "mqtt";
import type { IPublishPacket } from "mqtt-packet";
import { createPlatform } from "../../hosts/node/index.js";
import { createCrypto } from "../../hosts/node/crypto/crypto.js";
import { toUTF8 } from "../../src/bytes.js";
import { Device, type DeviceMessage } from "../../src/index.js";
import { deriveDeviceSecret, FleetSecrets, Sealing } from "../../src/sealing/index.js";
import { PlainMosquitto } from "../../tools/brokers/index.js";
import { eventually } from "../integration/support/eventually.js";
import { MemoryStorage } from "../support/memory-storage.js";
import { requireMosquitto } from "../tools/support/mosquitto.js";
import { temporaryFolder } from "../tools/support/temporary-folder.js";
import { MeddlingProxy, type Meddle } from "./meddling-proxy.js";

type QoS = 0 | 1 | 2;

const crypto = createCrypto();
const fleetRoot = crypto.importKey("secret", new Uint8Array(32).fill(0x42));
const REJECTED = /^payload-rejected SEALED_(TAMPERED|MALFORMED|UNKNOWN_KEY|EPOCH_EXPIRED)$/;

/** What a device made of some messages. */
interface Outcome {
  readonly heard: string[];
  /** Kind and code. */
  readonly events: string[];
  readonly errors: string[];
}

/** A device, the man in the middle of its link, and the back end's way to seal for it. */
class Victim {
  readonly name: string;
  readonly proxy: MeddlingProxy;
  readonly outcome: Outcome = { heard: [], events: [], errors: [] };
  readonly sealing: Sealing;
  device!: Device;
  #markers = 0;
  #connections = 0;

  constructor(name: string, port: number) {
    this.name = name;
    this.proxy = new MeddlingProxy(port);
    this.sealing = new Sealing();
    const secrets = new Map([[1, deriveDeviceSecret(crypto, fleetRoot, toUTF8(name), 1)]]);
    this.sealing.open({ crypto, storage: new MemoryStorage(), secrets, clientIdentifier: "back-end" });
  }

  async start(folder: string): Promise<void> {
    await this.proxy.start();
    const platform = createPlatform({ folder, hosts: { localhost: "127.0.0.1" }, log: () => undefined });
    const { heard, events, errors } = this.outcome;
    this.device = new Device({
      platform,
      clientIdentifier: this.name,
      unencrypted: true,
      sealing: new Sealing(),
      reconnectSpread: [30],
      // Else it would think that somebody else has its identity.
      stablePeriod: 1,
      credentials: {
        broker: { host: "localhost", port: this.proxy.port },
        trustAnchors: [],
        payloadSecrets: new Map([[1, deriveDeviceSecret(platform.crypto, fleetRoot, toUTF8(this.name), 1)]]),
      },
      onConnected: () => {
        this.#connections++;
      },
      onSecurity: ({ kind, code }) => events.push(`${kind} ${code ?? ""}`),
      onError: ({ code }) => errors.push(code),
    });
    const handler = ({ payload }: DeviceMessage): void => void heard.push(Buffer.from(payload).toString());
    const subscribed = this.device.subscribe("%c/commands/+", handler, { qos: 2 });
    await this.device.start();
    await subscribed;
  }

  topic(name: string): string {
    return `${this.name}/commands/${name}`;
  }

  seal(name: string, text: string): Buffer {
    return Buffer.from(this.sealing.seal(this.topic(name), toUTF8(text)));
  }

  /** Publishes a genuine command. */
  async command(backEnd: MqttClient, name: string, text: string, qos: QoS): Promise<void> {
    await backEnd.publishAsync(this.topic(name), this.seal(name, text), { qos });
  }

  /** Until all that was sent so far is dealt with: messages are handled in their order. */
  async settled(backEnd: MqttClient): Promise<void> {
    const text = `marker ${this.#markers++}`;
    await this.command(backEnd, "marker", text, 1);
    await eventually(() => this.outcome.heard.includes(text), text);
    this.outcome.heard.splice(this.outcome.heard.indexOf(text), 1);
  }

  /** What came of all since the last call. */
  take(): Outcome {
    const { heard, events, errors } = this.outcome;
    return { heard: heard.splice(0), events: events.splice(0), errors: errors.splice(0) };
  }

  /** The man in the middle does this to one genuine command. @returns what came of it */
  async attack(backEnd: MqttClient, qos: QoS, meddle: Meddle, text = "open", name = "valve"): Promise<Outcome> {
    const { proxy } = this;
    proxy.meddle = (message) => {
      proxy.meddle = (each) => [each];
      return meddle(message);
    };
    await this.command(backEnd, name, text, qos);
    await this.settled(backEnd);
    return this.take();
  }

  /** A new connection. @returns what the broker sends again */
  async reconnect(backEnd: MqttClient): Promise<IPublishPacket[]> {
    await this.settled(backEnd);
    const { sent, acknowledged } = this.proxy;
    const count = sent.length;
    const connections = this.#connections;
    const last = sent.at(-1)!.messageId;
    await eventually(() => acknowledged.at(-1) === last, "the acknowledgement of the last marker");
    this.proxy.cut();
    await eventually(() => this.#connections > connections, "the next connection");
    await this.settled(backEnd);
    return sent.slice(count, -1);
  }
}

function changed(message: IPublishPacket, change: (payload: Buffer) => Buffer): IPublishPacket {
  return { ...message, payload: change(Buffer.from(message.payload as Buffer)) };
}

const none: Outcome = { heard: [], events: [], errors: [] };
const replayed: Outcome = { ...none, events: ["payload-rejected SEALED_REPLAYED"] };

describe("A man in the middle of whole devices", function () {
  this.timeout(30_000);
  const folder = temporaryFolder();
  let broker: PlainMosquitto | undefined;
  let backEnd: MqttClient;
  let a: Victim;
  let b: Victim;

  before(async function () {
    requireMosquitto(this);
    broker = new PlainMosquitto({});
    await broker.start();
    backEnd = await mqtt.connectAsync(`mqtt://127.0.0.1:${broker.port}`, { clientId: "back-end", protocolVersion: 4 });
    [a, b] = [new Victim("sensor-a", broker.port), new Victim("sensor-b", broker.port)];
    await Promise.all([a, b].map((victim) => victim.start(folder.join(victim.name))));
  });

  afterEach(() => {
    for (const { proxy } of [a, b]) proxy.meddle = (message) => [message];
  });

  after(async () => {
    await Promise.all([a, b].map((victim) => victim.device.stop()));
    await Promise.all([a, b].map(({ proxy }) => proxy.stop()));
    await backEnd.endAsync(true);
    await broker?.stop();
  });

  for (const qos of [0, 1, 2] as const)
    describe(`at QoS ${qos}`, () => {
      it("lets pass what he leaves alone", async () => {
        assert.deepEqual(await a.attack(backEnd, qos, (message) => [message], "honest"), {
          ...none,
          heard: ["honest"],
        });
      });

      it("is noticed when he changes any byte", async () => {
        const { byteLength } = a.seal("valve", "open");
        for (let at = 0; at < byteLength; at++) {
          const { heard, events, errors } = await a.attack(backEnd, qos, (message) => [
            changed(message, (payload) => {
              payload[at % payload.byteLength]! ^= 1 << (at % 8);
              return payload;
            }),
          ]);
          assert.deepEqual({ heard, errors, events: events.length }, { heard: [], errors: [], events: 1 }, `${at}`);
          assert.match(events[0]!, REJECTED, `byte ${at}`);
        }
      });

      it("is noticed when he cuts a message short, empties it, or adds to it", async () => {
        const { byteLength } = a.seal("valve", "open");
        for (const length of [0, 1, 2, 5, 16, byteLength - 17, byteLength - 16, byteLength - 4, byteLength - 1]) {
          const { heard, events, errors } = await a.attack(backEnd, qos, (message) => [
            changed(message, (payload) => payload.subarray(0, length)),
          ]);
          assert.deepEqual({ heard, errors, events: events.length }, { heard: [], errors: [], events: 1 }, `${length}`);
          assert.match(events[0]!, REJECTED, `${length} bytes`);
        }
        const longer = (message: IPublishPacket): IPublishPacket[] => [
          changed(message, (payload) => Buffer.concat([payload, Buffer.of(0)])),
        ];
        const { heard, events } = await a.attack(backEnd, qos, longer);
        assert.deepEqual([heard.length, events.length], [0, 1]);
        assert.match(events[0]!, REJECTED);
      });

      it("is noticed when he sends a message to another topic, or swaps those of two topics", async () => {
        const tampered = { ...none, events: ["payload-rejected SEALED_TAMPERED"] };
        const lamp = (message: IPublishPacket): IPublishPacket[] => [{ ...message, topic: a.topic("lamp") }];
        assert.deepEqual(await a.attack(backEnd, qos, lamp), tampered);
        let held: IPublishPacket | undefined;
        a.proxy.meddle = (message) => {
          if (!held) {
            held = message;
            return [];
          }
          const first = held;
          a.proxy.meddle = (each) => [each];
          return [
            { ...first, payload: message.payload },
            { ...message, payload: first.payload },
          ];
        };
        await a.command(backEnd, "valve", "open", qos);
        await a.command(backEnd, "lamp", "on", qos);
        await a.settled(backEnd);
        assert.deepEqual(a.take(), { ...none, events: [...tampered.events, ...tampered.events] });
      });

      it("is noticed when he swaps the messages of two devices", async () => {
        const held: IPublishPacket[] = [];
        for (const { proxy } of [a, b])
          proxy.meddle = (message) => {
            proxy.meddle = (each) => [each];
            held.push(message);
            return [];
          };
        await a.command(backEnd, "valve", "a, open", qos);
        await eventually(() => held.length === 1, "the message to a");
        await b.command(backEnd, "valve", "b, open", qos);
        await eventually(() => held.length === 2, "the message to b");
        const [toA, toB] = held as [IPublishPacket, IPublishPacket];
        a.proxy.send({ ...toA, payload: toB.payload });
        b.proxy.send({ ...toB, payload: toA.payload });
        for (const victim of [a, b]) {
          await victim.settled(backEnd);
          assert.deepEqual(victim.take(), { ...none, events: ["payload-rejected SEALED_TAMPERED"] });
        }
      });

      it("is noticed when he plays a message again, in place of another and beside it", async () => {
        let recorded!: IPublishPacket;
        const record = (message: IPublishPacket): IPublishPacket[] => [(recorded = message)];
        assert.deepEqual(await a.attack(backEnd, qos, record, "once"), { ...none, heard: ["once"] });
        const { payload } = recorded;
        assert.deepEqual(await a.attack(backEnd, qos, (message) => [{ ...message, payload }]), replayed);
        const beside = (message: IPublishPacket): IPublishPacket[] => [
          a.proxy.own({ ...recorded, dup: false }),
          message,
        ];
        assert.deepEqual(await a.attack(backEnd, qos, beside, "and this"), { ...replayed, heard: ["and this"] });
        // With another QoS it is no other message.
        for (const other of [0, 1, 2] as const) {
          const again = a.proxy.own({ ...recorded, qos: other, dup: false });
          assert.deepEqual(await a.attack(backEnd, qos, (m) => [again, m], "more"), { ...replayed, heard: ["more"] });
        }
      });

      it("is no event when a repeat says that it is one, and it is not delivered either", async () => {
        let recorded!: IPublishPacket;
        const twice = (message: IPublishPacket): IPublishPacket[] => {
          recorded = message;
          const flags = qos === 0 ? { retain: true } : { dup: true };
          return [message, a.proxy.own({ ...message, ...flags })];
        };
        assert.deepEqual(await a.attack(backEnd, qos, twice, "twice"), { ...none, heard: ["twice"] });
        const retained = a.proxy.own({ ...recorded, retain: true });
        assert.deepEqual(await a.attack(backEnd, qos, (m) => [retained, m], "more"), { ...none, heard: ["more"] });
      });

      it("is noticed when he sends a device what it sent itself", async () => {
        const watcher = await mqtt.connectAsync(`mqtt://127.0.0.1:${broker!.port}`, { clientId: "watcher" });
        const seen: Buffer[] = [];
        watcher.on("message", (_, payload) => seen.push(payload));
        await watcher.subscribeAsync("sensor-a/telemetry");
        await a.device.publish("%c/telemetry", "21.5", { qos: 1 });
        await eventually(() => seen.length === 1, "the telemetry");
        await watcher.endAsync(true);
        assert.deepEqual(await a.attack(backEnd, qos, (message) => [{ ...message, payload: seen[0]! }]), replayed);
      });

      it("is no event when he changes the order", async () => {
        const held: IPublishPacket[] = [];
        a.proxy.meddle = (message) => {
          held.push(message);
          if (held.length < 5) return [];
          a.proxy.meddle = (each) => [each];
          return held.reverse();
        };
        for (let i = 0; i < 5; i++) await a.command(backEnd, "valve", `${i}`, qos);
        await a.settled(backEnd);
        assert.deepEqual(a.take(), { ...none, heard: ["4", "3", "2", "1", "0"] });
      });

      it("is noticed when he holds a message back for more than 64 of its sender", async () => {
        let held!: IPublishPacket;
        const hold = (message: IPublishPacket): IPublishPacket[] => {
          held = a.proxy.own(message);
          return [];
        };
        assert.deepEqual(await a.attack(backEnd, 0, hold), none);
        for (let i = 0; i < 64; i++) a.seal("valve", "to nobody");
        await a.settled(backEnd);
        assert.deepEqual(await a.attack(backEnd, qos, (m) => [{ ...held, qos: 0 }, m], "more"), {
          ...replayed,
          heard: ["more"],
        });
      });

      if (qos > 0)
        it("loses nothing by a message that he takes away, or hands on with QoS 0: it comes again, once", async () => {
          assert.deepEqual(await a.attack(backEnd, qos, () => [], "taken away"), none);
          const lower = (message: IPublishPacket): IPublishPacket[] => [{ ...message, qos: 0, dup: false }];
          assert.deepEqual(await a.attack(backEnd, qos, lower, "lowered"), { ...none, heard: ["lowered"] });
          const again = await a.reconnect(backEnd);
          assert.deepEqual([again.length, again.every(({ dup }) => dup)], [2, true]);
          assert.deepEqual(a.take(), { ...none, heard: ["taken away"] });
        });

      it("leaves nothing behind that is not acknowledged: after a new connection nothing comes again", async () => {
        for (const victim of [a, b]) {
          assert.deepEqual(await victim.reconnect(backEnd), []);
          assert.deepEqual(victim.take(), none);
        }
      });
    });

  it("is noticed by the back end, too: changed, swapped, misrouted and replayed telemetry", async () => {
    const proxy = new MeddlingProxy(broker!.port);
    await proxy.start();
    const sealing = new Sealing();
    const secrets = new FleetSecrets({ crypto, root: fleetRoot, epoch: 1, minimumEpoch: 1 });
    sealing.open({ crypto, storage: new MemoryStorage(), secrets, clientIdentifier: "back-end" });
    const got: string[] = [];
    const client = await mqtt.connectAsync(`mqtt://127.0.0.1:${proxy.port}`, {
      clientId: "reader",
      protocolVersion: 4,
    });
    client.on("message", (topic, payload, { qos, retain, dup: duplicate }) => {
      const result = sealing.unseal(topic, new Uint8Array(payload), { qos, retain, duplicate });
      if (result.outcome === "delivered") got.push(Buffer.from(result.payload).toString());
      else got.push(result.outcome === "refused" ? `${result.error.code} ${result.security}` : result.outcome);
    });
    await client.subscribeAsync("+/telemetry", { qos: 1 });
    const report = async (meddle: Meddle, ...from: Victim[]): Promise<string[]> => {
      proxy.meddle = meddle;
      const count = proxy.sent.length + from.length;
      for (const { device, name } of from) await device.publish("%c/telemetry", name, { qos: 1 });
      await eventually(() => proxy.sent.length === count, "what the devices sent");
      proxy.meddle = (message) => [message];
      await a.device.publish("%c/telemetry", "marker", { qos: 1 });
      await eventually(() => got.includes("marker"), "the marker");
      return got.splice(0).slice(0, -1);
    };
    let held: IPublishPacket | undefined;
    const pass: Meddle = (message) => [(held = message)];
    assert.deepEqual(await report(pass, a, b), ["sensor-a", "sensor-b"]);
    const { payload } = held!;
    assert.deepEqual(await report((message) => [{ ...message, payload }], a), ["SEALED_TAMPERED true"]);
    assert.deepEqual(await report((message) => [{ ...message, payload }], b), ["SEALED_REPLAYED true"]);
    const misroute: Meddle = (message) => [{ ...message, topic: "sensor-b/telemetry" }];
    assert.deepEqual(await report(misroute, a), ["SEALED_TAMPERED true"]);
    let first: IPublishPacket | undefined;
    const swap: Meddle = (message) => {
      if (first)
        return [
          { ...first, payload: message.payload },
          { ...message, payload: first.payload },
        ];
      first = message;
      return [];
    };
    assert.deepEqual(await report(swap, a, b), ["SEALED_TAMPERED true", "SEALED_TAMPERED true"]);
    const flip: Meddle = (message) => [
      changed(message, (bytes) => {
        bytes[bytes.byteLength - 1]! ^= 1;
        return bytes;
      }),
    ];
    assert.deepEqual(await report(flip, b), ["SEALED_TAMPERED true"]);
    await client.endAsync(true);
    await proxy.stop();
    sealing.close();
  });
});
