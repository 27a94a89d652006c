/** The broker over the PKI that `sealwire pki` makes: from an empty folder to a device that is admitted, and revoked. */
import assert from "node:assert/strict";
import { once } from "node:events";
import * as fs from "node:fs";
import * as tls from "node:tls";
import { MQTTProbe } from "../../tools/broker/index.js";
import { freePort } from "../../tools/brokers/index.js";
import { requireMosquitto } from "./support/mosquitto.js";
import { eventually } from "../integration/support/eventually.js";
import { type CommandResult, killCommands, runCommand, startCommand } from "./support/run-command.js";
import { temporaryFolder } from "./support/temporary-folder.js";

describe("sealwire broker run over a folder of sealwire pki", function () {
  this.timeout(120_000);
  const folder = temporaryFolder();

  before(function () {
    requireMosquitto(this);
  });
  afterEach(() => killCommands());

  it("admits a device of the PKI, and keeps it out once `sealwire pki revoke` said so", async () => {
    const pki = folder.join("pki");
    const secret = folder.join("passphrase");
    fs.writeFileSync(secret, "correct horse battery staple\n", { mode: 0o600 });
    const permissions = folder.join("permissions.json");
    fs.writeFileSync(permissions, JSON.stringify([{ topic: "%c/#", operation: "both" }]));
    const run = async (...args: string[]): Promise<void> => {
      const { exitCode, stderr } = await runCommand([...args, "--pki", pki, "--passphrase-file", secret]);
      assert.equal(exitCode, 0, `${args.join(" ")}: ${stderr}`);
    };
    const without = await runCommand(["broker", "run", "--pki", pki, "--permissions", permissions]);
    assert.equal(without.exitCode, 2);
    assert.match(without.stderr, /sealwire pki server makes one/);
    await run("pki", "init");
    await run("pki", "server", "localhost", "127.0.0.1");
    await run("pki", "device", "dev-1");
    await run("pki", "device", "dev-2");

    const port = await freePort();
    const broker = startCommand([
      "broker",
      "run",
      "--pki",
      pki,
      "--permissions",
      permissions,
      "--port",
      String(port),
      "--state",
      folder.join("state"),
      "--json",
    ]);
    const line = async (wanted: string): Promise<void> => {
      while (!broker.output().stdout.includes(wanted)) {
        assert.equal(broker.child.exitCode, null, broker.output().stderr);
        await once(broker.child.stdout!, "data");
      }
    };
    await line('"running"');
    const doctor = async (device: string): Promise<{ status: string; sentence: string } | undefined> => {
      const own = `${pki}/devices/${device}`;
      const args = [
        "doctor",
        `mqtts://localhost:${port}`,
        "--ca",
        `${pki}/ca-chain.crt`,
        "--crl",
        `${pki}/crl.pem`,
        "--cert",
        `${own}.crt`,
        "--key",
        `${own}.key`,
        "--client-id",
        device,
        "--json",
      ];
      const { stdout } = await runCommand(args);
      const { checks } = JSON.parse(stdout) as { checks: { name: string; status: string; sentence: string }[] };
      return checks.find(({ name }) => name === "connect");
    };
    assert.equal((await doctor("dev-1"))?.status, "pass");
    await run("pki", "revoke", "dev-1");
    await line('"revocationList"');
    const refused = await doctor("dev-1");
    assert.deepEqual(
      [refused?.status, refused?.sentence],
      ["fail", "There is no MQTT connection: the broker says that the client certificate is revoked."],
    );
    assert.equal((await doctor("dev-2"))?.status, "pass");
  });

  /** The PKI, a broker over it, and a client of the PKI that is connected. */
  async function world(
    name: string,
    devices: readonly string[],
    options: (folder: string) => Promise<string[]>,
  ): Promise<{
    pki: string;
    port: number;
    run: (...args: string[]) => Promise<CommandResult>;
    connect: (device: string) => Promise<MQTTProbe>;
  }> {
    const base = folder.join(name);
    fs.mkdirSync(base);
    const pki = `${base}/pki`;
    const secret = `${base}/passphrase`;
    fs.writeFileSync(secret, "correct horse battery staple\n", { mode: 0o600 });
    const run = (...args: string[]): Promise<CommandResult> =>
      runCommand([...args, "--pki", pki, "--passphrase-file", secret]);
    for (const args of [["init"], ["server", "localhost", "127.0.0.1"], ...devices.map((id) => ["device", id])]) {
      const { exitCode, stderr } = await run("pki", ...args);
      assert.equal(exitCode, 0, stderr);
    }
    const port = await freePort();
    const common = ["--pki", pki, "--port", String(port), "--state", `${base}/state`, "--json"];
    const broker = startCommand(["broker", "run", ...common, ...(await options(base))]);
    await eventually(() => {
      assert.equal(broker.child.exitCode, null, broker.output().stderr);
      return broker.output().stdout.includes('"running"');
    }, "the broker");
    const connect = async (device: string): Promise<MQTTProbe> => {
      const read = (file: string): Buffer => fs.readFileSync(`${pki}/${file}`);
      const own = { cert: read(`devices/${device}.crt`), key: read(`devices/${device}.key`) };
      const socket = tls.connect({ host: "localhost", port, ca: read("root-ca.crt"), ...own });
      await once(socket, "secureConnect");
      const probe = await MQTTProbe.connect(socket, { clientIdentifier: device });
      assert.equal(probe.code, 0);
      return probe;
    };
    return { pki, port, run, connect };
  }

  it("ends the connection of a device that is revoked with --disconnect, by a restart of the broker", async () => {
    const { run, connect } = await world("restart", ["dev-1", "dev-2"], (base) => {
      fs.writeFileSync(`${base}/permissions.json`, JSON.stringify([{ topic: "%c/#", operation: "both" }]));
      return Promise.resolve(["--permissions", `${base}/permissions.json`]);
    });
    const state = folder.join("restart", "state");
    const probe = await connect("dev-1");
    const nobody = await run("pki", "revoke", "dev-2", "--disconnect", "--broker-state", folder.join("none"));
    assert.equal(nobody.exitCode, 1);
    assert.match(nobody.stderr, /No sealwire broker run has its state in .*: nobody was disconnected/);
    assert.match(nobody.stdout, /^Revoked /, "it is revoked all the same");
    await probe.ping();
    const { exitCode, stdout, stderr } = await run("pki", "revoke", "dev-1", "--disconnect", "--broker-state", state);
    assert.equal(exitCode, 0, stderr);
    assert.match(stdout, /^Disconnected, by broker restart: dev-1$/m);
    await probe.closed;
    await assert.rejects(connect("dev-1"), "it is kept out");
  });

  it("ends the connection of a device that is revoked with --disconnect, by dynamic security", async () => {
    const { run, connect, pki, port } = await world("dynamic", ["dev-1", "dev-2"], async (base) => {
      const permissions = `${base}/permissions.json`;
      fs.writeFileSync(permissions, JSON.stringify([{ topic: "%c/#", operation: "both" }]));
      fs.writeFileSync(`${base}/admin`, "four words nobody guesses\n", { mode: 0o600 });
      const file = `${base}/dynamic-security.json`;
      const format = ["--to", "mosquitto", "--format", "dynamic-security", "--device", "dev-1", "--device", "dev-2"];
      const admin = ["--admin", "admin", "--admin-password-file", `${base}/admin`];
      const made = await runCommand(["permissions", "export", permissions, ...format, ...admin, "--out", file]);
      assert.equal(made.exitCode, 0, made.stderr);
      return ["--auth", "both", "--dynamic-security", file];
    });
    const [first, second] = [await connect("dev-1"), await connect("dev-2")];
    const to = ["--disconnect", "--broker", `mqtts://localhost:${port + 1}`, "--ca", `${pki}/ca-chain.crt`];
    const admin = (file: string): string[] => ["--admin", "admin", "--admin-password-file", file];
    const wrong = folder.join("dynamic", "wrong");
    fs.writeFileSync(wrong, "no such password\n", { mode: 0o600 });
    const refused = await run("pki", "revoke", "dev-1", ...to, ...admin(wrong));
    assert.equal(refused.exitCode, 1);
    assert.match(refused.stderr, /dev-1 could not be disconnected: The broker does not let this administrator in/);
    await first.ping();
    // Revoked already, but connected: said again, it is disconnected.
    await second.ping();
    // Its password, which standard input gives once, serves for all of them.
    const secrets = ["--pki", pki, "--passphrase-file", folder.join("dynamic", "passphrase")];
    const done = await runCommand(
      ["pki", "revoke", "dev-1", "dev-2", ...to, ...admin("-"), ...secrets],
      {},
      fs.readFileSync(folder.join("dynamic", "admin")),
    );
    assert.equal(done.exitCode, 0, done.stderr);
    assert.match(done.stdout, /^Disconnected, by dynamic security: dev-1, dev-2$/m);
    await first.closed;
    await second.closed;
    await assert.rejects(connect("dev-1"), "it is kept out");
  });
});
