/** A gateway: devices on one Mosquitto, carried to another by the bridge that our tool configures. And an order to end a connection. */
import assert from "node:assert/strict";
import { once } from "node:events";
import * as fs from "node:fs";
import * as net from "node:net";
import { Permissions } from "../../src/permissions/index.js";
import { disconnectClient } from "../../tools/broker/disconnect.js";
import { bridgeLines } from "../../tools/broker/index.js";
import { exportDynamicSecurity } from "../../tools/permissions/index.js";
import { BrokerWorld } from "./support/broker-world.js";
import { requireMosquitto } from "./support/mosquitto.js";
import { killCommands, runCommand } from "./support/run-command.js";
import { temporaryFolder } from "./support/temporary-folder.js";

const rules = new Permissions([
  { topic: "devices/%c/out", operation: "publish" },
  { topic: "devices/%c/in", operation: "subscribe", qos: [1] },
  { topic: "$SYS/broker/uptime", operation: "subscribe" },
  { topic: "with blank", operation: "publish" },
]);

describe("A bridge to another broker", function () {
  this.timeout(120_000);
  const folder = temporaryFolder();

  before(function () {
    requireMosquitto(this);
  });
  after(() => BrokerWorld.closeAll());

  it("carries what devices publish and subscribe to, and nothing else; both sides over mutual TLS", async () => {
    const cloud = await BrokerWorld.create(folder.join("cloud"));
    cloud.permissions([{ topic: "devices/#", operation: "both" }]);
    const remote = await cloud.broker({ permissions: cloud.file("permissions.json") });
    const gateway = await cloud.device("gateway-1");
    const plant = await BrokerWorld.create(folder.join("plant"));
    plant.write("gateway.pem", gateway.certificate);
    plant.write("gateway.key", gateway.key);
    plant.permissions(rules.entries);
    const lines = bridgeLines({
      host: "127.0.0.1",
      port: remote.port(),
      clientIdentifier: "gateway-1",
      ca: cloud.file("ca.pem"),
      certificate: plant.file("gateway.pem"),
      key: plant.file("gateway.key"),
      permissions: rules,
    });
    assert.deepEqual(
      lines.filter((line) => line.startsWith("topic ")),
      ["topic devices/+/out out 2", "topic devices/+/in in 1"],
    );
    const connected = new Promise<void>((resolve) => {
      const timer = setInterval(() => {
        if (!cloud.log.some((line) => /New (client|bridge) connected .* as gateway-1 /.test(line))) return;
        clearInterval(timer);
        resolve();
      }, 20);
    });
    const local = await plant.broker({ permissions: plant.file("permissions.json") }, { bridge: lines });
    await connected;
    const device = await plant.connect(local.port(), await plant.device("dev-1"), { clientIdentifier: "dev-1" });
    const backEnd = await cloud.connect(remote.port(), await cloud.device("back-end"), {
      clientIdentifier: "back-end",
    });
    await device.subscribe(["devices/dev-1/in"], 1);
    await backEnd.subscribe(["#"], 1);
    await device.publish("devices/dev-1/out", "up", 1);
    const { payload } = await backEnd.message(({ topic }) => topic === "devices/dev-1/out");
    assert.equal(payload.toString(), "up");
    await backEnd.publish("devices/dev-1/in", "down", 1);
    await backEnd.publish("devices/dev-1/other", "x", 1);
    assert.equal((await device.message(({ topic }) => topic === "devices/dev-1/in")).payload.toString(), "down");
    await device.ping();
    assert.deepEqual(
      [device.messages.length, backEnd.messages.map(({ topic }) => topic).sort()],
      [1, ["devices/dev-1/in", "devices/dev-1/other", "devices/dev-1/out"]],
    );
  });

  it("is refused with what cannot stand in a configuration", () => {
    const options = {
      host: "h",
      port: 8883,
      clientIdentifier: "g",
      ca: "/ca",
      certificate: "/c",
      key: "/k",
      permissions: rules,
    };
    for (const bad of [
      { host: "h\nallow_anonymous true" },
      { clientIdentifier: "a b" },
      { ca: "" },
      { port: 0 },
      { permissions: new Permissions([]) },
    ])
      assert.throws(() => bridgeLines({ ...options, ...bad }), { exitCode: 2 });
  });
});

describe("sealwire broker disconnect", function () {
  this.timeout(120_000);
  const folder = temporaryFolder();

  before(function () {
    requireMosquitto(this);
  });
  afterEach(() => killCommands());
  after(() => BrokerWorld.closeAll());

  it("ends the connection of a device, and says when it may not, or knows no such device", async () => {
    const world = await BrokerWorld.create(folder.join("world"));
    const { content } = exportDynamicSecurity(rules, {
      devices: [{ clientIdentifier: "dev-1" }],
      admin: { userName: "admin", password: "a long enough password" },
    });
    world.write("dynamic.json", content);
    const broker = await world.broker(
      { dynamicSecurity: world.file("dynamic.json") },
      { authentication: ["certificate", "password"] },
    );
    const device = await world.connect(broker.port(), await world.device("dev-1"), { clientIdentifier: "dev-1" });
    const secret = world.write("secret", "a long enough password\n");
    const wrong = world.write("wrong", "another password\n");
    const order = (user: string, file: string): ReturnType<typeof runCommand> =>
      runCommand([
        "broker",
        "disconnect",
        user,
        "--broker",
        `mqtts://localhost:${broker.port("password")}`,
        "--ca",
        world.file("ca.pem"),
        "--admin",
        "admin",
        "--password-file",
        file,
      ]);
    const refused = await order("dev-1", wrong);
    assert.equal(refused.exitCode, 1);
    assert.match(refused.stderr, /does not let this administrator in/);
    await device.ping();
    const unknown = await order("dev-7", secret);
    assert.equal(unknown.exitCode, 1);
    assert.match(unknown.stderr, /refuses for "dev-7": Client not found/);
    const done = await order("dev-1", secret);
    assert.deepEqual([done.exitCode, done.stdout], [0, "deleted dev-1\n"]);
    await device.closed;
    assert.ok(!fs.readFileSync(world.file("broker-0/dynamic-security.json"), "utf8").includes('"dev-1"'));
  });

  it("gives up on a broker that accepts connections and says nothing", async () => {
    const silent = net.createServer((socket) => void socket.on("error", () => undefined));
    await once(silent.listen(0, "127.0.0.1"), "listening");
    const { port } = silent.address() as net.AddressInfo;
    fs.writeFileSync(folder.join("ca"), "");
    try {
      await assert.rejects(
        disconnectClient("dev-1", { broker: `mqtts://127.0.0.1:${port}`, ca: folder.join("ca"), timeout: 200 }),
        { exitCode: 3, message: `Cannot use the broker at 127.0.0.1:${port}: there was no answer in time.` },
      );
    } finally {
      silent.close();
    }
  });
});
