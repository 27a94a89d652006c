/** The broker over the PKI that `sealwire pki` makes: from an empty folder to a device that is admitted, and revoked. */
import assert from "node:assert/strict";
import { once } from "node:events";
import * as fs from "node:fs";
import { freePort } from "../../tools/brokers/index.js";
import { requireMosquitto } from "./support/mosquitto.js";
import { killCommands, runCommand, startCommand } from "./support/run-command.js";
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
});
