import type { ConnectionOptions, PublishOptions, SessionOptions } from "../../../src/mqtt/index.js";
import { deepEqual, ok, rejects, strictEqual, throws } from "../../support/assert.js";
import { describe, it } from "../../support/bdd.js";
import { findProperty, PACKET } from "../../support/broker-model.js";
import { World } from "../../support/session-world.js";

/** Publishes numbered messages and notes how each ended. */
function publishAll(world: World, count: number, options: PublishOptions = { qos: 1 }): string[] {
  const ends: string[] = Array.from({ length: count }, () => "pending");
  for (let i = 0; i < count; i++)
    world.session.publish("t", `${i}`, options).then(
      () => (ends[i] = "done"),
      (error: unknown) => (ends[i] = (error as { code: string }).code),
    );
  return ends;
}

describe("The queue of a session", () => {
  for (const qos of [0, 1, 2] as const) {
    it(`refuses what is too much, with policy "reject" (QoS ${qos})`, async () => {
      const world = new World();
      world.start({ queue: { messages: 3 } });
      const ends = publishAll(world, 5, { qos });
      world.connect();
      await world.run();
      deepEqual(ends, ["done", "done", "done", "MQTT_QUEUE_FULL", "MQTT_QUEUE_FULL"]);
      deepEqual(world.published, ["0", "1", "2"]);
    });

    it(`keeps the newest with policy "dropOldest" (QoS ${qos})`, async () => {
      const world = new World();
      world.start({ queue: { messages: 3, policy: "dropOldest" } });
      const ends = publishAll(world, 5, { qos });
      world.connect();
      await world.run();
      deepEqual(ends, ["MQTT_QUEUE_FULL", "MQTT_QUEUE_FULL", "done", "done", "done"]);
      deepEqual(world.published, ["2", "3", "4"]);
    });

    it(`keeps the oldest and the last with policy "dropNewest" (QoS ${qos})`, async () => {
      const world = new World();
      world.start({ queue: { messages: 3, policy: "dropNewest" } });
      const ends = publishAll(world, 5, { qos });
      world.connect();
      await world.run();
      deepEqual(ends, ["done", "done", "MQTT_QUEUE_FULL", "MQTT_QUEUE_FULL", "done"]);
      deepEqual(world.published, ["0", "1", "4"]);
    });
  }

  it("is bounded in bytes, and takes nothing that could never fit", async () => {
    const world = new World();
    const session = world.start({ queue: { bytes: 100, policy: "dropOldest" } });
    const first = rejects(session.publish("t", new Uint8Array(60), { qos: 1 }), "MQTT_QUEUE_FULL");
    session.publish("t", new Uint8Array(60), { qos: 1 }).catch(() => undefined);
    await first;
    await rejects(session.publish("t", new Uint8Array(200), { qos: 1 }), "MQTT_QUEUE_FULL");
    deepEqual([session.pending.messages, session.pending.bytes], [1, 61]);
  });

  it("copies what it is given: the caller may use the memory again at once, a Buffer of Node too", async () => {
    // What slice() does in a Buffer.
    class View extends Uint8Array {
      override slice(start?: number, end?: number): Uint8Array<ArrayBuffer> {
        return this.subarray(start, end);
      }
    }
    for (const bytes of [Uint8Array.of(0x61, 0x62), View.of(0x61, 0x62)])
      for (const qos of [0, 1, 2] as const) {
        const world = new World();
        const session = world.start();
        session.publish("t", bytes, { qos }).catch(() => undefined);
        bytes[0] = 0x78;
        world.connect();
        await world.run();
        deepEqual(world.published, ["ab"], `QoS ${qos}`);
        bytes[0] = 0x61;
      }
  });

  it("refuses options of publish() that are none, whatever else would make it quick", async () => {
    const world = new World();
    const session = await world.online();
    for (const options of [null, 1, "qos", { QoS: 0 }, { qos: 3 }, { qos: 0, retain: 1 }])
      await rejects(session.publish("t", Uint8Array.of(1), options as PublishOptions), "INVALID_ARGUMENT");
    await rejects(session.publish("t/#", Uint8Array.of(1)), "INVALID_ARGUMENT");
    await rejects(session.publish("", Uint8Array.of(1), { qos: 0 }), "INVALID_ARGUMENT");
    deepEqual(world.published, []);
  });

  it("drops nothing that the server may have seen", async () => {
    const world = new World();
    world.broker.silent.add(PACKET.PUBLISH);
    await world.online({ window: 2, queue: { messages: 3, policy: "dropOldest" } });
    const ends = publishAll(world, 5);
    await world.run();
    deepEqual(ends, ["pending", "pending", "MQTT_QUEUE_FULL", "MQTT_QUEUE_FULL", "pending"]);
    world.network.cut();
    await world.run();
    const more = publishAll(world, 2);
    await world.run();
    deepEqual([ends[4], ...more], ["MQTT_QUEUE_FULL", "MQTT_QUEUE_FULL", "pending"]);
    world.broker.silent.clear();
    world.connect();
    await world.run();
    deepEqual(ends.slice(0, 2), ["done", "done"]);
    deepEqual(world.published, ["0", "1", "1"]);
  });

  it("says when there is room again", async () => {
    const world = new World();
    let drained = 0;
    world.start({
      queue: { messages: 4 },
      onDrain: () => {
        drained++;
      },
    });
    publishAll(world, 4);
    strictEqual(world.session.pending.messages, 4);
    world.connect();
    await world.run();
    strictEqual(drained, 0, "nothing was refused");
    world.network.cut();
    await world.run();
    publishAll(world, 5);
    world.connect();
    await world.run();
    strictEqual(drained, 1);
  });

  it("lets a message expire while it waits, not before and not when it was sent in time", async () => {
    const world = new World();
    world.start({ version: 5 });
    const ends = publishAll(world, 1, { qos: 1, expiry: 5000 });
    const later = publishAll(world, 1, { qos: 0, expiry: 9000 });
    world.time.advance(4999);
    await world.run();
    deepEqual([ends, later], [["pending"], ["pending"]]);
    world.time.advance(1);
    await world.run();
    deepEqual([ends, later], [["MQTT_MESSAGE_EXPIRED"], ["pending"]]);
    world.broker.silent.add(PACKET.PUBLISH);
    world.connect();
    await world.run();
    const [publish] = world.seen(PACKET.PUBLISH);
    const properties = publish!.body.subarray(4);
    const at = findProperty(properties, 2);
    deepEqual(properties.slice(at, at + 4), Uint8Array.of(0, 0, 0, 4), "the server is told what is left");
    strictEqual(world.time.pending, 0, "no timer stays behind");
  });

  it("reckons expiry through a restart, by the wall clock where there is one", async () => {
    for (const [off, survives] of [
      [1000, true],
      [60_000, false],
    ] as const) {
      const world = new World();
      let now = 1_800_000_000_000;
      const options: Partial<SessionOptions> = { durability: "power", time: () => now };
      world.start(options);
      world.session.publish("t", "x", { qos: 1, expiry: 5000 }).catch(() => undefined);
      world.powerLoss();
      now += off;
      await world.online(options);
      deepEqual(world.published, survives ? ["x"] : []);
      deepEqual(
        world.errors.map(({ code }) => code),
        survives ? [] : ["MQTT_MESSAGE_EXPIRED"],
      );
    }
  });

  it("frees the identifier of an expired QoS 2 message that the server may hold only after PUBREL", async () => {
    const world = new World();
    let now = 1_800_000_000_000;
    const options: Partial<SessionOptions> = { durability: "power", time: () => now };
    await world.online(options);
    world.broker.silent.add(PACKET.PUBREC);
    world.session.publish("t", "x", { qos: 2, expiry: 5000 }).catch(() => undefined);
    world.network.cutAfter = undefined;
    world.powerLoss();
    now += 10_000;
    await world.online(options);
    strictEqual(world.seen(PACKET.PUBREL).length, 1);
    strictEqual([...world.flash.values.keys()].filter((key) => key.startsWith("sw.mq.o")).length, 0);
  });

  it("wraps packet identifiers and skips those in use", async () => {
    const world = new World();
    world.broker.silent.add(PACKET.SUBSCRIBE);
    const session = await world.online();
    session.subscribe("t").catch(() => undefined);
    await world.run();
    for (let i = 0; i < 65_600; i++) {
      void session.publish("t", "", { qos: 1 });
      if (i % 16 === 0) await world.run();
    }
    await world.run();
    const ids = world.seen(PACKET.PUBLISH).map(({ id }) => id);
    deepEqual(ids.slice(0, 3), [2, 3, 4]);
    deepEqual(ids.slice(65_532, 65_537), [65_534, 65_535, 2, 3, 4]);
    ok(!ids.includes(0));
  });
});

describe("What the server does not offer", () => {
  it("is an error on this side, not a lost connection", async () => {
    const world = new World();
    // Maximum QoS 1, no retain, packets up to 200 bytes, no wildcards, no shared subscriptions
    world.broker.connackProperties = Uint8Array.of(0x24, 1, 0x25, 0, 0x27, 0, 0, 0, 200, 0x28, 0, 0x2a, 0);
    const session = await world.online({ version: 5 });
    await rejects(session.publish("t", "x", { qos: 2 }), "UNSUPPORTED");
    await rejects(session.publish("t", "x", { retain: true }), "UNSUPPORTED");
    await rejects(session.publish("t", new Uint8Array(300), { qos: 1 }), "MQTT_PACKET_TOO_LARGE");
    await rejects(session.subscribe("t/#"), "UNSUPPORTED");
    await rejects(session.subscribe("$share/a/t"), "UNSUPPORTED");
    const fine = session.publish("t", "x", { qos: 1 });
    await world.run();
    await fine;
    strictEqual(session.pending.messages, 0);
    deepEqual(world.disconnects, []);
  });

  it("keeps to the server's receive maximum", async () => {
    const world = new World();
    world.broker.connackProperties = Uint8Array.of(0x21, 0, 2);
    world.broker.silent.add(PACKET.PUBLISH);
    const session = await world.online({ version: 5, window: 10 });
    publishAll(world, 5);
    await world.run();
    strictEqual(world.seen(PACKET.PUBLISH).length, 2);
    strictEqual(session.pending.inFlight, 2);
  });

  it("is told with the server's reason code when it refuses one message", async () => {
    const world = new World();
    world.broker.refusals.set("forbidden", 0x87);
    const session = await world.online({ version: 5, durability: "power" });
    for (const qos of [1, 2] as const) {
      const refused = rejects(session.publish("forbidden", "x", { qos }), "MQTT_REQUEST_REFUSED");
      await world.run();
      strictEqual((await refused).reasonCode, 0x87);
    }
    strictEqual(world.seen(PACKET.PUBREL).length, 0);
    strictEqual([...world.flash.values.keys()].filter((key) => key.startsWith("sw.mq.o")).length, 0);
  });
});

describe("Topic aliases", () => {
  it("replace the topic from the second message on, on each connection anew", async () => {
    const world = new World();
    world.broker.connackProperties = Uint8Array.of(0x22, 0, 1);
    const session = await world.online({ version: 5, topicAliases: { outgoing: 5 } });
    const publish = async (topic: string): Promise<void> => {
      const done = session.publish(topic, "x", { qos: 1 });
      await world.run();
      await done;
    };
    await publish("a/long/topic");
    await publish("a/long/topic");
    await publish("another/topic");
    await world.reconnect();
    await publish("a/long/topic");
    deepEqual(
      world.seen(PACKET.PUBLISH).map(({ body }) => body[1]),
      [12, 0, 13, 12],
    );
  });
});

describe("Arguments of publish(), subscribe() and the constructor", () => {
  it("are refused with a sentence that names what is wrong", async () => {
    const world = new World();
    const session = world.start();
    const names = async (promise: Promise<unknown>, pattern: RegExp): Promise<void> => {
      const error = await rejects(promise, "INVALID_ARGUMENT");
      ok(pattern.test(error.message), error.message);
    };
    await names(session.publish("a/#", "x"), /wildcards/);
    await names(session.publish("", "x"), /empty/);
    await names(session.publish("t", "x", { qos: 3 as 2 }), /qos/);
    await names(session.publish("t", "x", { Qos: 1 } as PublishOptions), /Qos/);
    await names(session.publish("t", 5 as unknown as string), /payload/);
    await names(session.publish("t", "x", { expiry: -1 }), /expiry/);
    await names(session.publish("t", "x", { properties: { topicAlias: 1 } }), /topicAlias/);
    await names(session.publish("t", "x", { retain: "false" as unknown as boolean }), /retain/);
    await names(session.publish("t", "x", { properties: [] as object }), /properties/);
    await names(session.publish("t", null as unknown as string), /payload/);
    await names(session.publish("t", "x", null as unknown as PublishOptions), /object/);
    await names(session.subscribe(5 as unknown as string), /filter/);
    await names(session.subscribe("a", { noLocal: 1 as unknown as boolean }), /noLocal/);
    await names(session.unsubscribe(null as unknown as string), /filter/);
    await names(session.subscribe("a#"), /#/);
    await names(session.subscribe([]), /filter/);
    await names(session.subscribe("a", { qos: 4 as 2 }), /qos/);
    const wrong: [object, RegExp][] = [
      [{ clientId: "x" }, /clientId/],
      [{ version: 3 }, /version/],
      [{ durability: "disk" }, /durability/],
      [{ durability: "power", storage: undefined }, /storage/],
      [{ window: 0 }, /window/],
      [{ queue: { message: 3 } }, /message/],
      [{ queue: { policy: "drop" } }, /policy/],
      [{ receiveMaximum: 70_000 }, /receiveMaximum/],
      [{ queue: 5 }, /queue/],
      [{ topicAliases: null }, /topicAliases/],
      [{ timer: {} }, /timer/],
      [{ time: 5 }, /time/],
      [{ onMessage: true }, /onMessage/],
      [{ onError: "log" }, /onError/],
      [{ openSource: {} }, /openSource/],
      [{ cleanStart: "false" }, /cleanStart/],
      [{ storage: {} }, /storage/],
      [{ durability: "sleep", savedState: "x" }, /savedState/],
      [{ authentication: {}, version: 5 }, /authentication/],
      // What the client would refuse at connect() is refused here.
      [{ user: 5 }, /user/],
      [{ user: "u", password: 5 }, /password/],
      [{ password: "without a user" }, /password/],
      [{ will: { topic: "t", QoS: 3 } }, /will\.QoS/],
      [{ will: { topic: "t", delay: 3 } }, /will\.delay/],
      [{ will: null }, /will/],
      [{ properties: [], version: 5 }, /properties/],
      [{ properties: { topicAlias: 3 }, version: 5 }, /topicAlias/],
      [{ pingTimeout: 0 }, /pingTimeout/],
      [{ limits: { topic: 3 } }, /limits\.topic/],
      [{ limits: { topicLength: 0 } }, /limits\.topicLength/],
      [{ inputBuffer: 8 }, /inputBuffer/],
      [{ outputBuffer: 8 }, /outputBuffer/],
      // What has an option of its own is not taken twice.
      [{ properties: { receiveMaximum: 5 }, version: 5 }, /receiveMaximum/],
      [{ properties: { topicAliasMaximum: 5 }, version: 5 }, /topicAliases\.incoming/],
      [{ properties: { authenticationMethod: "x" }, version: 5 }, /authentication/],
    ];
    for (const [options, pattern] of wrong) {
      const error = throws(() => world.start(options), "INVALID_ARGUMENT");
      ok(pattern.test(error.message), error.message);
    }
    world.start();
    for (const options of [null, undefined, { pipeline: 1 }, { hots: "x" }])
      throws(() => world.session.connect(options as unknown as ConnectionOptions), "INVALID_ARGUMENT");
    ok(!world.session.connecting);
  });
});
