import assert from "node:assert/strict";
import { setTimeout as wait } from "node:timers/promises";
import { platform } from "../../hosts/node/index.js";
import { MQTTSession, type SessionMessage } from "../../src/mqtt/index.js";
import { PlainMosquitto } from "../../tools/brokers/index.js";
import { MapStorage } from "../../bench/mqtt/map-storage.js";
import { requireMosquitto } from "../tools/support/mosquitto.js";
import { BrokerConduct } from "./broker-conduct.js";
import { CuttingProxy } from "./cutting-proxy.js";
import { decode, encode } from "./numbered.js";

const messages = 400;
const restarts = 6;

/** A session that connects again whenever it lost its connection. */
class Stubborn {
  readonly session: MQTTSession;
  readonly #port: number;
  connects = 0;
  #over = false;

  constructor(clientIdentifier: string, port: number, version: 4 | 5, onMessage?: (message: SessionMessage) => void) {
    this.#port = port;
    this.session = new MQTTSession({
      clientIdentifier,
      version,
      timer: platform.timer,
      ticks: () => platform.ticks(),
      durability: "power",
      storage: new MapStorage(),
      queue: { messages: 1_000, bytes: 1_000_000 },
      // After a restart Mosquitto 2.0.11 counts what is in flight anew, and sends more than it was told to.
      receiveMaximum: 1_000,
      onMessage,
      onConnected: ({ sessionPresent }) => {
        if (this.connects++ > 0) assert.ok(sessionPresent, "the broker lost its sessions");
      },
      onDisconnected: () => {
        if (!this.#over) platform.timer.set(() => this.connect(), 20);
      },
    });
    this.connect();
  }

  connect(): void {
    if (!this.#over) this.session.connect({ address: "127.0.0.1", port: this.#port, socket: { io: platform.tcp } });
  }

  end(): void {
    this.#over = true;
    this.session.close();
  }
}

describe("A session whose broker is restarted, and comes back with its sessions", function () {
  this.timeout(60_000);

  for (const version of [4, 5] as const)
    it(`loses nothing, keeps the order, and repeats no QoS 2 message (${version === 4 ? "3.1.1" : "5.0"})`, async function () {
      requireMosquitto(this);
      const broker = new PlainMosquitto({ persistence: true, settings: ["max_inflight_messages 0"] });
      await broker.start();
      // What Mosquitto 2.0.11 repeats after PUBREL, which it does not store, no client can tell from a new message.
      const excused = new Set<number>();
      const conduct = new BrokerConduct(version, {
        repeated: ({ number }) => excused.add(number),
        early: () => undefined,
      });
      const proxy = new CuttingProxy(
        broker.port,
        () => undefined,
        () => conduct.connection(),
      );
      await proxy.start();
      const received: Record<1 | 2, number[]> = { 1: [], 2: [] };
      const subscriber = new Stubborn("subscriber", proxy.port, version, ({ payload, qos }) => {
        const message = decode(payload);
        assert.ok(message && message.qos === qos, "bytes that nobody published");
        received[message.qos].push(message.number);
      });
      const publisher = new Stubborn("publisher", broker.port, version);
      try {
        await subscriber.session.subscribe("restart", { qos: 2 });
        let acknowledged = 0;
        const rejected: string[] = [];
        let next = 1;
        const publish = (count: number): void => {
          for (; count > 0 && next <= messages; count--, next++)
            for (const qos of [1, 2] as const)
              publisher.session.publish("restart", encode({ qos, number: next }), { qos }).then(
                () => acknowledged++,
                (error: unknown) => rejected.push(String(error)),
              );
        };
        for (let i = 1; i <= restarts; i++) {
          publish(Math.ceil(messages / restarts));
          while (!publisher.session.connected || !subscriber.session.connected) await wait(1);
          // In the middle of it, another middle each time.
          const enough = acknowledged + 10 * i;
          while (acknowledged < enough && publisher.session.pending.messages > 0) await wait(1);
          await broker.restart();
        }
        const all = Array.from({ length: messages }, (_, i) => i + 1);
        const done = (): boolean =>
          acknowledged === 2 * messages && [received[1], received[2]].every((list) => new Set(list).size === messages);
        for (const until = Date.now() + 30_000; !done() && Date.now() < until;) await wait(10);
        // One too many would come right behind.
        await wait(200);
        assert.deepEqual(rejected, []);
        assert.equal(acknowledged, 2 * messages);
        // Each for the first time in its order.
        for (const list of [received[1], received[2]]) assert.deepEqual([...new Set(list)], all);
        const repeated = received[2].filter((number, i) => received[2].indexOf(number) !== i);
        assert.deepEqual(
          repeated.filter((number) => !excused.has(number)),
          [],
        );
        assert.ok(publisher.connects > restarts && subscriber.connects > restarts, "the broker was never away");
      } finally {
        publisher.end();
        subscriber.end();
        await proxy.stop();
        await broker.stop();
      }
    });
});
