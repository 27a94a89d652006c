/** A real device on the hardened Mosquitto, both with the same permissions file. */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { Permissions } from "../../src/permissions/index.js";
import { fromPEM } from "../../tools/pki/index.js";
import type { ManagedMosquitto } from "../../tools/broker/index.js";
import { eventually } from "../integration/support/eventually.js";
import { SimulatedDevice, type SimulatedDeviceOptions } from "../integration/support/simulated-device.js";
import { BrokerWorld, type Identity } from "./support/broker-world.js";
import { requireMosquitto } from "./support/mosquitto.js";
import { temporaryFolder } from "./support/temporary-folder.js";

describe("A device on a hardened Mosquitto", function () {
  this.timeout(120_000);
  const folder = temporaryFolder();
  let world: BrokerWorld;
  let broker: ManagedMosquitto;
  let identity: Identity;
  let devices = 0;
  const running: SimulatedDevice[] = [];

  before(async function () {
    requireMosquitto(this);
    world = await BrokerWorld.create(folder.join("world"));
    identity = await world.device("dev-1");
    world.permissions([
      { topic: "%c/out", operation: "publish", qos: [0, 1] },
      { topic: "%c/in/#", operation: "subscribe" },
    ]);
    broker = await world.broker({ permissions: world.file("permissions.json") }, { clientIdentifierPrefix: "dev-" });
  });
  afterEach(async () => {
    for (const { device } of running.splice(0)) await device.stop().catch(() => undefined);
  });
  after(() => BrokerWorld.closeAll());

  function start(more: Partial<SimulatedDeviceOptions["device"] & object> = {}): SimulatedDevice {
    const [, issuing] = fromPEM("CERTIFICATE", identity.certificate);
    const device = new SimulatedDevice({
      folder: folder.join(`device-${devices++}`),
      port: broker.port(),
      root: fromPEM("CERTIFICATE", fs.readFileSync(world.file("ca.pem"), "utf8"))[0]!,
      issued: {
        certificateChain: [fromPEM("CERTIFICATE", identity.certificate)[0]!, issuing!],
        privateKey: fromPEM("PRIVATE KEY", identity.key)[0]!,
      },
      device: {
        clientIdentifier: "dev-1",
        permissions: Permissions.parse(fs.readFileSync(world.file("permissions.json"))),
        ...more,
      },
    });
    running.push(device);
    return device;
  }

  it("does what the file allows, and refuses the rest before the broker hears of it", async () => {
    const { device, disconnects } = start();
    const got: string[] = [];
    void device.subscribe("%c/in/#", ({ topic }) => void got.push(topic), { qos: 1 });
    await device.start();
    await device.publish("%c/out", "x", { qos: 1 });
    for (const refused of [
      device.publish("%c/out", "x", { qos: 2 }),
      device.publish("dev-2/out", "x"),
      device.subscribe("#", () => undefined),
    ])
      await assert.rejects(refused, { code: "PERMISSION_DENIED" });
    await device.publish("%c/out", "y", { qos: 1 });
    assert.deepEqual(disconnects, []);
  });

  it("resumes its TLS session, and is kept out with it once it is revoked", async () => {
    const simulated = start();
    await simulated.device.start();
    await simulated.device.publish("%c/out", "x", { qos: 1 });
    const again = await simulated.sleepAndWake();
    await again.start();
    assert.equal(simulated.connects.at(-1)?.resumed, true);
    const other = identity;
    await world.revoke(identity);
    await broker.follow();
    await again.sleep(1_000);
    const last = simulated.boot("sleep");
    await assert.rejects(last.start({ timeout: 3_000 }));
    assert.ok(simulated.disconnects.length > 0);
    // For the tests that follow.
    identity = await world.device("dev-1");
    assert.notEqual(identity.serialNumber, other.serialNumber);
  });

  it("suspects that somebody has its key, when it is thrown out again and again", async () => {
    const simulated = start({ reconnectSpread: [50] });
    await simulated.device.start();
    for (let n = 1; n <= 3; n++) {
      await simulated.connected(n);
      const thief = await world.connect(broker.port(), identity, { clientIdentifier: "dev-1" });
      assert.equal(thief.code, 0);
      await eventually(() => simulated.disconnects.length >= n, "the device to be thrown out");
    }
    assert.deepEqual(
      simulated.disconnects.map(({ suspected }) => suspected),
      [false, false, true],
    );
    assert.equal(simulated.disconnects[2]?.cause?.code, "MQTT_TAKEN_OVER");
  });
});
