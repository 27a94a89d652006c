import { fromHex, toHex, toUTF8 } from "../../../src/bytes.js";
import { SealwireError } from "../../../src/errors.js";
import { MQTTClient, type MQTTClientOptions, type WriteOptions } from "../../../src/mqtt/index.js";
import { deepEqual, ok, strictEqual, throws } from "../../support/assert.js";
import { describe, it } from "../../support/bdd.js";
import { MemoryResolver, transportClass, Wire } from "../../support/memory-transport.js";
import { World, accepted } from "./client-world.js";

const PUBLISH_AB = "30050001616869"; // topic "a", payload "hi"

describe("MQTTClient: connecting", () => {
  it("resolves the name, connects to the address found, and sends CONNECT", async () => {
    const wire = new Wire();
    const client = new MQTTClient({
      host: "broker.example",
      id: "c",
      keepAlive: 1500,
      dns: { io: MemoryResolver },
      socket: { io: transportClass(wire), extra: 1 },
      timer: wire.timer,
      ticks: wire.ticks,
    });
    await wire.turn();
    const { address, host, port, noDelay, ...rest } = wire.transport!.options;
    deepEqual([address, host, port, noDelay], ["192.0.2.1", "broker.example", 1883, true]);
    strictEqual((rest as { extra?: number }).extra, 1);
    strictEqual(toHex(wire.take()), "100d00044d51545404020002000163");
    client.close();
  });

  it("reports a name that cannot be resolved", async () => {
    const world = new World({ address: undefined, host: "elsewhere.example", dns: { io: MemoryResolver } });
    await world.wire.turn();
    deepEqual(world.events, ["error NAME_NOT_RESOLVED"]);
  });

  it("is writable after CONNACK, not before", async () => {
    const world = new World();
    await world.wire.turn();
    deepEqual(world.events, []);
    throws(() => world.client.write(null, { topic: "a" }), "INVALID_STATE");
    strictEqual(world.client.writable, 0);
    await world.wire.receive(accepted[4]);
    deepEqual(world.events, ["control 2", `writable ${4096 - 8}`]);
    deepEqual(world.controls, [
      { operation: 2, sessionPresent: false, returnCode: 0, reasonCode: 0, properties: undefined },
    ]);
  });

  it("sends a CONNECT that is larger than the buffer and than what the transport takes", async () => {
    const password = "p".repeat(3000);
    const world = new World({ user: "u", password, transport: { writable: 700 } });
    await world.wire.turn();
    const sent = world.wire.take();
    strictEqual(sent.byteLength, 3 + 10 + 3 + 3 + 2 + 3000);
    strictEqual(toHex(sent.subarray(-3000)), "70".repeat(3000));
  });

  it("gives up when the server does not accept in time", async () => {
    const world = new World({ connectTimeout: 5000 });
    await world.wire.advance(4999);
    deepEqual(world.events, []);
    await world.wire.advance(1);
    deepEqual(world.events, ["error TIMEOUT"]);
    ok(world.wire.transport!.closed);
    strictEqual(world.wire.timers, 0);
  });

  it("reports a server that closes before it accepts", async () => {
    const world = new World();
    await world.wire.turn();
    await world.wire.end();
    deepEqual(world.events, ["error CONNECTION_LOST"]);
  });

  const refusals = [
    [4, "20020001", "MQTT_VERSION_REFUSED", 1],
    [4, "20020002", "MQTT_CLIENT_ID_REFUSED", 2],
    [4, "20020003", "MQTT_SERVER_UNAVAILABLE", 3],
    [4, "20020004", "MQTT_BAD_CREDENTIALS", 4],
    [4, "20020005", "MQTT_NOT_AUTHORIZED", 5],
    [4, "20020006", "MQTT_REFUSED", 6],
    [5, "20020001", "MQTT_VERSION_REFUSED", 1], // from a server of 3.1.1
    [5, "2003008400", "MQTT_VERSION_REFUSED", 0x84],
    [5, "2003008600", "MQTT_BAD_CREDENTIALS", 0x86],
    [5, "2003008700", "MQTT_NOT_AUTHORIZED", 0x87],
    [5, "2003008900", "MQTT_SERVER_UNAVAILABLE", 0x89],
    [5, "2003008000", "MQTT_REFUSED", 0x80],
    [5, "2003009f00", "MQTT_QUOTA_EXCEEDED", 0x9f],
  ] as const;
  for (const [version, connack, code, reasonCode] of refusals)
    it(`reports the refusal ${connack} as ${code}`, async () => {
      const world = new World({ version });
      await world.wire.turn();
      world.wire.take();
      await world.wire.receive(fromHex(connack));
      deepEqual(world.events, [`error ${code}`]);
      strictEqual(world.error?.reasonCode, reasonCode);
      strictEqual(await world.sent(), "");
      ok(world.wire.transport!.closed);
    });

  it("says where the server moved to", async () => {
    const world = new World({ version: 5 });
    await world.wire.turn();
    await world.wire.receive(fromHex("2009009c061c0003622e63"));
    deepEqual(world.events, ["error MQTT_SERVER_MOVED"]);
    deepEqual(world.errorProperties, { serverReference: "b.c" });
    ok(world.error?.message.includes('"b.c"'));
  });

  it("refuses any other packet before CONNACK, and a second CONNACK", async () => {
    const early = new World();
    await early.wire.turn();
    await early.wire.receive(fromHex(PUBLISH_AB));
    deepEqual(early.events, ["error MQTT_PROTOCOL_ERROR"]);
    const late = await new World({ version: 5 }).connected();
    await late.wire.receive(accepted[5]);
    deepEqual(late.events, ["error MQTT_PROTOCOL_ERROR"]);
    strictEqual(await late.sent(), "e00182");
  });

  it("refuses a session that is present though a clean one was asked for", async () => {
    const world = new World();
    await world.wire.turn();
    await world.wire.receive([0x20, 0x02, 0x01, 0x00]);
    deepEqual(world.events, ["error MQTT_PROTOCOL_ERROR"]);
  });

  const wrong: readonly [what: string, options: object][] = [
    ["an unknown option", { kepAlive: 1 }],
    ["host", { address: undefined }],
    ["dns", { address: undefined, host: "broker.example" }],
    ["socket", { socket: {} }],
    ["port", { port: 0 }],
    ["version", { version: 3 }],
    ["id", { id: "", clean: false }],
    ["id", { id: 7 }],
    ["id", { id: "\ud800" }],
    ["clean", { clean: 1 }],
    ["password", { password: "p" }],
    ["will.topic", { will: { topic: "a/#" } }],
    ["will.QoS", { will: { topic: "a", QoS: 3 } }],
    ["will.delay", { will: { topic: "a", delay: 3 } }],
    ["keepAlive", { keepAlive: 65_536_000 }],
    ["keepAlive", { keepAlive: "60" }],
    ["timer", { timer: undefined }],
    ["ticks", { ticks: undefined }],
    ["onAuth", { version: 5, onAuth: true }],
    ["acknowledge", { acknowledge: "never" }],
    ["inputBuffer", { inputBuffer: 8 }],
    ["limits.topic", { limits: { topic: 1 } }],
    ["limits.topicLength", { limits: { topicLength: 70000 } }],
    ["format", { format: "number" }],
    ["properties", { properties: { receiveMaximum: 1 } }],
    ["receiveMaximum", { version: 5, properties: { receiveMaximum: 0 } }],
    ["topicAlias", { version: 5, properties: { topicAlias: 1 } }],
    ["recieveMaximum", { version: 5, properties: { recieveMaximum: 1 } }],
    ["authenticationData", { version: 5, properties: { authenticationData: new Uint8Array(1) } }],
    ["pipeline", { version: 5, pipeline: true, properties: { authenticationMethod: "S" } }],
    ["pipeline.maximum", { pipeline: { maximum: 1 } }],
    ["pipeline", { pipeline: null }],
    ["pipeline.retainAvailable", { pipeline: { retainAvailable: 1 } }],
    ["keepalive", { keepalive: -1 }],
    ["properties", { version: 5, properties: null }],
    ["properties", { version: 5, properties: [] }],
    ["properties", { version: 5, properties: 7 }],
    ["will", { will: null }],
    ["will.retain", { will: { topic: "a", retain: "yes" } }],
    ["will.properties", { version: 5, will: { topic: "a", properties: 7 } }],
    ["will.properties", { version: 5, will: { topic: "a", properties: null } }],
    ["limits", { limits: null }],
    ["limits", { limits: 7 }],
  ];
  for (const [what, options] of wrong)
    it(`refuses a wrong option by its name: ${what} in ${JSON.stringify(options)}`, () => {
      const error = throws(() => new World(options), "INVALID_ARGUMENT");
      ok(error.message.includes(what === "an unknown option" ? "kepAlive" : what), error.message);
    });

  it("leaves nothing behind when the transport cannot be made", () => {
    const wire = new Wire();
    const Broken = function (): void {
      throw new SealwireError("UNSUPPORTED", "No transport here.");
    };
    const socket = { io: Broken } as unknown as MQTTClientOptions["socket"];
    const options = { address: "192.0.2.1", socket, timer: wire.timer, ticks: wire.ticks };
    throws(() => new MQTTClient(options), "UNSUPPORTED");
    strictEqual(wire.timers, 0);
  });
});

describe("MQTTClient: writing", () => {
  it("joins what is written in one job to one write", async () => {
    const { client, wire } = await new World().connected();
    const before = wire.writes;
    for (let i = 0; i < 10; i++) client.write(toUTF8("hi"), { topic: "a" });
    strictEqual(wire.sent.length, 0);
    await wire.turn();
    strictEqual(toHex(wire.take()), PUBLISH_AB.repeat(10));
    strictEqual(wire.writes, before + 1);
  });

  it("returns what can be written afterwards, and throws on overflow without sending a part", async () => {
    const world = await new World({ transport: { writable: 64, stalled: true } }).connected();
    // CONNECT took 15 bytes of the 64.
    strictEqual(world.client.writable, 64 - 15 - 8);
    strictEqual(world.client.write(new Uint8Array(20), { topic: "a" }), 64 - 15 - 25 - 8);
    const error = throws(() => world.client.write(new Uint8Array(20), { topic: "a" }), "INVALID_STATE");
    ok(error.message.startsWith("Overflow"), error.message);
    strictEqual(await world.sent(), "3017000161" + "00".repeat(20));
    world.wire.stalled = false;
    await world.wire.turn();
    deepEqual(world.events, ["writable 56"]);
  });

  it("sends a topic that is longer than all that the transport takes at once, if the payload comes after it", async () => {
    const topic = "t".repeat(150);
    const world = await new World({ transport: { writable: 64 } }).connected();
    const error = throws(() => world.client.write(Uint8Array.of(1, 2), { topic }), "INVALID_STATE");
    ok(error.message.startsWith("Overflow"), error.message);
    strictEqual(world.client.write(null, { topic, byteLength: 2 }), 0);
    throws(() => world.client.write(Uint8Array.of(1)), "INVALID_STATE");
    await world.wire.turn();
    strictEqual(world.client.write(Uint8Array.of(1, 2)), 64 - 2 - 8);
    strictEqual(await world.sent(), `309a010096${"74".repeat(150)}0102`);
    // Without a payload it leaves in one call.
    strictEqual(world.client.write(null, { topic }), 0);
    strictEqual(await world.sent(), `3098010096${"74".repeat(150)}`);
  });

  it("publishes an empty payload, given in any way", async () => {
    const world = await new World().connected();
    for (const data of [undefined, null, new ArrayBuffer(0)]) {
      world.client.write(data, { topic: "a", retain: true });
      strictEqual(await world.sent(), "3103000161");
    }
  });

  it("streams a payload that is larger than every buffer", async () => {
    const world = await new World({ outputBuffer: 64, transport: { writable: 300 } }).connected();
    const { client, wire } = world;
    client.write(toUTF8("begin"), { topic: "a", QoS: 1, byteLength: 100_005 });
    let left = 100_000;
    while (left > 0) {
      const part = Math.min(left, client.writable);
      ok(part > 0, "nothing can be written");
      client.write(new Uint8Array(part));
      left -= part;
      await wire.turn();
    }
    client.write(toUTF8("next"), { topic: "b" });
    await wire.turn();
    const sent = wire.take();
    strictEqual(toHex(sent.subarray(0, 14)), "32aa8d06" + "000161" + "0001" + toHex(toUTF8("begin")));
    strictEqual(toHex(sent.subarray(14 + 100_000)), "3007000162" + toHex(toUTF8("next")));
  });

  it("lets nothing but parts and acknowledgements be written while a payload is under way", async () => {
    const world = await new World({ acknowledge: "manual" }).connected();
    const { client } = world;
    client.write(toUTF8("h"), { topic: "a", byteLength: 2 });
    throws(() => client.write(toUTF8("x"), { topic: "b" }), "INVALID_STATE");
    throws(() => client.write(null, { operation: MQTTClient.SUBSCRIBE, items: [{ topic: "b" }] }), "INVALID_STATE");
    throws(() => client.write(null, { operation: MQTTClient.DISCONNECT }), "INVALID_STATE");
    throws(() => client.write(toUTF8("xx")), "INVALID_ARGUMENT");
    client.write(null, { operation: MQTTClient.PUBACK, id: 7 });
    strictEqual(await world.sent(), "300500016168");
    client.write(toUTF8("i"));
    strictEqual(await world.sent(), "69" + "40020007");
    throws(() => client.write(toUTF8("i")), "INVALID_STATE");
  });

  it("gives identifiers from 1, wraps, and never uses 0", async () => {
    const { client, wire } = await new World().connected();
    let last = 0;
    for (let i = 0; i < 65_536; i++) {
      client.write(null, { topic: "a", QoS: 1 });
      if (i % 100 === 99 || i > 65_533) {
        await wire.turn();
        const sent = wire.take();
        for (let offset = 0; offset < sent.byteLength; offset += 7) {
          const id = (sent[offset + 5]! << 8) | sent[offset + 6]!;
          strictEqual(id, last === 65_535 ? 1 : last + 1);
          last = id;
        }
      }
    }
    strictEqual(last, 1);
  });

  it("writes every operation of a client", async () => {
    const world = await new World({ version: 5, acknowledge: "manual" }).connected();
    const { client } = world;
    const cases: readonly [WriteOptions, string][] = [
      [
        { topic: "a", QoS: 2, id: 9, retain: true, duplicate: true, properties: { contentType: "t" } },
        "3d0a000161000904030001 74",
      ],
      [{ operation: MQTTClient.PUBACK, id: 1 }, "40020001"],
      [{ operation: MQTTClient.PUBREC, id: 1, reasonCode: 0x97 }, "5003000197"],
      [{ operation: MQTTClient.PUBREL, id: 1 }, "62020001"],
      [{ operation: MQTTClient.PUBCOMP, id: 1, properties: { reasonString: "x" } }, "7008000100041f000178"],
      [
        { operation: MQTTClient.SUBSCRIBE, id: 3, items: [{ topic: "a", QoS: 1, noLocal: true }] },
        "82070003000001 6105",
      ],
      [{ operation: MQTTClient.UNSUBSCRIBE, items: [{ topic: "a" }] }, "a206000100000161"],
      [{ operation: MQTTClient.PINGREQ }, "c000"],
      [{ operation: MQTTClient.DISCONNECT, reasonCode: 4 }, "e00104"],
    ];
    for (const [options, expected] of cases) {
      client.write(null, options);
      strictEqual(await world.sent(), expected.replaceAll(" ", ""));
    }
    client.close();
  });

  const wrong: readonly [what: string, options: object, version?: 4 | 5][] = [
    ["tpic", { tpic: "a" }],
    ["topic", {}],
    ["topic", { topic: "" }],
    ["topic", { topic: "a/+" }],
    ["topic", { topic: 5 }],
    ["QoS", { topic: "a", QoS: 3 }],
    ["QoS", { topic: "a", QoS: "1" }],
    ["id", { topic: "a", QoS: 1, id: 0 }],
    ["id", { topic: "a", QoS: 1, id: 65536 }],
    ["id", { topic: "a", id: 1 }],
    ["duplicate", { topic: "a", duplicate: true }],
    ["byteLength", { topic: "a", byteLength: 1 }],
    ["items", { topic: "a", items: [] }],
    ["properties", { topic: "a", properties: {} }, 4],
    ["topicAlias", { topic: "a", properties: { topicAlias: 1 } }],
    ["subscription identifiers", { topic: "a", properties: { subscriptionIdentifier: 1 } }],
    ["reasonString", { topic: "a", properties: { reasonString: "x" } }],
    ["responseTopic", { topic: "a", properties: { responseTopic: "a/#" } }],
    ["userProperties", { topic: "a", properties: { userProperties: ["a"] } }],
    ["items", { operation: 8 }],
    ["items", { operation: 8, items: [] }],
    ["items[0].topic", { operation: 8, items: [{ topic: "a#" }] }],
    ["items[0].QoS", { operation: 8, items: [{ topic: "a", QoS: 5 }] }],
    ["items[0].nolocal", { operation: 8, items: [{ topic: "a", nolocal: true }] }],
    ["items[0].noLocal", { operation: 8, items: [{ topic: "a", noLocal: true }] }, 4],
    ["items[0].noLocal", { operation: 8, items: [{ topic: "$share/g/a", noLocal: true }] }],
    ["id", { operation: 4 }],
    ["reasonCode", { operation: 4, id: 1, reasonCode: 0x92 }],
    ["reasonCode", { operation: 4, id: 1, reasonCode: 0x80 }, 4],
    ["topic", { operation: 12, topic: "a" }],
    ["CONNACK", { operation: 2 }],
    ["AUTH", { operation: 15 }, 4],
    ["sessionExpiryInterval", { operation: 14, properties: { sessionExpiryInterval: 5 } }],
  ];
  for (const [what, options, version = 5] of wrong)
    it(`refuses to write ${JSON.stringify(options)} (${version === 4 ? "3.1.1" : "5.0"}), and sends nothing`, async () => {
      const world = await new World({ version }).connected();
      const data = (options as WriteOptions).operation === undefined ? new Uint8Array(2) : null;
      const error = throws(() => world.client.write(data, options), "INVALID_ARGUMENT");
      ok(error.message.includes(what), error.message);
      strictEqual(await world.sent(), "");
    });

  it("does not write what the server said it refuses", async () => {
    const properties = "2400" + "2500" + "2700000020" + "2800" + "2900" + "2a00" + "220001";
    const body = fromHex(properties);
    const world = new World({ version: 5 });
    await world.connected([0x20, body.byteLength + 3, 0, 0, body.byteLength, ...body]);
    const { client } = world;
    strictEqual(client.limits.maximumQoS, 0);
    throws(() => client.write(null, { topic: "a", QoS: 1 }), "UNSUPPORTED");
    throws(() => client.write(null, { topic: "a", retain: true }), "UNSUPPORTED");
    throws(() => client.write(new Uint8Array(27), { topic: "a" }), "MQTT_PACKET_TOO_LARGE");
    const subscribe = (topic: string, properties?: object): number =>
      client.write(null, { operation: MQTTClient.SUBSCRIBE, items: [{ topic }], ...properties });
    throws(() => subscribe("#"), "UNSUPPORTED");
    throws(() => subscribe("$share/g/a"), "UNSUPPORTED");
    throws(() => subscribe("a", { properties: { subscriptionIdentifier: 1 } }), "UNSUPPORTED");
    strictEqual(await world.sent(), "");
    client.write(new Uint8Array(26), { topic: "a" });
    client.write(toUTF8("hi"), { topic: "a", properties: { topicAlias: 1 } });
    client.write(toUTF8("hi"), { topic: "", properties: { topicAlias: 1 } });
    strictEqual(await world.sent(), `301e00016100${"00".repeat(26)}300900016103230001686930080000032300016869`);
  });

  it("reports a transport that fails under a write, later and once", async () => {
    for (const version of [4, 5] as const) {
      const world = await new World({ version, transport: { failAtWrite: 2 } }).connected();
      world.client.write(toUTF8("hi"), { topic: "a" });
      world.client.write(toUTF8("hi"), { topic: "a" });
      deepEqual(world.events, []);
      await world.wire.turn();
      deepEqual(world.events, ["error CONNECTION_LOST"]);
      strictEqual(await world.sent(), "");
      throws(() => world.client.write(null, { topic: "a" }), "INVALID_STATE");
    }
  });

  it("reports a transport that fails under a large write from within the call", async () => {
    const world = await new World({ transport: { failAtWrite: 2 } }).connected();
    strictEqual(world.client.write(new Uint8Array(2000), { topic: "a" }) >= 0, true);
    deepEqual(world.events, []);
    await world.wire.turn();
    deepEqual(world.events, ["error CONNECTION_LOST"]);
  });
});

describe("MQTTClient: in place of the client of the Moddable SDK", () => {
  it("serves a program that was written for that one", async () => {
    const wire = new Wire();
    const received: string[] = [];
    const PING = { operation: MQTTClient.PINGREQ };
    // What a device's configuration spreads into the options: `io`, and `keepalive` in its older spelling.
    const configuration = { io: MQTTClient, dns: { io: MemoryResolver }, socket: { io: transportClass(wire) } };
    new MQTTClient({
      ...configuration,
      host: "broker.example",
      timer: wire.timer,
      ticks: wire.ticks,
      keepalive: 60_000,
      onControl(message) {
        if (message.operation !== MQTTClient.CONNACK) return;
        this.write(null, { operation: MQTTClient.SUBSCRIBE, items: [{ topic: "f/+", QoS: 2 }, { topic: "b" }] });
        this.write(null, { operation: MQTTClient.UNSUBSCRIBE, items: [{ topic: "b" }] });
        this.write(toUTF8("SM").buffer as ArrayBuffer, { topic: "f/s", byteLength: 6, QoS: 2 });
        this.write(toUTF8("ALL\n").buffer as ArrayBuffer);
        this.write(null, PING);
      },
      onReadable(count) {
        received.push(toHex(new Uint8Array(this.read(count)!)));
      },
    });
    await wire.turn();
    strictEqual(toHex(wire.take()), "100c00044d5154540402003c0000");
    await wire.receive(accepted[4], fromHex(PUBLISH_AB));
    strictEqual(
      toHex(wire.take()),
      "820c0001" + "0003662f2b02" + "00016200" + "a2050002" + "000162" + "340d0003662f730003534d414c4c0a" + "c000",
    );
    deepEqual(received, ["6869"]);
  });
});

describe("MQTTClient: reading", () => {
  for (const fragment of [1, 2, 3, 7, 64])
    it(`hands over messages that arrive ${fragment} bytes at a time, whole`, async () => {
      const world = await new World({ transport: { fragment } }).connected();
      await world.wire.receive(fromHex(PUBLISH_AB), fromHex(PUBLISH_AB), [0xd0, 0x00]);
      deepEqual(world.payloads, ["6869", "6869"]);
      deepEqual(world.events, ["readable 2", "readable 2", "control 13"]);
      deepEqual(world.messages[0], {
        topic: "a",
        QoS: 0,
        retain: false,
        duplicate: false,
        id: 0,
        byteLength: 2,
        more: false,
        properties: undefined,
      });
    });

  it("calls back for an empty payload", async () => {
    const world = await new World({ version: 5 }).connected();
    await world.wire.receive(fromHex("3206000161000700"));
    strictEqual(world.events[0], "readable 0");
    strictEqual(await world.sent(), "40020007");
  });

  it("streams a payload that is larger than every buffer, and leaves the rest in the transport", async () => {
    const world = await new World({
      inputBuffer: 64,
      onReadable(count) {
        // Takes 10 bytes at a time, later.
        world.payloads.push(String(count));
      },
    }).connected();
    const { client, wire } = world;
    await wire.receive(fromHex("30a38d06000161"), new Uint8Array(50_000));
    strictEqual(world.messages[0]?.byteLength, 100_000);
    ok(wire.transport!.unread >= 50_000 - 64, "more than the window was read");
    let read = 0;
    while (read < 50_000) {
      const part = client.read(10);
      if (part) read += part.byteLength;
      else await wire.turn();
    }
    strictEqual(client.read(), undefined);
    await wire.receive(new Uint8Array(50_000), fromHex(PUBLISH_AB));
    while (read < 100_000) {
      const buffer = new Uint8Array(3000);
      const count = client.read(buffer);
      if (count) read += count;
      else await wire.turn();
    }
    await wire.turn();
    deepEqual(world.messages.at(-1)?.topic, "a");
    strictEqual(world.messages.at(-1)?.byteLength, 2);
    strictEqual(world.messages.filter(({ more }) => !more).length, 2);
  });

  it("waits for the application to read before it takes or acknowledges anything more", async () => {
    const world = await new World({ onReadable: () => undefined }).connected();
    await world.wire.receive(fromHex("320700016100016869"), fromHex(PUBLISH_AB));
    deepEqual(world.events, ["readable 2"]);
    strictEqual(await world.sent(), "");
    deepEqual(world.client.read(1), Uint8Array.of(0x68).buffer);
    await world.wire.turn();
    deepEqual(world.events, ["readable 2"]);
    deepEqual(world.client.read(5), Uint8Array.of(0x69).buffer);
    deepEqual(world.events, ["readable 2"]);
    strictEqual(await world.sent(), "40020001");
    deepEqual(world.events.slice(0, 2), ["readable 2", "readable 2"]);
  });

  it("passes over payloads when there is no onReadable, and still acknowledges", async () => {
    const wire = new Wire();
    new MQTTClient({
      address: "192.0.2.1",
      socket: { io: transportClass(wire) },
      timer: wire.timer,
      ticks: wire.ticks,
      inputBuffer: 64,
    });
    await wire.turn();
    await wire.receive(accepted[4]);
    wire.take();
    await wire.receive(fromHex("32ed030001610005"), new Uint8Array(488));
    strictEqual(toHex(wire.take()), "40020005");
  });

  it("answers PUBLISH, PUBREC and PUBREL by itself", async () => {
    const world = await new World().connected();
    await world.wire.receive(fromHex("32050001610001" + "34050001610002"));
    strictEqual(await world.sent(), "40020001" + "50020002");
    await world.wire.receive(fromHex("62020002" + "50020009" + "70020009" + "40020008"));
    strictEqual(await world.sent(), "70020002" + "62020009");
    deepEqual(
      world.events.filter((event) => event.startsWith("control")),
      ["control 6", "control 5", "control 7", "control 4"],
    );
  });

  it("does not release a message that the server refused", async () => {
    const world = await new World({ version: 5 }).connected();
    await world.wire.receive(fromHex("5003000197"));
    strictEqual(await world.sent(), "");
    deepEqual(world.controls.at(-1), { operation: 5, id: 1, reasonCode: 0x97, properties: undefined });
  });

  it("answers nothing by itself with manual acknowledgement", async () => {
    const world = await new World({ acknowledge: "manual" }).connected();
    await world.wire.receive(fromHex("32050001610001" + "34050001610002" + "62020002" + "50020009"));
    strictEqual(await world.sent(), "");
  });

  it("ends the connection when the server exceeds the receive maximum", async () => {
    const world = await new World({ version: 5, acknowledge: "manual", properties: { receiveMaximum: 2 } }).connected();
    const publish = (id: number): Uint8Array => fromHex(`320600016100${toHex(Uint8Array.of(id))}00`);
    await world.wire.receive(publish(1), publish(2));
    world.client.write(null, { operation: MQTTClient.PUBACK, id: 1 });
    await world.wire.receive(publish(3));
    world.events.length = 0;
    await world.sent();
    await world.wire.receive(publish(4));
    deepEqual(world.events, ["error MQTT_PROTOCOL_ERROR"]);
    strictEqual(await world.sent(), "e00193");
  });

  it("takes no more packets than it can acknowledge while the transport takes nothing", async () => {
    const world = await new World({ outputBuffer: 64, transport: { writable: 40 } }).connected();
    const { wire } = world;
    wire.stalled = true;
    const publish = fromHex("32050001610001");
    for (let i = 0; i < 100; i++) wire.transport!.arrive(publish);
    await wire.turn();
    ok(world.messages.length < 40, `${world.messages.length} messages were taken`);
    wire.stalled = false;
    await wire.turn();
    strictEqual(world.messages.length, 100);
    strictEqual(await world.sent(), "40020001".repeat(100));
  });

  it("acknowledges after a payload that is being sent", async () => {
    const world = await new World().connected();
    world.client.write(toUTF8("h"), { topic: "a", byteLength: 2 });
    await world.wire.receive(fromHex("32050001610001"));
    strictEqual(await world.sent(), "300500016168");
    world.client.write(toUTF8("i"));
    strictEqual(await world.sent(), "69" + "40020001");
  });

  it("tells the server of 5.0 why it ends the connection", async () => {
    for (const [hex, reason] of [
      ["36020000", "81"],
      ["30020000", "81"],
      ["30050003612f23", "81"],
      ["d00100", "81"],
      ["900400010009", "82"],
    ] as const) {
      const world = await new World({ version: 5 }).connected();
      await world.wire.receive(fromHex(hex));
      strictEqual(await world.sent(), `e001${reason}`, hex);
      strictEqual(world.events.length, 1);
    }
  });

  it("reports what the server says with DISCONNECT", async () => {
    const world = await new World({ version: 5 }).connected();
    await world.wire.receive(fromHex("e0018e"));
    deepEqual(world.events, ["control 14", "error MQTT_TAKEN_OVER"]);
    strictEqual(world.error?.reasonCode, 0x8e);
    strictEqual(await world.sent(), "");
    ok(world.wire.transport!.closed);
    const normal = await new World({ version: 5 }).connected();
    await normal.wire.receive(fromHex("e000"));
    deepEqual(normal.events, ["control 14", "close"]);
    ok(normal.wire.transport!.closed);
  });
});

describe("MQTTClient: ending", () => {
  it("closes the transport however the connection ends: it holds resources of the host", async () => {
    for (const error of [undefined, new SealwireError("CONNECTION_LOST", "The cable was cut.")]) {
      const world = await new World({ version: 5 }).connected();
      await world.wire.end(error);
      deepEqual(world.events, [error ? "error CONNECTION_LOST" : "close"]);
      ok(world.wire.transport!.closed);
      strictEqual(world.wire.timers, 0);
    }
  });

  it("sends DISCONNECT, then closes", async () => {
    const world = await new World().connected();
    world.client.write(null, { operation: MQTTClient.DISCONNECT });
    throws(() => world.client.write(null, { topic: "a" }), "INVALID_STATE");
    strictEqual(await world.sent(), "e000");
    deepEqual(world.events, ["close"]);
    ok(world.wire.transport!.closed);
    strictEqual(world.wire.timers, 0);
  });

  it("closes after DISCONNECT even when the transport takes nothing", async () => {
    const world = await new World({ transport: { stalled: true } }).connected();
    world.client.write(null, { operation: MQTTClient.DISCONNECT });
    await world.wire.advance(1999);
    deepEqual(world.events, []);
    await world.wire.advance(1);
    deepEqual(world.events, ["close"]);
  });

  it("ends when the server closes, though packets came that nobody wants any more", async () => {
    const world = await new World({
      transport: { stalled: true },
      onReadable() {
        this.read();
        this.write(null, { operation: MQTTClient.DISCONNECT });
      },
    }).connected();
    await world.wire.receive(fromHex(PUBLISH_AB), fromHex(PUBLISH_AB), new Uint8Array(3000));
    await world.wire.end();
    strictEqual(await world.sent(), "e000");
    deepEqual(world.events, ["readable 2", "close"]);
  });

  it("reports a server that closes between packets as closed, and within one as lost", async () => {
    const between = await new World().connected();
    await between.wire.end();
    deepEqual(between.events, ["close"]);
    const within = await new World().connected();
    await within.wire.receive([0x30]);
    await within.wire.end();
    await within.wire.turn();
    deepEqual(within.events, ["error CONNECTION_LOST"]);
  });

  it("passes on the error of the transport", async () => {
    const world = await new World().connected();
    await world.wire.end(new SealwireError("NETWORK_DOWN", "The cable is out."));
    deepEqual(world.events, ["error NETWORK_DOWN"]);
  });

  it("sends what was written before close(), and calls nothing back after it", async () => {
    const world = await new World().connected();
    const { transport } = world.wire;
    world.client.write(toUTF8("hi"), { topic: "a" });
    world.client.close();
    world.client.close();
    strictEqual(toHex(world.wire.take()), PUBLISH_AB);
    transport!.options.onReadable?.(5);
    transport!.options.onWritable?.(5);
    transport!.options.onError?.();
    await world.wire.advance(100_000);
    deepEqual(world.events, []);
    strictEqual(world.client.read(), undefined);
    throws(() => world.client.write(null, { topic: "a" }), "INVALID_STATE");
  });

  const callbacks = ["onReadable", "onWritable", "onControl", "onClose", "onError"] as const;
  for (const name of callbacks)
    it(`may be closed in ${name}`, async () => {
      let closed = 0;
      const close = function (this: MQTTClient): void {
        closed++;
        this.close();
      };
      const world = new World({ version: 5, [name]: close });
      await world.wire.turn();
      await world.wire.receive(accepted[5], fromHex("32080001610001006869"), fromHex("d000"));
      await world.wire.receive(name === "onError" ? [0x00, 0x00] : [0xe0, 0x00]);
      strictEqual(closed, 1);
      const events = [...world.events];
      await world.wire.receive(fromHex(PUBLISH_AB));
      await world.wire.advance(100_000);
      deepEqual(world.events, events);
      strictEqual(world.wire.timers, 0);
    });

  for (const name of callbacks.slice(0, 3))
    it(`ends the connection when ${name} throws, and nothing escapes`, async () => {
      const world = new World({
        version: 5,
        [name]: () => {
          throw new TypeError("A fault of the application.");
        },
      });
      await world.wire.turn();
      await world.wire.receive(accepted[5], fromHex("3006000161006869"));
      strictEqual(world.events.at(-1), "error INVALID_STATE");
      ok(world.error?.cause instanceof TypeError);
      ok((await world.sent()).endsWith("e00180"));
      strictEqual(world.wire.timers, 0);
    });

  for (const name of ["onClose", "onError"] as const)
    it(`lets nothing escape that ${name} throws`, async () => {
      const world = await new World({
        [name]: () => {
          throw new TypeError("A fault of the application.");
        },
      }).connected();
      await world.wire.end(name === "onError" ? new SealwireError("CONNECTION_LOST", "Gone.") : undefined);
      strictEqual(world.events.length, 1);
    });
});

describe("MQTTClient: keeping alive", () => {
  it("sends PINGREQ when nothing was sent for the interval, and not before", async () => {
    const world = await new World({ keepAlive: 60_000 }).connected();
    await world.wire.advance(58_000);
    strictEqual(await world.sent(), "");
    await world.wire.advance(2000);
    strictEqual(await world.sent(), "c000");
    await world.wire.receive([0xd0, 0x00]);
    await world.wire.advance(57_000);
    strictEqual(await world.sent(), "");
    await world.wire.advance(2000);
    strictEqual(await world.sent(), "c000");
  });

  it("sends no PINGREQ while other packets are sent", async () => {
    const world = await new World({ keepAlive: 60_000 }).connected();
    for (let i = 0; i < 20; i++) {
      await world.wire.advance(30_000);
      world.client.write(toUTF8("hi"), { topic: "a" });
      strictEqual(await world.sent(), PUBLISH_AB);
    }
    strictEqual(world.wire.timers, 1);
  });

  it("reports an answer that does not come in time", async () => {
    const world = await new World({ keepAlive: 60_000, pingTimeout: 5000 }).connected();
    await world.wire.advance(60_000);
    await world.wire.advance(3000);
    deepEqual(
      world.events.filter((event) => event.startsWith("error")),
      [],
    );
    await world.wire.advance(2000);
    strictEqual(world.events.at(-1), "error MQTT_KEEP_ALIVE_TIMEOUT");
    strictEqual(world.wire.timers, 0);
  });

  it("counts any packet as an answer", async () => {
    const world = await new World({ keepAlive: 60_000, pingTimeout: 5000 }).connected();
    await world.wire.advance(60_000);
    await world.wire.receive(fromHex(PUBLISH_AB));
    await world.wire.advance(30_000);
    strictEqual(world.error, undefined);
  });

  it("does not miss an answer that waits behind a payload the application did not read", async () => {
    const world = await new World({ keepAlive: 60_000, pingTimeout: 5000, onReadable: () => undefined }).connected();
    await world.wire.receive(fromHex(PUBLISH_AB));
    await world.wire.advance(300_000);
    strictEqual(world.error, undefined);
  });

  it("goes by the server's keep alive", async () => {
    const world = await new World({ version: 5, keepAlive: 60_000 }).connected([0x20, 0x06, 0, 0, 3, 0x13, 0x00, 0x0a]);
    await world.wire.advance(10_000);
    strictEqual(await world.sent(), "c000");
    const never = await new World({ version: 5, keepAlive: 60_000 }).connected([0x20, 0x06, 0, 0, 3, 0x13, 0x00, 0x00]);
    await never.wire.advance(1_000_000);
    strictEqual(await never.sent(), "");
    strictEqual(never.wire.timers, 0);
  });
});

describe("MQTTClient: pipelining", () => {
  it("sends CONNECT and the first packets in one write", async () => {
    const world = new World({
      pipeline: { maximumQoS: 0 },
      onWritable() {
        if (world.wire.writes === 0) this.write(toUTF8("hi"), { topic: "a" });
      },
    });
    await world.wire.turn();
    strictEqual(world.wire.writes, 1);
    ok((await world.sent()).endsWith(PUBLISH_AB));
    throws(() => world.client.write(null, { topic: "a", QoS: 1 }), "UNSUPPORTED");
    await world.wire.receive(accepted[4]);
    world.client.write(null, { topic: "a", QoS: 1 });
    strictEqual(await world.sent(), "32050001610001");
  });
});

describe("MQTTClient: enhanced authentication", () => {
  const method = "15000153"; // authentication method "S"
  const step = (first: string, reason: string, data: string): Uint8Array => {
    const properties = `${method}1600${toHex(Uint8Array.of(data.length / 2))}${data}`;
    const body = `${first === "20" ? "00" : ""}${reason}${toHex(Uint8Array.of(properties.length / 2))}${properties}`;
    return fromHex(`${first}${toHex(Uint8Array.of(body.length / 2))}${body}`);
  };

  function authenticating(onAuth: MQTTClientOptions<MQTTClient>["onAuth"]): World {
    return new World({
      version: 5,
      properties: { authenticationMethod: "S", authenticationData: Uint8Array.of(1) },
      onAuth,
    });
  }

  it("answers the server's steps and sees its last word", async () => {
    const steps: string[] = [];
    const world = authenticating(({ data, reasonCode }) => {
      steps.push(`${reasonCode} ${data ? toHex(data) : ""}`);
      return Uint8Array.of(0xbb);
    });
    await world.wire.turn();
    world.wire.take();
    await world.wire.receive(step("f0", "18", "aa"));
    strictEqual(await world.sent(), "f00a1808" + method + "160001bb");
    await world.wire.receive(step("20", "00", "cc"));
    deepEqual(steps, ["24 aa", "0 cc"]);
    strictEqual(await world.sent(), "");
    world.client.write(null, {
      operation: MQTTClient.AUTH,
      reasonCode: 0x19,
      properties: { authenticationMethod: "S" },
    });
    strictEqual(await world.sent(), "f0061904" + method);
  });

  it("ends the connection when the hook throws", async () => {
    const world = authenticating(() => {
      throw new SealwireError("CRYPTO_AUTHENTICATION_FAILED", "The server does not know the password.");
    });
    await world.wire.turn();
    await world.wire.receive(step("20", "00", "cc"));
    deepEqual(world.events, ["error CRYPTO_AUTHENTICATION_FAILED"]);
  });

  it("refuses another method, and AUTH where none was agreed on", async () => {
    const other = authenticating(() => undefined);
    await other.wire.turn();
    await other.wire.receive(fromHex("f0061804" + "15000154"));
    deepEqual(other.events, ["error MQTT_PROTOCOL_ERROR"]);
    const none = await new World({ version: 5 }).connected();
    await none.wire.receive(step("f0", "18", "aa"));
    deepEqual(none.events, ["error MQTT_PROTOCOL_ERROR"]);
  });
});
