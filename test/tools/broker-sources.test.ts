/** A broker that follows its sources, when several change one after the other, as people and programs write them. */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { BrokerWorld, type Identity } from "./support/broker-world.js";
import { requireMosquitto } from "./support/mosquitto.js";
import { runCommand, startCommand, killCommands } from "./support/run-command.js";
import { temporaryFolder } from "./support/temporary-folder.js";
import { freePort } from "../../tools/brokers/index.js";

const passphrase = "four horses ate my battery";

describe("A broker whose sources change one after the other", function () {
  this.timeout(60_000);
  const folder = temporaryFolder();
  let world: BrokerWorld;
  let device: Identity;

  before(function () {
    requireMosquitto(this);
  });
  beforeEach(async () => {
    world = await BrokerWorld.create(fs.mkdtempSync(folder.join("world-")));
    device = await world.device("dev-1");
    world.permissions([{ topic: "%c/out", operation: "publish" }]);
  });
  afterEach(async () => {
    await BrokerWorld.closeAll();
    await killCommands();
  });

  async function serialNumberSeen(port: number): Promise<string> {
    const probe = await world.connect(port, device, { clientIdentifier: "dev-1" });
    assert.equal(probe.code, 0);
    await probe.close();
    const socket = await world.secure(port, device);
    const { serialNumber } = socket.getPeerX509Certificate()!;
    socket.destroy();
    return serialNumber;
  }

  for (const order of [
    ["server.key", "server.pem"],
    ["server.pem", "server.key"],
  ] as const)
    it(`takes up a new certificate with a new key, ${order[0]} first`, async () => {
      const broker = await world.broker({ permissions: world.file("permissions.json") });
      const port = broker.port();
      const next = await world.server(["localhost", "127.0.0.1"]);
      for (const file of order) {
        world.write(file, file === "server.key" ? next.key : next.certificate);
        await broker.follow();
        // In between it goes on with the pair that it has.
        assert.equal((await serialNumberSeen(port)) === next.serialNumber, file === order[1], file);
      }
      await broker.follow();
      assert.deepEqual(
        world.changes.map(({ action }) => action),
        ["refused", "refused", "reloaded", "reloaded"],
      );
    });

  it("takes up a list of a new authority once the authority itself is there", async () => {
    const broker = await world.broker({ permissions: world.file("permissions.json") });
    const other = await BrokerWorld.create(fs.mkdtempSync(folder.join("other-")));
    const theirs = await other.device("dev-2");
    const more = fs.readFileSync(other.file("revoked.pem"), "utf8");
    world.write("revoked.pem", fs.readFileSync(world.file("revoked.pem"), "utf8") + more);
    await broker.follow();
    assert.deepEqual(
      world.changes.splice(0).map(({ source, action }) => [source, action]),
      [["revocationList", "refused"]],
    );
    await broker.follow();
    assert.deepEqual(world.changes, [], "it is told once");
    world.write(
      "ca.pem",
      fs.readFileSync(world.file("ca.pem"), "utf8") + fs.readFileSync(other.file("ca.pem"), "utf8"),
    );
    await broker.follow();
    assert.deepEqual(
      world.changes.map(({ source, action }) => [source, action]),
      [
        ["ca", "reloaded"],
        ["revocationList", "reloaded"],
      ],
    );
    const probe = await world.connect(broker.port(), theirs, { clientIdentifier: "dev-2" });
    assert.equal(probe.code, 0);
  });

  it("does not say that a revoked device was disconnected when the broker does not know of the revocation", async () => {
    const env = { SEALWIRE_PKI_PASSPHRASE: passphrase };
    const pki = folder.join("pki");
    for (const args of [["init"], ["server", "localhost"], ["device", "dev-1"]])
      assert.equal((await runCommand(["pki", ...args, "--pki", pki], env)).exitCode, 0);
    const state = folder.join("state");
    const files = [
      "--ca",
      `${pki}/ca-chain.crt`,
      "--cert",
      `${pki}/servers/localhost.crt`,
      "--key",
      `${pki}/servers/localhost.key`,
    ];
    const args = [
      "--permissions",
      world.file("permissions.json"),
      "--port",
      String(await freePort()),
      "--state",
      state,
    ];
    const running = startCommand(["broker", "run", ...files, ...args]);
    while (!running.output().stdout.includes("Ctrl-C")) await new Promise((resolve) => setTimeout(resolve, 50));
    const { exitCode, stderr, stdout } = await runCommand(
      ["pki", "revoke", "dev-1", "--disconnect", "--broker-state", state, "--pki", pki],
      env,
    );
    assert.equal(exitCode, 1);
    assert.match(
      stderr,
      /^sealwire: The broker whose state is in .* reads no revocation list: nobody was disconnected\.$/m,
    );
    assert.ok(!stdout.includes("Disconnected"));
    assert.equal(fs.existsSync(`${state}/disconnect`), false);
  });
});
