/** What the hardened Mosquitto lets its clients do: each refusal stands beside what is allowed. */
import assert from "node:assert/strict";
import { Permissions } from "../../src/permissions/index.js";
import { exportDynamicSecurity } from "../../tools/permissions/index.js";
import type { ManagedMosquitto, MQTTProbe } from "../../tools/broker/index.js";
import { BrokerWorld, type Identity } from "./support/broker-world.js";
import { requireMosquitto } from "./support/mosquitto.js";
import { temporaryFolder } from "./support/temporary-folder.js";

const folder = temporaryFolder();
let worlds = 0;
const createWorld = (): Promise<BrokerWorld> => BrokerWorld.create(folder.join(`world-${worlds++}`));

/** Which of these topics somebody who may see everything sees, when `from` publishes to each. */
async function arrivals(from: MQTTProbe, observer: MQTTProbe, topics: readonly string[]): Promise<string[]> {
  observer.messages.length = 0;
  for (const topic of topics) await from.publish(topic, "x", 1);
  await from.publish("end", "end", 1);
  await observer.message(({ topic }) => topic === "end");
  return observer.messages.map(({ topic }) => topic).filter((topic) => topic !== "end");
}

describe("A hardened Mosquitto and its ACL", function () {
  this.timeout(60_000);
  let world: BrokerWorld;
  let broker: ManagedMosquitto;
  let device: Identity;
  let observer: MQTTProbe;

  beforeEach(async function () {
    requireMosquitto(this);
    world = await createWorld();
    device = await world.device("dev-1");
  });
  afterEach(() => BrokerWorld.closeAll());

  /** A broker with an ACL of its own, and an observer who may see everything. */
  async function withACL(lines: readonly string[]): Promise<void> {
    const acl = world.write(
      "acl",
      ["user observer", "topic read #", "user dev-1", "topic write end", ...lines, ""].join("\n"),
    );
    broker = await world.broker({ acl });
    observer = await world.connect(broker.port(), await world.device("observer"), { clientIdentifier: "observer" });
    await observer.subscribe(["#"], 1);
  }
  const connect = (identity = device, clientIdentifier = "dev-1"): Promise<MQTTProbe> =>
    world.connect(broker.port(), identity, { clientIdentifier });

  it("`user` and `topic`: what was exported for one user is for no other", async () => {
    const { exportMosquittoACL } = await import("../../tools/permissions/index.js");
    const made = exportMosquittoACL(new Permissions([{ topic: "plant/+/alarm", operation: "publish" }]), {
      users: ["dev-1"],
    });
    await withACL(made.content.split("\n"));
    const topics = ["plant/1/alarm", "plant/1/2/alarm", "plant/1", "other"];
    assert.deepEqual(await arrivals(await connect(), observer, topics), ["plant/1/alarm"]);
    const other = await connect(await world.device("dev-2"), "dev-2");
    for (const topic of topics) await other.publish(topic, "x", 1);
    assert.deepEqual(await arrivals(await connect(), observer, []), []);
  });

  for (const placeholder of ["%c", "%u"])
    it(`pattern ${placeholder}: a device has its own topics, and nobody else's`, async () => {
      world.permissions([
        { topic: `devices/${placeholder}/out`, operation: "publish" },
        { topic: `devices/${placeholder}/in`, operation: "subscribe" },
      ]);
      broker = await world.broker({ permissions: world.file("permissions.json") });
      world.write("extra", "");
      const one = await connect();
      const two = await connect(await world.device("dev-2"), "dev-2");
      // The broker grants every subscription, and delivers only what the ACL allows.
      assert.deepEqual(
        await two.subscribe(["#", "devices/dev-1/out", "devices/dev-1/in", "devices/dev-2/in"], 1),
        [1, 1, 1, 1],
      );
      await one.publish("devices/dev-1/out", "x", 1);
      await one.publish("devices/dev-2/in", "x", 1);
      await one.publish("devices/dev-1/in", "x", 1);
      await two.ping();
      assert.deepEqual(two.messages, []);
    });

  it("max_qos: a subscription gets no more, and a device that publishes with more is cut off", async () => {
    world.permissions([{ topic: "%c/#", operation: "both" }]);
    broker = await world.broker({ permissions: world.file("permissions.json") }, { limits: { maximumQoS: 1 } });
    const one = await connect();
    assert.deepEqual(await one.subscribe(["dev-1/x"], 2), [1]);
    assert.equal(await one.publish("dev-1/x", "1", 1), 0);
    await one.message(({ payload }) => payload.toString() === "1");
    await assert.rejects(one.publish("dev-1/x", "2", 2), { code: "CONNECTION_LOST" });
    const five = await world.connect(broker.port(), device, { clientIdentifier: "dev-1", version: 5 });
    assert.equal(five.connack.properties?.maximumQoS, 1);
  });

  it("changes at run time, while the device stays connected", async () => {
    const file = world.permissions([{ topic: "%c/a", operation: "both" }]);
    broker = await world.broker({ permissions: file });
    const one = await connect();
    await one.subscribe(["dev-1/a", "dev-1/b"], 1);
    const seen = async (): Promise<string[]> => {
      one.messages.length = 0;
      for (const topic of ["dev-1/a", "dev-1/b"]) await one.publish(topic, "x", 1);
      await one.ping();
      return one.messages.map(({ topic }) => topic);
    };
    assert.deepEqual(await seen(), ["dev-1/a"]);
    world.permissions([{ topic: "%c/b", operation: "both" }]);
    await broker.follow();
    assert.deepEqual(world.changes, [{ source: "permissions", action: "reloaded" }]);
    assert.deepEqual(await seen(), ["dev-1/b"]);
    // What is wrong is refused, and the broker goes on with what it has.
    world.permissions([{ topic: "%c/#/x", operation: "both" }]);
    await broker.follow();
    assert.equal(world.changes.at(-1)?.action, "refused");
    assert.match(world.changes.at(-1)?.reason ?? "", /Permission 1 /);
    assert.deepEqual(await seen(), ["dev-1/b"]);
  });

  it("passwords change at run time: who has the old one is out, the others stay", async () => {
    world.permissions([{ topic: "%u/#", operation: "both" }]);
    world.password("alice", "first password");
    const passwordFile = world.password("bob", "bob's password");
    broker = await world.broker(
      { permissions: world.file("permissions.json"), passwordFile },
      { authentication: ["password"] },
    );
    const login = (userName: string, password: string): Promise<MQTTProbe> =>
      world.connect(broker.port(), undefined, { clientIdentifier: userName, userName, password });
    const alice = await login("alice", "first password");
    const bob = await login("bob", "bob's password");
    world.password("alice", "second password");
    await broker.follow();
    assert.equal((await login("alice", "second password")).code, 0);
    assert.equal((await login("alice", "first password")).code, 5);
    await alice.closed;
    await bob.ping();
    world.write("users", "carol:plain text\n");
    await broker.follow();
    assert.equal(world.changes.at(-1)?.action, "refused");
    await bob.ping();
  });

  it("connection limit: one more is turned away, and has its place when another left", async () => {
    world.permissions([{ topic: "%c/#", operation: "both" }]);
    broker = await world.broker({ permissions: world.file("permissions.json") }, { limits: { maximumConnections: 2 } });
    const identities = await Promise.all(["dev-1", "dev-2", "dev-3"].map((name) => world.device(name)));
    const one = await connect(identities[0], "dev-1");
    await connect(identities[1], "dev-2");
    await assert.rejects(connect(identities[2], "dev-3"));
    await one.close();
    assert.equal((await connect(identities[2], "dev-3")).code, 0);
  });

  it("packet limit: a larger message ends the connection", async () => {
    world.permissions([{ topic: "%c/#", operation: "both" }]);
    broker = await world.broker(
      { permissions: world.file("permissions.json") },
      { limits: { maximumPacketSize: 2_000 } },
    );
    const one = await connect();
    assert.equal(await one.publish("dev-1/x", Buffer.alloc(1_900), 1), 0);
    await assert.rejects(one.publish("dev-1/x", Buffer.alloc(2_100), 1), { code: "CONNECTION_LOST" });
  });

  it("takeover: the first of two with one identity is cut off; Mosquitto 2.0.11 gives no reason, not even by MQTT 5.0", async () => {
    world.permissions([{ topic: "%c/#", operation: "both" }]);
    broker = await world.broker({ permissions: world.file("permissions.json") });
    const first = await world.connect(broker.port(), device, { clientIdentifier: "dev-1", version: 5 });
    const second = await connect();
    await first.closed;
    const third = await connect();
    await second.closed;
    assert.deepEqual([first.disconnectReason, second.disconnectReason], [undefined, undefined]);
    await third.ping();
    assert.equal(
      world.log.filter((line) => line === "Client dev-1 already connected, closing old connection.").length,
      2,
    );
  });

  it("a device of another name cannot take over", async () => {
    world.permissions([{ topic: "%c/#", operation: "both" }]);
    broker = await world.broker({ permissions: world.file("permissions.json") });
    const first = await connect();
    const thief = await connect(await world.device("dev-2"), "dev-1");
    assert.equal(thief.code, 0);
    await first.ping();
    await thief.ping();
  });
});

describe("A hardened Mosquitto with dynamic security", function () {
  this.timeout(60_000);
  let world: BrokerWorld;
  let broker: ManagedMosquitto;
  const rules = new Permissions([
    { topic: "%c/out", operation: "publish" },
    { topic: "%c/in/#", operation: "subscribe" },
    { topic: "news/+", operation: "subscribe" },
  ]);

  beforeEach(async function () {
    requireMosquitto(this);
    world = await createWorld();
    const { content } = exportDynamicSecurity(rules, {
      devices: [{ clientIdentifier: "dev-1" }, { clientIdentifier: "dev-2" }],
      admin: { userName: "admin", password: "a long enough password" },
    });
    world.write("dynamic.json", content);
    world.write("users", "");
    broker = await world.broker(
      { dynamicSecurity: world.file("dynamic.json") },
      { authentication: ["certificate", "password"] },
    );
  });
  afterEach(() => BrokerWorld.closeAll());

  const connect = async (name: string): Promise<MQTTProbe> =>
    world.connect(broker.port("certificate"), await world.device(name), { clientIdentifier: name });
  const administrator = (): Promise<MQTTProbe> =>
    world.connect(broker.port("password"), undefined, {
      clientIdentifier: "admin",
      userName: "admin",
      password: "a long enough password",
    });

  async function control(admin: MQTTProbe, command: object): Promise<void> {
    await admin.subscribe(["$CONTROL/dynamic-security/v1/response"], 1);
    admin.messages.length = 0;
    await admin.publish("$CONTROL/dynamic-security/v1", JSON.stringify({ commands: [command] }), 1);
    const { payload } = await admin.message(({ topic }) => topic === "$CONTROL/dynamic-security/v1/response");
    const [response] = (JSON.parse(payload.toString()) as { responses: { error?: string }[] }).responses;
    assert.equal(response?.error, undefined);
  }

  it("refuses in the SUBACK what no entry covers, also as a shared subscription", async () => {
    const one = await connect("dev-1");
    assert.deepEqual(
      await one.subscribe(
        [
          "dev-1/in/#",
          "dev-1/in/a",
          "$share/g/dev-1/in/#",
          "news/+",
          "news/a",
          "dev-2/in/#",
          "$share/g/dev-2/in/#",
          "#",
          "dev-1/#",
          "dev-1/out",
          "news/#",
        ],
        1,
      ),
      [1, 1, 1, 1, 1, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80],
    );
  });

  it("delivers what an entry covers, and drops what a device may not publish", async () => {
    const admin = await administrator();
    await control(admin, {
      command: "createRole",
      rolename: "reader",
      acls: [
        { acltype: "subscribePattern", topic: "#", allow: true },
        { acltype: "publishClientReceive", topic: "#", allow: true },
      ],
    });
    await control(admin, { command: "addClientRole", username: "dev-2", rolename: "reader" });
    const one = await connect("dev-1");
    const two = await connect("dev-2");
    await two.subscribe(["#"], 1);
    await one.publish("dev-2/out", "forged", 1);
    await one.publish("dev-1/out", "own", 1);
    await two.message(({ topic }) => topic === "dev-1/out");
    assert.deepEqual(
      two.messages.map(({ topic }) => topic),
      ["dev-1/out"],
    );
  });

  it("gives a client that it does not know nothing, certificate or not", async () => {
    const stranger = await connect("dev-3");
    assert.equal(stranger.code, 0);
    assert.deepEqual(await stranger.subscribe(["news/a", "dev-3/in/x", "#"], 0), [0x80, 0x80, 0x80]);
  });

  it("keeps the control topics to the administrator, whose password is hashed", async () => {
    const one = await connect("dev-1");
    assert.deepEqual(await one.subscribe(["$CONTROL/#", "$CONTROL/dynamic-security/v1/response"], 0), [0x80, 0x80]);
    const wrong = await world.connect(broker.port("password"), undefined, {
      clientIdentifier: "admin",
      userName: "admin",
      password: "a long enough passwort",
    });
    assert.equal(wrong.code, 5);
    assert.ok(
      !exportDynamicSecurity(rules, {
        devices: [{ clientIdentifier: "x" }],
        admin: { userName: "admin", password: "s3cret-s3cret" },
      }).content.includes("s3cret"),
    );
  });

  it("ends a live connection; a certificate still opens the door, to nothing once the client is deleted", async () => {
    const one = await connect("dev-1");
    const two = await connect("dev-2");
    const admin = await administrator();
    await control(admin, { command: "disableClient", username: "dev-1" });
    await one.closed;
    // Mosquitto checks the certificate alone: only the revocation list keeps a device out.
    const back = await connect("dev-1");
    assert.equal(back.code, 0);
    await control(admin, { command: "deleteClient", username: "dev-1" });
    await back.closed;
    const again = await connect("dev-1");
    assert.deepEqual(await again.subscribe(["dev-1/in/#"], 0), [0x80]);
    await two.ping();
  });

  it("rules change at run time, and are there after a restart; whom it concerns is asked to come back", async () => {
    const one = await connect("dev-1");
    assert.deepEqual(await one.subscribe(["extra"], 0), [0x80]);
    const added = {
      command: "addRoleACL",
      rolename: "sealwire",
      acltype: "subscribePattern",
      topic: "extra",
      allow: true,
    };
    await control(await administrator(), added);
    await one.closed;
    assert.deepEqual(await (await connect("dev-1")).subscribe(["extra"], 0), [0]);
    await broker.restart();
    assert.deepEqual(await (await connect("dev-1")).subscribe(["extra"], 0), [0]);
  });
});
