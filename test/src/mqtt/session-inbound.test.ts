import type { MessageConsumer, SessionMessage, SessionOptions } from "../../../src/mqtt/index.js";
import { fromUTF8 } from "../../../src/bytes.js";
import { deepEqual, ok, strictEqual } from "../../support/assert.js";
import { describe, it } from "../../support/bdd.js";
import { PACKET, World } from "../../support/session-world.js";

async function subscribed(options: Partial<SessionOptions>, capacity = 4096): Promise<World> {
  const world = new World();
  world.network.capacity = capacity;
  const session = await world.online(options);
  void session.subscribe("in", { qos: 2 });
  await world.run();
  return world;
}

/** A promise and what settles it. */
function deferred(): { promise: Promise<void>; resolve: () => void; reject: (error: Error) => void } {
  let resolve = (): void => undefined;
  let reject: (error: Error) => void = () => undefined;
  const promise = new Promise<void>((fulfilled, rejected) => {
    resolve = fulfilled;
    reject = rejected;
  });
  return { promise, resolve, reject };
}

function textOf({ payload }: { payload: Uint8Array }): string {
  return fromUTF8(payload)!;
}

for (const version of [4, 5] as const) {
  describe(`Inbound messages over MQTT ${version === 4 ? "3.1.1" : "5.0"}`, () => {
    it("are acknowledged when the callback's promise is fulfilled, in the order of arrival", async () => {
      const handlers: ReturnType<typeof deferred>[] = [];
      const world = await subscribed({
        version,
        onMessage: () => {
          const handler = deferred();
          handlers.push(handler);
          return handler.promise;
        },
      });
      for (let i = 0; i < 3; i++) world.broker.publish("in", `${i}`, 1);
      await world.run();
      strictEqual(handlers.length, 3, "handed out at once");
      strictEqual(world.session.pending.inbound, 3);
      handlers[2]!.resolve();
      handlers[1]!.resolve();
      await world.run();
      strictEqual(world.seen(PACKET.PUBACK).length, 0, "the first is not handled yet");
      handlers[0]!.resolve();
      await world.run();
      deepEqual(
        world.seen(PACKET.PUBACK).map(({ id }) => id),
        [1, 2, 3],
      );
    });

    for (const qos of [1, 2] as const) {
      it(`are handed out once though the connection is lost while they are handled (QoS ${qos})`, async () => {
        const handler = deferred();
        let calls = 0;
        const world = await subscribed({
          version,
          onMessage: () => {
            calls++;
            return handler.promise;
          },
        });
        world.broker.publish("in", "x", qos);
        await world.run();
        await world.reconnect();
        strictEqual(calls, 1);
        handler.resolve();
        await world.run();
        strictEqual(world.seen(qos === 1 ? PACKET.PUBACK : PACKET.PUBREC).length, 1);
        strictEqual(world.session.pending.inbound, 0);
        strictEqual(world.broker.sessions.get("device")!.outgoing.length, 0);
      });

      it(`are acknowledged on the next connection when they were handled between two (QoS ${qos})`, async () => {
        const handler = deferred();
        let calls = 0;
        const world = await subscribed({
          version,
          onMessage: () => {
            calls++;
            return handler.promise;
          },
        });
        world.broker.publish("in", "x", qos);
        await world.run();
        world.network.cut();
        await world.run();
        handler.resolve();
        await world.run();
        world.connect();
        await world.run();
        strictEqual(calls, 1);
        strictEqual(world.broker.sessions.get("device")!.outgoing.length, 0);
      });

      it(`of a session that the server forgot are not acknowledged (QoS ${qos})`, async () => {
        const handlers: ReturnType<typeof deferred>[] = [];
        const world = await subscribed({
          version,
          onMessage: () => {
            const handler = deferred();
            handlers.push(handler);
            return handler.promise;
          },
        });
        world.broker.publish("in", "of the old session", qos);
        await world.run();
        world.broker.forget();
        await world.reconnect();
        world.broker.publish("in", "of the new session", qos);
        await world.run();
        strictEqual(handlers.length, 2);
        handlers[0]!.resolve();
        await world.run();
        strictEqual(world.seen(qos === 1 ? PACKET.PUBACK : PACKET.PUBREC).length, 0);
        handlers[1]!.resolve();
        await world.run();
        strictEqual(world.broker.sessions.get("device")!.outgoing.length, 0);
      });
    }

    it("of QoS 2 are new under an identifier of a session that the server forgot", async () => {
      const world = await subscribed({ version });
      world.broker.silent.add(PACKET.PUBREC);
      world.broker.publish("in", "a", 2);
      await world.run();
      world.broker.forget();
      world.broker.silent.clear();
      await world.reconnect();
      world.broker.publish("in", "b", 2);
      await world.run();
      deepEqual(world.received, ["a", "b"]);
    });

    it("whose callback throws are reported, and do not come for ever", async () => {
      let calls = 0;
      const world = await subscribed({
        version,
        onMessage: () => {
          calls++;
          if (calls % 2 === 1) throw new Error("a bug");
          return Promise.reject(new Error("a bug"));
        },
      });
      for (const qos of [0, 0, 1, 1, 2, 2]) world.broker.publish("in", "x", qos);
      await world.run();
      deepEqual(
        world.errors.map(({ code }) => code),
        Array.from({ length: 6 }, () => "CALLBACK_FAILED"),
      );
      ok(world.session.connected);
      strictEqual(world.broker.sessions.get("device")!.outgoing.length, 0);
      const [acknowledgement] = world.seen(PACKET.PUBACK);
      strictEqual(acknowledgement!.body[2], version === 5 ? 0x83 : undefined);
      strictEqual(world.seen(PACKET.PUBCOMP).length, version === 5 ? 0 : 2);
      await world.reconnect();
      strictEqual(calls, 6);
    });

    it("wait for acknowledge() in manual mode, even when the callback throws", async () => {
      const waiting: SessionMessage[] = [];
      const world = await subscribed({
        version,
        acknowledge: "manual",
        onMessage: (message) => {
          waiting.push(message);
          if (waiting.length === 2) throw new Error("a bug");
        },
      });
      for (const qos of [1, 1, 2]) world.broker.publish("in", "x", qos);
      await world.run();
      strictEqual(world.session.pending.inbound, 3);
      waiting[1]!.acknowledge();
      waiting[2]!.acknowledge();
      await world.run();
      strictEqual(world.session.pending.inbound, 3, "acknowledgements keep the order");
      waiting[0]!.acknowledge();
      waiting[0]!.acknowledge();
      await world.run();
      deepEqual(
        [world.seen(PACKET.PUBACK).length, world.seen(PACKET.PUBREC).length, world.session.pending.inbound],
        [2, 1, 0],
      );
    });

    it("that are larger than the limit go to a consumer in parts", async () => {
      const parts: Uint8Array[] = [];
      let ended = 0;
      const world = await subscribed({
        version,
        maximumMessageSize: 10,
        onMessageStart: ({ byteLength, topic }) => {
          deepEqual([byteLength, topic], [5000, "in"]);
          return {
            write: (bytes) => void parts.push(bytes),
            end: () => {
              ended++;
            },
            abort: () => undefined,
          };
        },
      });
      world.network.chunk = 700;
      world.broker.publish(
        "in",
        Uint8Array.from({ length: 5000 }, (_, i) => i % 251),
        2,
      );
      await world.run();
      const all = parts.flatMap((part) => Array.from(part));
      deepEqual(
        all,
        Array.from({ length: 5000 }, (_, i) => i % 251),
      );
      ok(parts.length > 3);
      strictEqual(ended, 1);
      strictEqual(world.seen(PACKET.PUBCOMP).length, 1);
    });

    it("stop flowing while a consumer is busy, and are acknowledged when it has ended", async () => {
      const gate = deferred();
      const end = deferred();
      let bytes = 0;
      const consumer: MessageConsumer = {
        write: (part) => {
          bytes += part.byteLength;
          return bytes === part.byteLength ? gate.promise : undefined;
        },
        end: () => end.promise,
        abort: () => undefined,
      };
      const world = await subscribed({ version, maximumMessageSize: 10, onMessageStart: () => consumer });
      world.network.chunk = 500;
      world.broker.publish("in", new Uint8Array(5000), 1);
      await world.run();
      ok(bytes < 1000, `${bytes} bytes while the consumer is busy`);
      gate.resolve();
      await world.run();
      strictEqual(bytes, 5000);
      strictEqual(world.seen(PACKET.PUBACK).length, 0);
      end.resolve();
      await world.run();
      strictEqual(world.seen(PACKET.PUBACK).length, 1);
    });

    it("tell their consumer that the connection was lost, and come again from the beginning", async () => {
      const log: string[] = [];
      let bytes = 0;
      const world = await subscribed({
        version,
        maximumMessageSize: 10,
        onMessageStart: ({ duplicate }) => {
          log.push(duplicate ? "again" : "start");
          bytes = 0;
          return {
            write: (part) => void (bytes += part.byteLength),
            end: () => void log.push(`end ${bytes}`),
            abort: () => void log.push("abort"),
          };
        },
      });
      world.network.chunk = 1000;
      let left = 2000;
      world.network.cutAfter = () => left;
      await world.reconnect();
      world.broker.publish("in", new Uint8Array(5000), 2);
      await world.run();
      left = 100_000;
      world.connect();
      await world.run();
      deepEqual(log, ["start", "abort", "again", "end 5000"]);
    });

    it("that are too large for everybody are skipped, reported and not repeated", async () => {
      for (const acknowledge of ["auto", "manual"] as const) {
        const world = await subscribed({ version, acknowledge, maximumMessageSize: 10 });
        world.broker.publish("in", new Uint8Array(3000), 1);
        world.broker.publish("in", "small", 0);
        await world.run();
        deepEqual(world.received, ["small"]);
        deepEqual(
          world.errors.map(({ code }) => code),
          ["MQTT_PACKET_TOO_LARGE"],
        );
        strictEqual(world.broker.sessions.get("device")!.outgoing.length, 0);
      }
    });

    it("are not acknowledged on another connection by what waited on the last one", async () => {
      const waiting: SessionMessage[] = [];
      const world = await subscribed(
        {
          version,
          acknowledge: "manual",
          outputBuffer: 64,
          onMessage: (message) => void waiting.push(message),
        },
        64,
      );
      world.broker.window = 40;
      for (let i = 0; i < 40; i++) world.broker.publish("in", `${i}`, 1);
      await world.run();
      strictEqual(waiting.length, 40);
      world.network.stalled = true;
      for (const message of waiting) message.acknowledge();
      await world.run();
      strictEqual(world.seen(PACKET.PUBACK).length, 0);
      world.network.stalled = false;
      await world.reconnect();
      deepEqual([waiting.length, world.seen(PACKET.PUBACK).length], [80, 0]);
      ok(waiting.slice(40).every(({ redelivered }) => redelivered));
    });

    it("are all acknowledged, in order, when the connection takes more again", async () => {
      const waiting: SessionMessage[] = [];
      const world = await subscribed(
        {
          version,
          acknowledge: "manual",
          outputBuffer: 64,
          onMessage: (message) => void waiting.push(message),
        },
        64,
      );
      world.broker.window = 40;
      for (let i = 0; i < 40; i++) world.broker.publish("in", `${i}`, 1);
      await world.run();
      world.network.stalled = true;
      for (const message of waiting) message.acknowledge();
      await world.run();
      world.network.resume();
      await world.run();
      deepEqual(
        world.seen(PACKET.PUBACK).map(({ id }) => id),
        Array.from({ length: 40 }, (_, i) => i + 1),
      );
    });

    it("beyond the receive maximum end the connection", async () => {
      const world = await subscribed({ version, acknowledge: "manual", receiveMaximum: 4 });
      const connection = world.broker.sessions.get("device")!.connection!;
      connection.receiveMaximum = 100;
      for (let i = 0; i < 6; i++) world.broker.publish("in", "x", 1);
      await world.run();
      strictEqual(world.messages.length, 4);
      strictEqual(world.disconnects.length, 1);
      ok(["MQTT_QUOTA_EXCEEDED", "MQTT_PROTOCOL_ERROR"].includes(world.disconnects[0]!.code));
    });
  });
}

describe("The order of messages", () => {
  it("is kept though connections are lost and callbacks take their time", async () => {
    const world = await subscribed({ version: 5, onMessage: undefined });
    const seen: string[] = [];
    const session = world.session;
    session.close();
    world.start({
      version: 5,
      onMessage: async (message) => {
        seen.push(textOf(message));
        await Promise.resolve();
      },
    });
    world.connect();
    await world.run();
    for (let i = 0; i < 30; i++) {
      world.broker.publish("in", `${i}`, 2);
      if (i % 7 === 3) await world.reconnect();
    }
    await world.run();
    deepEqual(
      seen,
      Array.from({ length: 30 }, (_, i) => `${i}`),
    );
  });
});
