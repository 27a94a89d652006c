import assert from "node:assert/strict";
import { once } from "node:events";
import * as fs from "node:fs";
import * as net from "node:net";
import * as path from "node:path";
import { SealwireError } from "../../src/index.js";
import { Command } from "commander";
import { commands } from "../../tools/cli.js";
import { CommandFailure } from "../../tools/failure.js";
import { exitCodeOf, Output, reportFailure } from "../../tools/output.js";
import { developmentPKIFolder } from "../../tools/paths.js";
import { DevelopmentPKI, toPEM } from "../../tools/pki/index.js";
import { parseOptions, type SimulateArguments } from "../../tools/simulate/options.js";
import { requireMosquitto } from "./support/mosquitto.js";
import { runCommand } from "./support/run-command.js";
import { temporaryFolder } from "./support/temporary-folder.js";

describe("The sealwire command", function () {
  this.timeout(20_000);

  it("prints its version and its help", async () => {
    const { version } = JSON.parse(fs.readFileSync("package.json", "utf8")) as { version: string };
    assert.deepEqual(await runCommand(["--version"]), { exitCode: 0, stdout: `${version}\n`, stderr: "" });
    const help = await runCommand(["simulate", "--help"]);
    assert.equal(help.exitCode, 0);
    for (const expected of ["--broker", "--tls", "--json", "--keep-running", "--state", "Exit codes:", "Examples:"])
      assert.ok(help.stdout.includes(expected), expected);
  });

  it("lists its commands as they describe themselves, each with examples, without loading them", async () => {
    const { stdout } = await runCommand(["--help"]);
    const unwrapped = stdout.replace(/\n {10,}/g, " ");
    const listed = [...unwrapped.matchAll(/^ {2}([a-z]+) {2,}(\S.*)$/gm)].map(([, name, summary]) => [name, summary]);
    assert.equal(listed.length, commands.length);
    for (const [name, summary] of listed) {
      const program = new Command();
      const ended = (): void => undefined;
      const entry = commands.find((each) => each.name === name);
      (await entry!.load())(program, ended);
      const command = program.commands[0]!;
      assert.equal(command.summary(), summary, name);
      let text = "";
      const leaf = command.commands[0] ?? command;
      leaf.configureOutput({ writeOut: (part) => (text += part) }).outputHelp();
      assert.match(text, /Examples?:\n {2}\S/, `${name} ${leaf.name()}`);
    }
  });

  it("shows its help when it is told nothing, as a wrong use", async () => {
    const { exitCode, stdout, stderr } = await runCommand([]);
    assert.deepEqual([exitCode, stdout], [2, ""]);
    assert.match(stderr, /^Usage: sealwire/);
  });

  for (const [what, args, sentence] of [
    ["a command it does not have", ["simulat"], "Unknown command 'simulat' (Did you mean simulate?)"],
    ["an option it does not have", ["simulate", "--bogus"], "Unknown option '--bogus'."],
    ["an argument too many", ["simulate", "x"], "Too many arguments for 'simulate'. Expected 0 arguments but got 1."],
    ["an option without its value", ["simulate", "--state"], "Option '--state <folder>' argument missing."],
    ["TLS 1.1", ["simulate", "--tls", "1.1"], '--tls must be 1.2 or 1.3, not "1.1".'],
  ] as const)
    it(`refuses ${what} with exit code 2 and one sentence`, async () => {
      assert.deepEqual(await runCommand(args), { exitCode: 2, stdout: "", stderr: `sealwire: ${sentence}\n` });
    });
});

describe("With --json, every command", function () {
  this.timeout(30_000);
  const folder = temporaryFolder();

  for (const args of [
    ["pki", "list", "--bogus"],
    ["pki", "list", "--pki", "nowhere"],
    ["provision"],
    ["permissions", "check", "nowhere"],
    ["permissions", "explain", "nowhere", "publish", "x", "--qos", "7"],
    ["broker", "config", "--for", "emqx"],
    ["broker", "password", ".", "user"],
    ["broker", "disconnect", "x"],
    ["doctor", "http://nowhere"],
    ["simulate", "--tls", "1.1"],
    ["run", "nobody"],
    ["seal", "--topic", "a", "--sender", "b"],
    ["nonsense"],
  ])
    it(`says in one object why it failed: ${args.join(" ")}`, async () => {
      const { exitCode, stdout, stderr } = await runCommand([...args, "--json"]);
      assert.ok(exitCode !== 0);
      const { ok, error } = JSON.parse(stdout) as { ok: boolean; error: { code: string; message: string } };
      assert.equal(ok, false);
      assert.match(error.code, /^[A-Z_]+$/);
      assert.equal(stderr, `sealwire: ${error.message}\n`);
    });

  it("is no option behind --", async () => {
    const { exitCode, stdout, stderr } = await runCommand(["permissions", "check", "--", "--json"]);
    assert.deepEqual([exitCode, stdout], [3, ""]);
    assert.match(stderr, /^sealwire: /);
  });

  it("leaves it at one object when an export is refused by --strict", async () => {
    fs.writeFileSync(folder.join("permissions.json"), '[{"topic":"a","operation":"subscribe"}]');
    const args = ["permissions", "export", folder.join("permissions.json"), "--to", "mosquitto", "--strict", "--json"];
    const { exitCode, stdout } = await runCommand(args);
    const { content, warnings } = JSON.parse(stdout) as { content: null; warnings: object[] };
    assert.deepEqual([exitCode, content, warnings.length], [1, null, 1]);
  });
});

describe("What stands in the way of sealwire simulate", function () {
  this.timeout(20_000);
  const folder = temporaryFolder();

  /** It ends with exit code 3, and the sentence is all there is on stderr; with --json stdout holds it too. */
  async function fails(sentence: RegExp, args: string[], environment?: NodeJS.ProcessEnv): Promise<void> {
    const { exitCode, stdout, stderr } = await runCommand(
      ["simulate", "--json", "--certs", folder.join("certs"), ...args],
      environment,
    );
    assert.match(stderr, sentence);
    assert.equal(stderr.split("\n").length, 2);
    assert.equal(exitCode, 3);
    const { ok, connects, error } = JSON.parse(stdout) as { ok: boolean; connects: []; error: { message: string } };
    assert.equal(ok, false);
    assert.deepEqual(connects, []);
    assert.equal(stderr, `sealwire: ${error.message}\n`);
  }

  async function onOccupiedPort(body: (port: number) => Promise<void>): Promise<void> {
    const server = net.createServer();
    await once(server.listen(0, "127.0.0.1"), "listening");
    try {
      await body((server.address() as net.AddressInfo).port);
    } finally {
      server.close();
    }
  }

  it("is Mosquitto, when it is missing: it says how to get it", () =>
    fails(
      /^sealwire: Mosquitto is not at .*: install it with .*apt-get install mosquitto.*\.$/m,
      ["--broker", "mosquitto"],
      {
        SEALWIRE_MOSQUITTO: folder.join("nothing"),
      },
    ));

  it("is a port that is in use", () =>
    onOccupiedPort((port) =>
      fails(new RegExp(`The embedded broker cannot listen on port ${port}: the port is in use\\.$`, "m"), [
        "--port",
        String(port),
      ]),
    ));

  it("is a port that is in use, for Mosquitto", async function () {
    requireMosquitto(this);
    await onOccupiedPort((port) =>
      fails(new RegExp(`Mosquitto cannot listen on port ${port}: the port is in use\\.$`, "m"), [
        ...["--broker", "mosquitto"],
        ...["--port", String(port)],
      ]),
    );
  });

  it("is a state folder that is none", async () => {
    const file = folder.join("file");
    fs.writeFileSync(file, "");
    await fails(/Cannot make the folder .*file: /, ["--state", file]);
    await fails(/Cannot make the folder .*file.device: it is not a folder\.$/m, ["--state", path.join(file, "device")]);
  });

  it("is a state folder that cannot be read", async () => {
    // Not a matter of permissions: root may read everything.
    const state = folder.join("state");
    fs.mkdirSync(path.join(state, "mac"), { recursive: true });
    await fails(/^sealwire: Cannot read the device folder .*state\.$/m, ["--state", state]);
  });

  it("is an external broker that is down", async () => {
    const pki = await DevelopmentPKI.open({ folder: folder.join("external"), names: ["localhost"] });
    await pki.device("device");
    const file = (name: string): string => folder.join("external", name);
    const credentials = [
      ...["--ca", file("root-ca.crt")],
      ...["--cert", file("devices/device.crt")],
      ...["--key", file("devices/device.key")],
    ];
    const { exitCode, stderr } = await runCommand(["simulate", "--broker", "mqtts://localhost:1", ...credentials]);
    assert.equal(stderr, "sealwire: Cannot reach broker localhost:1: the connection was refused.\n");
    assert.equal(exitCode, 3);
  });

  it("is a PEM file that does not hold what its option wants: that is a wrong argument", async () => {
    const pki = await DevelopmentPKI.open({ folder: folder.join("pem"), names: ["localhost"] });
    await pki.device("device");
    const file = (name: string): string => folder.join("pem", name);
    const secret = toPEM("PRIVATE KEY", new Uint8Array(40).fill(0x53));
    fs.writeFileSync(file("bad.key"), secret);
    for (const [ca, cert, key, sentence] of [
      ["server.key", "devices/device.crt", "devices/device.key", /server\.key \(--ca\) holds no certificate/],
      ["root-ca.crt", "root-ca.crl", "devices/device.key", /root-ca\.crl \(--cert\) holds no certificate/],
      ["root-ca.crt", "devices/device.crt", "bad.key", /bad\.key \(--key\) must hold an unencrypted P-256 private key/],
      ["root-ca.crt", "devices/device.crt", "server.key", /does not belong to the certificate/],
      ["missing", "devices/device.crt", "server.key", /--ca must name a file/],
    ] as const) {
      const { exitCode, stderr } = await runCommand([
        ...["simulate", "--broker", "mqtts://localhost:1"],
        ...["--ca", file(ca), "--cert", file(cert), "--key", file(key)],
      ]);
      assert.equal(exitCode, 2);
      assert.match(stderr, sentence);
      assert.ok(!stderr.includes("U1NTU1"));
    }
  });
});

describe("The options of sealwire simulate", () => {
  const parse = (given: Partial<SimulateArguments>): ReturnType<typeof parseOptions> =>
    parseOptions({ engine: "node", broker: "embedded", timeout: "55", ...given });
  const files = { ca: "package.json", cert: "package.json", key: "package.json" };

  it("are the embedded broker, any TLS version and temporary folders by default", () => {
    assert.deepEqual(parse({}), {
      engine: { kind: "node" },
      broker: { kind: "embedded", port: undefined },
      versions: { minimum: "TLSv1.2", maximum: "TLSv1.3" },
      certs: undefined,
      state: undefined,
      sealed: true,
      timeLimit: 55_000,
      keepRunning: false,
      json: false,
      verbose: false,
    });
  });

  it("take one TLS version, or leave the choice", () => {
    for (const [tls, version] of [
      ["1.2", "TLSv1.2"],
      ["1.3", "TLSv1.3"],
    ] as const)
      assert.deepEqual(parse({ tls }).versions, { minimum: version, maximum: version });
    for (const tls of ["1.1", "1", "", "TLSv1.2", "1.2\n1.3"]) assert.throws(() => parse({ tls }), { exitCode: 2 });
  });

  it("name an external broker by name, IPv4 or IPv6 address; the port may be left out", () => {
    for (const [broker, host, port] of [
      ["mqtts://broker.example:8884", "broker.example", 8884],
      ["mqtts://broker.example", "broker.example", 8883],
      ["mqtts://192.0.2.1:1/", "192.0.2.1", 1],
      ["mqtts://[2001:db8::1]:65535", "2001:db8::1", 65535],
    ] as const)
      assert.deepEqual(parse({ broker, ...files }).broker, { kind: "external", host, port, ...files });
  });

  it("refuse a broker that is none of the three kinds", () => {
    for (const broker of [
      ...["", "aedes", "mqtt://h:1883", "mqtts://", "mqtts://:8883", "mqtts://h:", "mqtts://h:0", "mqtts://h:65536"],
      ...["mqtts://h:8883/path", "mqtts://user:password@h", "mqtts://[::g]:1", "mqtts://[::1", "mqtts://h h"],
    ])
      assert.throws(() => parse({ broker, ...files }), { exitCode: 2, code: "INVALID_ARGUMENT" }, broker);
  });

  it("refuse a port or time limit that is no whole number in its range", () => {
    for (const port of ["0", "65536", "-1", "1.5", "0x10", "", " 1", "1e3"])
      assert.throws(() => parse({ port }), { exitCode: 2 }, port);
    for (const timeout of ["0", "3601", "x", ""]) assert.throws(() => parse({ timeout }), { exitCode: 2 }, timeout);
    assert.equal(parse({ port: "65535" }).broker.port, 65535);
  });

  it("refuse options that belong to the other kind of broker, and want all that theirs needs", () => {
    assert.throws(() => parse({ ca: "package.json" }), { message: /--ca is for an external broker/ });
    assert.throws(() => parse({ broker: "mqtts://h", port: "1", ...files }), {
      message: /--port is for a broker that/,
    });
    assert.throws(() => parse({ broker: "mqtts://h", ca: "package.json", cert: "package.json" }), {
      message: /needs --ca, --cert and --key/,
    });
  });

  it("are quoted in errors on one line and cut, whatever the user wrote", () => {
    assert.throws(
      () => parse({ broker: `\u001b[31m\n${"x".repeat(100)}` }),
      (error) => {
        assert.ok(error instanceof CommandFailure);
        assert.doesNotMatch(error.message, /[\u0000-\u001f]/);
        assert.ok(error.message.length < 200);
        return true;
      },
    );
  });
});

describe("Where the development PKI is kept", () => {
  const folder = temporaryFolder();

  it("is certs/dev of a clone, and nowhere in an installed package", () => {
    const clone = folder.join("clone");
    const installed = folder.join("app", "node_modules", "sealwire");
    fs.mkdirSync(clone, { recursive: true });
    fs.mkdirSync(installed, { recursive: true });
    assert.equal(developmentPKIFolder(clone), path.join(clone, "certs", "dev"));
    assert.equal(developmentPKIFolder(installed), undefined);
    assert.equal(developmentPKIFolder(folder.join("missing")), undefined);
  });
});

describe("The end of a command", () => {
  it("has an exit code for each kind of failure", () => {
    assert.equal(exitCodeOf(new CommandFailure(3, "UNSUPPORTED", "x")), 3);
    assert.equal(exitCodeOf(new SealwireError("STORAGE_FAILED", "x")), 3);
    assert.equal(exitCodeOf(new SealwireError("TLS_ALERT_RECEIVED", "x")), 1);
    assert.equal(exitCodeOf(new TypeError("x")), 1);
  });

  it("shows one sentence, and where it comes from only when asked", () => {
    const written: string[] = [];
    const output = new Output({ write: (text) => written.push(text) });
    const error = new SealwireError("TIMEOUT", "It took too long.", { cause: new Error("because") });
    reportFailure(output, error, false);
    assert.deepEqual(written.splice(0), ["sealwire: It took too long.\n"]);
    reportFailure(output, error, true);
    assert.match(written.join(""), /It took too long[^]*at [^]*because/);
  });

  it("is coloured on a terminal only, and not when NO_COLOR is set", () => {
    const stream = { isTTY: true, write: () => undefined };
    assert.equal(new Output(stream, {}).styled("red", "x"), "\u001b[31mx\u001b[39m");
    assert.equal(new Output(stream, { NO_COLOR: "1" }).styled("red", "x"), "x");
    assert.equal(new Output({ ...stream, isTTY: false }, {}).styled("red", "x"), "x");
  });
});
