import { platform } from "sealwire/host";
import { concat, fromUTF8, toUTF8 } from "../../../src/bytes.js";
import { Requests, type SessionOptions } from "../../../src/mqtt/index.js";
import { deepEqual, ok, rejects, strictEqual, throws } from "../../support/assert.js";
import { describe, it } from "../../support/bdd.js";
import { findProperty, PACKET, readVariable, text, topicOf } from "../../support/broker-model.js";
import { World } from "../../support/session-world.js";

/** Versions of the CONNECT packets that were sent. */
function versionsOf(world: World): number[] {
  return world.seen(PACKET.CONNECT).map(({ body }) => body[6]!);
}

describe('Version "auto"', () => {
  it("falls back to 3.1.1 when 5.0 is refused, says so, and remembers it", async () => {
    const world = new World();
    world.broker.versions = [4];
    const versions: number[] = [];
    const options: Partial<SessionOptions> = {
      version: "auto",
      durability: "power",
      onVersion: (version) => void versions.push(version),
    };
    const session = await world.online(options);
    deepEqual(
      world.disconnects.map((error) => error?.code),
      ["MQTT_VERSION_REFUSED"],
    );
    strictEqual(session.version, 4);
    world.connect();
    await world.run();
    ok(session.connected);
    world.powerLoss();
    await world.online(options);
    deepEqual(versionsOf(world), [5, 4, 4]);
    deepEqual(versions, [4]);
  });

  it("falls back with a will that has properties, which 3.1.1 has not", async () => {
    const world = new World();
    world.broker.versions = [4];
    await world.online({
      version: "auto",
      will: { topic: "gone", message: "x", properties: { willDelayInterval: 5 } },
    });
    world.connect();
    await world.run();
    ok(world.session.connected);
  });

  it("goes back to 5.0 when 3.1.1 is refused one day", async () => {
    const world = new World();
    world.broker.versions = [4];
    await world.online({ version: "auto" });
    world.connect();
    await world.run();
    world.broker.versions = [5];
    await world.reconnect();
    world.connect();
    await world.run();
    ok(world.session.connected);
    deepEqual(versionsOf(world), [5, 4, 4, 5]);
  });

  it("takes turns with a broker that hangs up without a word", async () => {
    const world = new World();
    world.broker.onConnect = (connection) => {
      if (connection.version === 4) return false;
      connection.close();
      return true;
    };
    await world.online({ version: "auto" });
    world.connect();
    await world.run();
    deepEqual(versionsOf(world), [5, 4]);
    ok(world.session.connected);
  });

  it("keeps the version that works when a connection is lost later", async () => {
    const world = new World();
    await world.online({ version: "auto" });
    world.broker.silent.add(PACKET.CONNECT);
    await world.reconnect();
    world.network.cut();
    await world.run();
    world.broker.silent.clear();
    world.connect();
    await world.run();
    deepEqual(versionsOf(world), [5, 5, 5]);
  });
});

describe("A session's connection", () => {
  it("announces its bounds and its expiry", async () => {
    const world = new World();
    await world.online({ version: 5, sessionExpiryInterval: 300, receiveMaximum: 7, maximumPacketSize: 5000 });
    const [connect] = world.seen(PACKET.CONNECT);
    const length = readVariable(connect!.body, 10)!;
    const properties = connect!.body.subarray(length.next, length.next + length.value);
    const at = (identifier: number, byteLength: number): number[] => {
      const offset = findProperty(properties, identifier);
      return Array.from(properties.subarray(offset, offset + byteLength));
    };
    deepEqual(
      [at(0x11, 4), at(0x21, 2), at(0x27, 4)],
      [
        [0, 0, 1, 44],
        [0, 7],
        [0, 0, 0x13, 0x88],
      ],
    );
    strictEqual(connect!.body[7]! & 2, 0, "not a clean start");
  });

  it("begins a new session each time with cleanStart", async () => {
    const world = new World();
    const session = await world.online({ cleanStart: true });
    void session.subscribe("in");
    await world.run();
    await world.reconnect();
    ok(world.seen(PACKET.CONNECT).every(({ body }) => (body[7]! & 2) !== 0));
    strictEqual(world.seen(PACKET.SUBSCRIBE).length, 2);
    deepEqual(
      world.connects.map(({ sessionPresent }) => sessionPresent),
      [false, false],
    );
  });

  it("takes over the identifier that the server assigns", async () => {
    const world = new World();
    world.broker.connackProperties = concat(
      Uint8Array.of(0x12),
      text("assigned"),
      Uint8Array.of(0x1f),
      text("welcome"),
    );
    const session = await world.online({ version: 5, clientIdentifier: "" });
    strictEqual(session.clientIdentifier, "assigned");
    strictEqual(world.connects[0]!.properties?.reasonString, "welcome");
    await world.reconnect();
    const [, second] = world.seen(PACKET.CONNECT);
    const length = readVariable(second!.body, 10)!;
    strictEqual(fromUTF8(second!.body.subarray(length.next + length.value + 2)), "assigned");
  });

  it("hands on what the server says about a refusal", async () => {
    const world = new World();
    world.broker.connackCode = 0x9d;
    world.broker.connackProperties = concat(Uint8Array.of(0x1c), text("other.example"));
    let reference: string | undefined;
    await world.online({
      version: 5,
      onDisconnected: (error, properties) => {
        strictEqual(error?.code, "MQTT_SERVER_MOVED");
        reference = properties?.serverReference;
      },
    });
    strictEqual(reference, "other.example");
  });

  it("reports a server that refuses the connection, or is not there, and may be tried again", async () => {
    const world = new World();
    world.network.refuse = true;
    await world.online();
    deepEqual(
      world.disconnects.map((error) => error?.code),
      ["CONNECTION_REFUSED"],
    );
    world.network.refuse = false;
    world.broker.silent.add(PACKET.CONNECT);
    world.connect();
    await world.run();
    world.time.advance(30_000);
    await world.run();
    strictEqual(world.disconnects.at(-1)?.code, "TIMEOUT");
    world.broker.silent.clear();
    world.connect();
    await world.run();
    ok(world.session.connected);
  });

  it("allows one connection at a time, and another within onDisconnected", async () => {
    const world = new World();
    let ends = 0;
    world.start({
      onDisconnected: () => {
        if (++ends < 3) world.connect();
      },
    });
    world.connect();
    throws(() => world.connect(), "INVALID_STATE");
    await world.run();
    throws(() => world.connect(), "INVALID_STATE");
    world.network.cut();
    await world.run();
    ok(world.session.connected);
    world.session.abort();
    await world.run();
    ok(world.session.connected);
    world.session.abort();
    deepEqual([ends, world.session.connected, world.session.connecting], [3, false, false]);
  });

  it("ends though the server takes no DISCONNECT", async () => {
    const world = new World();
    const session = await world.online();
    world.network.capacity = 0;
    const gone = session.disconnect();
    void session.disconnect();
    world.time.advance(10_000);
    await world.run();
    await gone;
    deepEqual(world.disconnects, [undefined]);
  });

  it("ends an attempt that is not accepted yet", async () => {
    const world = new World();
    const session = world.start();
    world.connect();
    await session.disconnect();
    deepEqual(world.disconnects, [undefined]);
    await world.run();
    strictEqual(world.connects.length, 0);
  });
});

describe("Pipelining", () => {
  it("sends what waits together with CONNECT, from the second connection on", async () => {
    const world = new World();
    const session = await world.online({ version: 5 });
    world.network.cut();
    await world.run();
    void session.publish("t", "waiting", { qos: 1 });
    world.broker.seen.length = 0;
    // The server answers nothing: all that comes was sent without waiting.
    world.broker.silent.add(PACKET.CONNECT);
    world.connect({ pipeline: true });
    await world.run();
    deepEqual(
      world.broker.seen.map(({ type }) => type),
      [PACKET.CONNECT, PACKET.PUBLISH],
    );
    strictEqual(session.pending.messages, 1);
    strictEqual(session.connected, false);
  });

  it("settles what was sent before CONNACK, whether the server has the session or not", async () => {
    for (const forgets of [false, true]) {
      const world = new World();
      const session = await world.online({ version: 5 });
      void session.subscribe("in", { qos: 1 });
      await world.run();
      world.network.cut();
      await world.run();
      const all = Promise.all([session.publish("t", "1", { qos: 1 }), session.publish("t", "2", { qos: 2 })]);
      if (forgets) world.broker.forget();
      world.connect({ pipeline: true });
      await world.run();
      await all;
      deepEqual(world.published, ["1", "2"]);
      strictEqual(world.seen(PACKET.PUBLISH).length, 2);
      strictEqual(world.seen(PACKET.SUBSCRIBE).length, forgets ? 2 : 1);
      strictEqual(session.pending.messages, 0);
    }
  });

  it("does not begin before anything is known of the server", async () => {
    const world = new World();
    const session = world.start({ version: 5 });
    void session.publish("t", "waiting", { qos: 1 });
    world.broker.silent.add(PACKET.CONNECT);
    world.connect({ pipeline: true });
    await world.run();
    strictEqual(world.seen(PACKET.PUBLISH).length, 0);
  });

  it("keeps to the limits of last time, and uses no topic alias", async () => {
    const world = new World();
    world.broker.connackProperties = Uint8Array.of(0x21, 0, 2, 0x22, 0, 5);
    const session = await world.online({ version: 5, topicAliases: { outgoing: 5 } });
    await Promise.all([session.publish("a/long/topic", "x", { qos: 1 }), world.run()]);
    world.network.cut();
    await world.run();
    for (let i = 0; i < 3; i++) session.publish("a/long/topic", `${i}`, { qos: 1 }).catch(() => undefined);
    world.broker.seen.length = 0;
    world.broker.silent.add(PACKET.CONNECT);
    world.connect({ pipeline: true });
    await world.run();
    deepEqual(world.seen(PACKET.PUBLISH).map(topicOf), ["a/long/topic", "a/long/topic"]);
  });
});

describe("Requests", () => {
  async function start(): Promise<{ world: World; requests: Requests; others: string[] }> {
    const world = new World();
    const others: string[] = [];
    const session = await world.online({
      version: 5,
      onMessage: (message) => {
        if (!requests.accept(message)) others.push(message.topic);
      },
    });
    const { timer } = world.time;
    const requests = new Requests({
      session,
      timer,
      random: (byteLength) => platform.crypto.random(byteLength),
      responseTopic: "responses/device",
      timeout: 1000,
      maximumRequests: 2,
    });
    return { world, requests, others };
  }

  /** Answers the n-th request. */
  function answer(world: World, n: number, payload: string): void {
    const { properties } = world.broker.published.filter(({ topic }) => topic === "service")[n]!;
    const at = findProperty(properties, 9);
    const correlation = properties.slice(at - 1, at + 10);
    world.broker.publish("responses/device", payload, 1, { properties: correlation });
  }

  it("finds the response to each request, whatever the order", async () => {
    const { world, requests, others } = await start();
    const first = requests.request("service", "one");
    const second = requests.request("service", "two");
    await rejects(requests.request("service", "three"), "MQTT_QUEUE_FULL");
    await world.run();
    answer(world, 1, "two!");
    answer(world, 1, "two, twice");
    answer(world, 0, "one!");
    world.broker.publish("responses/device", "foreign", 1);
    await world.run();
    deepEqual([fromUTF8((await first).payload), fromUTF8((await second).payload)], ["one!", "two!"]);
    strictEqual(world.seen(PACKET.SUBSCRIBE).length, 1);
    deepEqual(others, []);
    strictEqual(requests.pending, 0);
  });

  it("gives up in time, and when closed", async () => {
    const { world, requests } = await start();
    const late = rejects(requests.request("service", toUTF8("x")), "TIMEOUT");
    await world.run();
    world.time.advance(1000);
    await late;
    const closing = rejects(requests.request("service", "x"), "CLOSED");
    requests.close();
    await closing;
    await world.run();
    strictEqual(world.time.pending, 0);
  });
});
