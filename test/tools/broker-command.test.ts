/** `sealwire broker` and `sealwire permissions` as a user calls them. */
import assert from "node:assert/strict";
import { once } from "node:events";
import * as fs from "node:fs";
import { pbkdf2Sync } from "node:crypto";
import { passwordMatches, setPassword } from "../../tools/broker/index.js";
import { BrokerWorld } from "./support/broker-world.js";
import { requireMosquitto } from "./support/mosquitto.js";
import { killCommands, type RunningCommand, runCommand, startCommand } from "./support/run-command.js";
import { temporaryFolder } from "./support/temporary-folder.js";
import { freePort } from "../../tools/brokers/index.js";

const permissions = [
  { topic: "%c/telemetry", operation: "publish", qos: [0, 1] },
  { topic: "%c/commands/#", operation: "subscribe" },
];

/** Waits for a line of a running command. */
async function line(command: RunningCommand, wanted: RegExp): Promise<string> {
  for (;;) {
    const { stdout, stderr } = command.output();
    const found = stdout.split("\n").find((one) => wanted.test(one));
    if (found !== undefined) return found;
    assert.equal(command.child.exitCode, null, `it ended: ${stdout}${stderr}`);
    await once(command.child.stdout!, "data");
  }
}

describe("sealwire permissions", function () {
  this.timeout(120_000);
  const folder = temporaryFolder();
  let file: string;

  before(() => {
    file = folder.join("permissions.json");
    fs.writeFileSync(file, JSON.stringify(permissions));
  });

  it("check: names the entry that is wrong, and what may not be meant", async () => {
    assert.deepEqual(await runCommand(["permissions", "check", file]), {
      exitCode: 0,
      stdout: "2 entries, no mistakes.\n",
      stderr: "",
    });
    const odd = folder.join("odd.json");
    fs.writeFileSync(
      odd,
      JSON.stringify([
        { topic: "a/#", operation: "both" },
        { topic: "a/b", operation: "publish" },
      ]),
    );
    const { stdout } = await runCommand(["permissions", "check", odd, "--json"]);
    const { remarks } = JSON.parse(stdout) as { remarks: { entry: number; message: string }[] };
    assert.deepEqual(
      remarks.map(({ entry }) => entry),
      [1, 2, 2],
    );
    assert.match(remarks[1]!.message, /no effect: entry 1/);
    const bad = folder.join("bad.json");
    fs.writeFileSync(bad, JSON.stringify([permissions[0], { topic: "a/#/b", operation: "publish" }]));
    const wrong = await runCommand(["permissions", "check", bad]);
    assert.equal(wrong.exitCode, 1);
    assert.match(wrong.stderr, /bad\.json: Permission 2 /);
    assert.equal((await runCommand(["permissions", "check", folder.join("none.json")])).exitCode, 3);
  });

  it("explain: says what allows a request, or the entry that is missing", async () => {
    const yes = await runCommand([
      "permissions",
      "explain",
      file,
      "publish",
      "%c/telemetry",
      "--qos",
      "1",
      "--client-id",
      "dev-1",
    ]);
    assert.deepEqual(
      [yes.exitCode, yes.stdout],
      [0, 'Publishing to "dev-1/telemetry" with QoS 1 is allowed by permission 1, "%c/telemetry".\n'],
    );
    const no = await runCommand([
      "permissions",
      "explain",
      file,
      "subscribe",
      "dev-1/#",
      "--client-id",
      "dev-1",
      "--json",
    ]);
    assert.equal(no.exitCode, 1);
    assert.deepEqual((JSON.parse(no.stdout) as { needed: object }).needed, {
      topic: "%c/#",
      operation: "subscribe",
      qos: [0],
    });
    assert.equal((await runCommand(["permissions", "explain", file, "delete", "x"])).exitCode, 2);
    assert.equal(
      (await runCommand(["permissions", "explain", file, "publish", "x", "--client-id", "a/b"])).exitCode,
      1,
    );
  });

  it("export: writes nothing with --strict when the broker cannot do as the permissions say", async () => {
    const out = folder.join("acl");
    const loose = await runCommand(["permissions", "export", file, "--to", "mosquitto"]);
    assert.equal(loose.exitCode, 0);
    assert.match(loose.stdout, /^pattern write %c\/telemetry$/m);
    assert.match(loose.stderr, /warning: entry 2, "%c\/commands\/#", wider: it is for subscriptions/);
    const strict = await runCommand(["permissions", "export", file, "--to", "mosquitto", "--strict", "--out", out]);
    assert.deepEqual([strict.exitCode, strict.stdout, fs.existsSync(out)], [1, "", false]);
    assert.match(strict.stderr, /Nothing is written: 2 warnings/);
    const aws = await runCommand([
      "permissions",
      "export",
      file,
      "--to",
      "aws",
      "--region",
      "eu-central-1",
      "--account",
      "123456789012",
      "--strict",
      "--out",
      out,
    ]);
    assert.deepEqual([aws.exitCode, fs.existsSync(out)], [0, true]);
    const json = await runCommand(["permissions", "export", file, "--to", "emqx", "--json"]);
    assert.match((JSON.parse(json.stdout) as { content: string }).content, /\{deny, all\}\.\n$/);
    assert.equal((await runCommand(["permissions", "export", file, "--to", "aws"])).exitCode, 2);
    assert.equal((await runCommand(["permissions", "export", file, "--to", "rabbitmq"])).exitCode, 2);
    assert.equal(
      (await runCommand(["permissions", "export", file, "--to", "emqx", "--out", folder.join("no/such/file")]))
        .exitCode,
      3,
    );
  });

  it("export: what holds passwords is for its owner alone, and the passwords are not in it", async () => {
    const secret = folder.join("secret");
    fs.writeFileSync(secret, "hunter2-hunter2\n", { mode: 0o600 });
    for (const [name, args] of [
      [
        "dynamic",
        [
          "--to",
          "mosquitto",
          "--format",
          "dynamic-security",
          "--device",
          "dev-1",
          "--admin",
          "root",
          "--admin-password-file",
          secret,
        ],
      ],
      ["hivemq", ["--to", "hivemq", "--user", "fleet", "--password-file", secret]],
    ] as const) {
      const out = folder.join(name);
      const { exitCode, stdout, stderr } = await runCommand(["permissions", "export", file, ...args, "--out", out]);
      assert.equal(exitCode, 0, stderr);
      assert.equal(fs.statSync(out).mode & 0o777, 0o600);
      assert.ok(!`${stdout}${stderr}${fs.readFileSync(out, "utf8")}`.includes("hunter2"));
    }
  });
});

describe("sealwire broker password", function () {
  this.timeout(120_000);
  const folder = temporaryFolder();

  it("sets, changes and removes a password in a file for its owner alone", async () => {
    const file = folder.join("passwords");
    const made = await runCommand(["broker", "password", file, "dev-1"]);
    assert.equal(made.exitCode, 0);
    const password = made.stdout.trim();
    assert.ok(password.length >= 27, "160 bits");
    assert.equal(fs.statSync(file).mode & 0o777, 0o600);
    assert.ok(!fs.readFileSync(file, "utf8").includes(password));
    const secret = folder.join("secret");
    fs.writeFileSync(secret, "correct horse\n");
    const set = await runCommand([
      "broker",
      "password",
      file,
      "alice",
      "--password-file",
      secret,
      "--iterations",
      "2000",
    ]);
    assert.deepEqual([set.exitCode, set.stdout], [0, "set the password of alice\n"]);
    const lines = fs.readFileSync(file, "utf8").trim().split("\n");
    assert.ok(passwordMatches(lines[0]!, "dev-1", password));
    assert.ok(passwordMatches(lines[1]!, "alice", "correct horse"));
    assert.ok(!passwordMatches(lines[1]!, "alice", "correct horsf"));
    const [, , rounds, salt, hash] = lines[1]!.split("$");
    assert.equal(
      hash,
      pbkdf2Sync("correct horse", Buffer.from(salt!, "base64"), Number(rounds), 64, "sha512").toString("base64"),
    );
    await runCommand(["broker", "password", file, "dev-1"]);
    assert.equal(fs.readFileSync(file, "utf8").trim().split("\n").length, 2);
    assert.equal((await runCommand(["broker", "password", file, "dev-1", "--remove"])).exitCode, 0);
    assert.equal((await runCommand(["broker", "password", file, "dev-1", "--remove"])).exitCode, 1);
    assert.match(fs.readFileSync(file, "utf8"), /^alice:\$7\$2000\$[^\n]+\n$/);
  });

  it("loses no user when several set passwords at once, one of whom was killed before", async () => {
    const shared = folder.join("shared");
    // No process has this number: it is above the largest there may be.
    fs.writeFileSync(folder.join(".shared.in-use"), "4194305\n");
    const users = Array.from({ length: 16 }, (_, i) => `user-${i}`);
    const results = await Promise.all(
      users.map((user) => runCommand(["broker", "password", shared, user, "--iterations", "1000"])),
    );
    assert.deepEqual(new Set(results.map(({ exitCode }) => exitCode)), new Set([0]));
    const lines = fs.readFileSync(shared, "utf8").trim().split("\n");
    assert.deepEqual(lines.map((line) => line.split(":")[0]).sort(), users.sort());
    assert.deepEqual(
      fs.readdirSync(folder.join(".")).filter((name) => name.includes("shared")),
      ["shared"],
    );
  });

  it("refuses names that would be read as something else, and too few rounds", async () => {
    const file = folder.join("others");
    for (const name of ["a:b", " a", "#a", "", "a\nb"])
      assert.throws(() => setPassword(file, name, "a password"), { exitCode: 2 }, JSON.stringify(name));
    assert.throws(() => setPassword(file, "a", ""), { code: "CREDENTIALS_WEAK" });
    assert.equal((await runCommand(["broker", "password", file, "a:b"])).exitCode, 2);
    assert.equal((await runCommand(["broker", "password", file, "a", "--iterations", "10"])).exitCode, 2);
    assert.equal(fs.existsSync(file), false);
  });
});

describe("sealwire broker", function () {
  this.timeout(120_000);
  const folder = temporaryFolder();
  let world: BrokerWorld;
  let args: string[];

  before(async function () {
    requireMosquitto(this);
    world = await BrokerWorld.create(folder.join("world"));
    fs.writeFileSync(world.file("permissions.json"), JSON.stringify(permissions));
    args = [
      "--ca",
      world.file("ca.pem"),
      "--cert",
      world.file("server.pem"),
      "--key",
      world.file("server.key"),
      "--crl",
      world.file("revoked.pem"),
      "--permissions",
      world.file("permissions.json"),
    ];
  });
  afterEach(() => killCommands());
  after(() => BrokerWorld.closeAll());

  it("run: admits the fleet, follows a change, and ends at a signal with nothing left running", async () => {
    const port = await freePort();
    const command = startCommand([
      "broker",
      "run",
      ...args,
      "--port",
      String(port),
      "--state",
      folder.join("state"),
      "--json",
    ]);
    const running = JSON.parse(await line(command, /"running"/)) as { pid: number; broker: string; address: string };
    assert.match(running.broker, /^Mosquitto \d/);
    assert.equal(running.address, "127.0.0.1");
    const device = await world.device("dev-1");
    const probe = await world.connect(port, device, { clientIdentifier: "dev-1" });
    assert.equal(probe.code, 0);
    await world.revoke(device);
    assert.deepEqual(JSON.parse(await line(command, /"change"/)), {
      event: "change",
      source: "revocationList",
      action: "reloaded",
    });
    await assert.rejects(world.connect(port, device, { clientIdentifier: "dev-1" }));
    await probe.ping();
    fs.writeFileSync(world.file("permissions.json"), "[{}]");
    const refused = JSON.parse(await line(command, /"refused"/)) as { reason: string };
    assert.match(refused.reason, /Permission 1 must have a topic/);
    const second = await runCommand(["broker", "run", ...args, "--state", folder.join("state")]);
    assert.equal(second.exitCode, 1, "a wrong permissions file");
    fs.writeFileSync(world.file("permissions.json"), JSON.stringify(permissions));
    assert.equal(
      (await runCommand(["broker", "run", ...args, "--state", folder.join("state")])).exitCode,
      3,
      "the folder is in use",
    );
    command.child.kill("SIGTERM");
    assert.equal((await command.result).exitCode, 0);
    assert.throws(() => process.kill(running.pid, 0), { code: "ESRCH" });
  });

  it("run: says what is wrong before it starts", async () => {
    const without = await runCommand(["broker", "run", ...args.slice(0, 6)]);
    assert.equal(without.exitCode, 2);
    assert.match(without.stderr, /Without permissions every client could do everything/);
    const swapped = [...args];
    swapped[5] = world.file("ca.pem");
    const wrong = await runCommand(["broker", "run", ...swapped, "--state", folder.join("other")]);
    assert.equal(wrong.exitCode, 3);
    assert.match(wrong.stderr, /does not go with a private key/);
    assert.equal((await runCommand(["broker", "run", ...args, "--auth", "password"])).exitCode, 2);
    assert.equal((await runCommand(["broker", "run", ...args, "--port", "0"])).exitCode, 2);
    assert.equal((await runCommand(["broker", "run", ...args, "--max-queued", "0"])).exitCode, 2);
  });

  it("config --for mosquitto: every setting of a hardened listener, in files for their owner alone", async () => {
    const out = folder.join("configured");
    const { exitCode, stderr } = await runCommand([
      "broker",
      "config",
      "--for",
      "mosquitto",
      ...args,
      "--client-id-prefix",
      "dev-",
      "--out",
      out,
      "--max-connections",
      "50",
    ]);
    assert.equal(exitCode, 0, stderr);
    const conf = fs.readFileSync(`${out}/mosquitto.conf`, "utf8").split("\n");
    for (const setting of [
      "allow_anonymous false",
      "listener 8883 127.0.0.1",
      "tls_version tlsv1.2",
      "require_certificate true",
      "use_identity_as_username true",
      "use_username_as_clientid true",
      `cafile ${out}/ca.pem`,
      `certfile ${out}/server.pem`,
      `keyfile ${out}/server.key`,
      `crlfile ${out}/revoked.pem`,
      `acl_file ${out}/acl`,
      "clientid_prefixes dev-",
      "max_connections 50",
      "max_qos 2",
      "max_packet_size 131072",
    ])
      assert.ok(conf.includes(setting), setting);
    assert.ok(!conf.some((setting) => setting.startsWith("user ")));
    for (const name of fs.readdirSync(out)) assert.equal(fs.statSync(`${out}/${name}`).mode & 0o077, 0, name);
  });

  it("config: the others name what they need", async () => {
    const out = folder.join("others");
    assert.equal((await runCommand(["broker", "config", "--for", "emqx", ...args, "--out", out])).exitCode, 0);
    const emqx = fs.readFileSync(`${out}/emqx.conf`, "utf8");
    for (const part of [
      "verify = verify_peer",
      "fail_if_no_peer_cert = true",
      "peer_cert_as_clientid = cn",
      "no_match = deny",
      'bind = "127.0.0.1:8883"',
      "listeners.tcp.default.enable = false",
    ])
      assert.ok(emqx.includes(part), part);
    assert.equal(
      (await runCommand(["broker", "config", "--for", "hivemq", "--bind", "0.0.0.0", "--out", out])).exitCode,
      0,
    );
    assert.match(fs.readFileSync(`${out}/config.xml`, "utf8"), /<client-authentication-mode>REQUIRED<[^]*<max-qos>2</);
    assert.equal((await runCommand(["broker", "config", "--for", "aws", ...args, "--out", out])).exitCode, 2);
    const aws = await runCommand([
      "broker",
      "config",
      "--for",
      "aws",
      ...args,
      "--region",
      "eu-central-1",
      "--account",
      "123456789012",
      "--out",
      out,
    ]);
    assert.equal(aws.exitCode, 0);
    assert.match(fs.readFileSync(`${out}/aws-iot.sh`, "utf8"), /update-certificate .*INACTIVE/);
  });
});
