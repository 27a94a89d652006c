import { deepEqual, ok, rejects, strictEqual, throws } from "../../support/assert.js";
import { describe, it } from "../../support/bdd.js";
import { PACKET, World } from "../../support/session-world.js";

for (const version of [4, 5] as const) {
  describe(`MQTTSession over MQTT ${version === 4 ? "3.1.1" : "5.0"}`, () => {
    it("connects, publishes with each QoS, and learns of the acknowledgement", async () => {
      const world = new World();
      const session = await world.online({ version });
      ok(session.connected);
      deepEqual(
        world.connects.map(({ sessionPresent, version: used }) => [sessionPresent, used]),
        [[false, version]],
      );
      const settled: number[] = [];
      for (const qos of [0, 1, 2] as const)
        void session.publish("t", `message ${qos}`, { qos }).then(() => settled.push(qos));
      await world.run();
      deepEqual(world.published, ["message 0", "message 1", "message 2"]);
      deepEqual(settled, [0, 1, 2]);
      strictEqual(session.pending.messages, 0);
    });

    it("does not send a QoS 2 message for ever to a server that answers it as one of QoS 1", async () => {
      const world = new World();
      const session = await world.online({ version });
      world.broker.highestQoS = 1;
      const publications = [session.publish("t", "first", { qos: 2 }), session.publish("t", "second", { qos: 1 })];
      const outcomes = Promise.allSettled(publications);
      await world.run();
      if (version === 4) {
        // It cannot say so in 3.1.1; what it took it has delivered.
        await rejects(publications[0]!, "UNSUPPORTED");
        await publications[1];
        ok(session.connected);
        deepEqual([session.pending.messages, world.published], [0, ["first", "second"]]);
      } else {
        // It could have said so in CONNACK: something is wrong with it.
        ok(!session.connected);
        strictEqual(world.disconnects.at(-1)?.code, "MQTT_PROTOCOL_ERROR");
        session.close();
      }
      await outcomes;
    });

    it("hands out what was subscribed to and acknowledges it once", async () => {
      const world = new World();
      const session = await world.online({ version });
      const granted = session.subscribe("in/#", { qos: 2 });
      await world.run();
      deepEqual(await granted, [2]);
      for (const qos of [0, 1, 2]) world.broker.publish(`in/${qos}`, `message ${qos}`, qos);
      await world.run();
      deepEqual(world.received, ["message 0", "message 1", "message 2"]);
      deepEqual(
        world.messages.map(({ qos, topic, redelivered }) => [topic, qos, redelivered]),
        [
          ["in/0", 0, false],
          ["in/1", 1, false],
          ["in/2", 2, false],
        ],
      );
      strictEqual(world.seen(PACKET.PUBACK).length, 1);
      strictEqual(world.seen(PACKET.PUBREC).length, 1);
      strictEqual(world.seen(PACKET.PUBCOMP).length, 1);
      strictEqual(session.pending.inbound, 0);
    });

    it("hands out empty payloads and payloads in many fragments", async () => {
      const world = new World();
      world.network.chunk = 1;
      const session = await world.online({ version });
      void session.subscribe("in", { qos: 1 });
      await world.run();
      world.broker.publish("in", "", 1);
      world.broker.publish("in", "fragmented", 1);
      await world.run();
      deepEqual(world.received, ["", "fragmented"]);
    });

    it("keeps what is published before there is a connection, in order", async () => {
      const world = new World();
      const session = world.start({ version });
      const all = Promise.all([0, 1, 2, 1, 0].map((qos, i) => session.publish("t", `${i}`, { qos: qos as 0 | 1 | 2 })));
      strictEqual(session.pending.messages, 5);
      world.connect();
      await world.run();
      await all;
      deepEqual(world.published, ["0", "1", "2", "3", "4"]);
    });

    it("sends again on the next connection only, with DUP and the same identifiers, in the original order", async () => {
      const world = new World();
      world.broker.silent.add(PACKET.PUBLISH);
      const session = await world.online({ version });
      const all = Promise.all([1, 2, 1].map((qos, i) => session.publish("t", `${i}`, { qos: qos as 1 | 2 })));
      await world.run();
      world.time.advance(600_000);
      await world.run();
      const first = world.seen(PACKET.PUBLISH);
      strictEqual(first.length, 3);
      ok(first.every(({ flags }) => (flags & 8) === 0));
      world.broker.silent.clear();
      await world.reconnect();
      await all;
      const second = world.seen(PACKET.PUBLISH).slice(3);
      deepEqual(
        second.map(({ id }) => id),
        first.map(({ id }) => id),
      );
      ok(second.every(({ flags }) => (flags & 8) !== 0));
      deepEqual(world.published, ["0", "1", "2"]);
    });

    it("repeats PUBREL, not PUBLISH, once the server has a QoS 2 message", async () => {
      const world = new World();
      world.broker.silent.add(PACKET.PUBREL);
      const session = await world.online({ version });
      const published = session.publish("t", "once", { qos: 2 });
      await world.run();
      world.broker.silent.clear();
      await world.reconnect();
      await published;
      strictEqual(world.seen(PACKET.PUBLISH).length, 1);
      strictEqual(world.seen(PACKET.PUBREL).length, 2);
      deepEqual(world.published, ["once"]);
    });

    it("sends as new what a server that forgot the session had not received", async () => {
      const world = new World();
      world.broker.silent.add(PACKET.PUBLISH);
      const session = await world.online({ version });
      const all = Promise.all([session.publish("t", "a", { qos: 1 }), session.publish("t", "b", { qos: 2 })]);
      await world.run();
      world.broker.silent.clear();
      world.broker.forget();
      await world.reconnect();
      await all;
      ok(world.seen(PACKET.PUBLISH).every(({ flags }) => (flags & 8) === 0));
      deepEqual(world.published, ["a", "b"]);
    });

    it("subscribes again only when the server forgot", async () => {
      const world = new World();
      const session = await world.online({ version });
      void session.subscribe(["a", "b"], { qos: 1 });
      await world.run();
      await world.reconnect();
      strictEqual(world.seen(PACKET.SUBSCRIBE).length, 1);
      world.broker.forget();
      await world.reconnect();
      strictEqual(world.seen(PACKET.SUBSCRIBE).length, 2);
      world.broker.publish("b", "after", 1);
      await world.run();
      deepEqual(world.received, ["after"]);
    });

    it("ends a subscription, and does not renew it", async () => {
      const world = new World();
      const session = await world.online({ version });
      void session.subscribe(["a", "b"]);
      await world.run();
      const ended = session.unsubscribe("a");
      await world.run();
      await ended;
      world.broker.forget();
      await world.reconnect();
      world.broker.publish("a", "a");
      world.broker.publish("b", "b");
      await world.run();
      deepEqual(world.received, ["b"]);
    });

    it("says which subscription was refused and keeps the others", async () => {
      const world = new World();
      world.broker.refusedFilters.add("secret");
      const session = await world.online({ version });
      const granted = session.subscribe(["open", "secret"], { qos: 1 });
      await Promise.all([
        world.run(),
        rejects(granted, "MQTT_REQUEST_REFUSED").then((error) => strictEqual(error.reasonCode, 0x80)),
      ]);
      world.broker.publish("open", "x");
      await world.run();
      deepEqual(world.received, ["x"]);
    });

    it("keeps no more in flight than the window", async () => {
      const world = new World();
      world.broker.silent.add(PACKET.PUBLISH);
      const session = await world.online({ version, window: 3 });
      for (let i = 0; i < 10; i++) void session.publish("t", `${i}`, { qos: 1 });
      await world.run();
      strictEqual(world.seen(PACKET.PUBLISH).length, 3);
      deepEqual([session.pending.inFlight, session.pending.messages], [3, 10]);
      world.broker.silent.clear();
      await world.reconnect();
      deepEqual(
        world.published,
        Array.from({ length: 10 }, (_, i) => `${i}`),
      );
    });

    it("disconnects cleanly and reports the end once", async () => {
      const world = new World();
      const session = await world.online({ version });
      const gone = session.disconnect();
      await world.run();
      await gone;
      strictEqual(world.seen(PACKET.DISCONNECT).length, 1);
      deepEqual(world.disconnects, [undefined]);
      strictEqual(session.connected, false);
      world.connect();
      await world.run();
      ok(session.connected);
    });

    it("reports a lost connection once, with its cause", async () => {
      const world = new World();
      await world.online({ version });
      world.network.cut();
      await world.run();
      deepEqual(
        world.disconnects.map((error) => error?.code),
        ["CONNECTION_LOST"],
      );
    });

    it("reports a refused connection as the server gave it", async () => {
      const world = new World();
      world.broker.connackCode = version === 4 ? 5 : 0x87;
      await world.online({ version });
      deepEqual(
        world.disconnects.map((error) => [error?.code, error?.reasonCode]),
        [["MQTT_NOT_AUTHORIZED", version === 4 ? 5 : 0x87]],
      );
      strictEqual(world.connects.length, 0);
    });

    it("rejects what waits when it is closed, and calls nothing afterwards", async () => {
      const world = new World();
      world.broker.silent.add(PACKET.PUBLISH);
      world.broker.silent.add(PACKET.SUBSCRIBE);
      const session = await world.online({ version });
      const promises = [
        session.publish("t", "sent", { qos: 1 }),
        session.publish("t", "sent", { qos: 2 }),
        session.subscribe("t"),
      ];
      await world.run();
      session.close();
      session.close();
      await Promise.all(promises.map((promise) => rejects(promise, "CLOSED")));
      await rejects(session.publish("t", "late"), "CLOSED");
      await rejects(session.subscribe("t"), "CLOSED");
      throws(() => world.connect(), "CLOSED");
      await world.run();
      strictEqual(world.disconnects.length, 0);
    });

    it("may be closed, and may publish, within every callback", async () => {
      for (const callback of ["onConnected", "onMessage", "onDisconnected"] as const) {
        const world = new World();
        let called = 0;
        const session = world.start({
          version,
          [callback]: () => {
            called++;
            session.publish("t", "from within", { qos: 1 }).catch(() => undefined);
            session.close();
          },
        });
        world.connect();
        await world.run();
        void session.subscribe("in").catch(() => undefined);
        await world.run();
        world.broker.publish("in", "1");
        world.broker.publish("in", "2");
        await world.run();
        world.network.cut();
        await world.run();
        strictEqual(called, 1, callback);
      }
    });

    it("publishes from within callbacks without disturbing the order", async () => {
      const world = new World();
      const session = world.start({
        version,
        onConnected: () => {
          void session.publish("t", "first", { qos: 1 });
          void session.subscribe("in", { qos: 1 });
        },
        onMessage: ({ payload }) => session.publish("echo", payload, { qos: 2 }),
      });
      world.connect();
      await world.run();
      world.broker.publish("in", "a", 1);
      world.broker.publish("in", "b", 1);
      await world.run();
      deepEqual(world.published, ["first", "a", "b", "a", "b"]);
      strictEqual(session.pending.inbound, 0);
    });
  });
}
