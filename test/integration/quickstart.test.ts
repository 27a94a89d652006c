/** From an empty folder to a fleet: the commands of the README's second section, as they stand there. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import * as net from "node:net";
import * as path from "node:path";
import * as tls from "node:tls";
import { fileURLToPath } from "node:url";
import { MQTTProbe } from "../../tools/broker/index.js";
import type { Fleet } from "../../tools/fleet/fleet-file.js";
import { requireMosquitto } from "../tools/support/mosquitto.js";
import { temporaryFolder } from "../tools/support/temporary-folder.js";
import { eventually } from "./support/eventually.js";
import { installPackage } from "./support/install-package.js";

const readme = fileURLToPath(new URL("../../../README.md", import.meta.url));

/** The lines of the first block of shell commands in the second section. */
function documentedCommands(): string[] {
  const [, , second = ""] = fs.readFileSync(readme, "utf8").split(/^## /m);
  const [, block = ""] = /^```sh\n([\s\S]*?)^```$/m.exec(second) ?? [];
  return block.split("\n").filter((line) => line !== "");
}

interface Ended {
  readonly exitCode: number | null;
  readonly output: string;
}

describe("From nothing to a fleet: the README's second section", function () {
  this.timeout(180_000);
  const temporary = temporaryFolder();
  let folder: string;
  let fleet: Fleet;
  let blocker: net.Server | undefined;
  let spy: MQTTProbe;
  const groups: ChildProcess[] = [];
  const probes: MQTTProbe[] = [];

  before(async function () {
    requireMosquitto(this);
    // Whoever else runs these tests on this machine has the usual port: the fleet must make do with another.
    const server = net.createServer();
    server.once("error", () => undefined);
    server.listen(8883, "127.0.0.1");
    await Promise.race([once(server, "listening"), once(server, "error")]);
    if (server.listening) blocker = server;
    folder = temporary.join("user");
    installPackage(folder);
  });
  after(() => {
    for (const probe of probes) probe.destroy();
    blocker?.close();
    for (const { pid } of groups)
      try {
        process.kill(-pid!, "SIGKILL");
      } catch {
        // It has ended.
      }
  });

  /** Runs a line as a shell does, in a process group of its own, which a server in the background stays in. */
  async function shell(line: string): Promise<Ended> {
    const log = path.join(folder, `../log-${groups.length}`);
    const file = fs.openSync(log, "w");
    const child = spawn("sh", ["-c", line], {
      cwd: folder,
      detached: true,
      // Not a pipe: a server in the background would keep it open.
      stdio: ["ignore", file, file],
      env: { ...process.env, NODE_OPTIONS: undefined, SEALWIRE_PKI_PASSPHRASE: undefined },
    });
    fs.closeSync(file);
    groups.push(child);
    const [exitCode] = (await once(child, "close")) as [number | null];
    return { exitCode, output: fs.readFileSync(log, "utf8") };
  }

  /** @throws when it does not end well */
  async function succeeds(line: string): Promise<string> {
    const { exitCode, output } = await shell(line);
    assert.equal(exitCode, 0, `${line}\n${output}`);
    return output;
  }

  async function connect(user: string, version: 4 | 5): Promise<MQTTProbe> {
    const read = (name: string): Buffer => fs.readFileSync(path.join(folder, fleet.pki, name));
    const [host, port] = fleet.broker.split(":");
    const socket = tls.connect({
      host: "127.0.0.1",
      servername: host!,
      port: Number(port),
      ca: read("root-ca.crt"),
      cert: read(`devices/${user}.crt`),
      key: read(`devices/${user}.key`),
    });
    await once(socket, "secureConnect");
    const probe = await MQTTProbe.connect(socket, { clientIdentifier: user, version });
    probes.push(probe);
    assert.equal(probe.code, 0);
    return probe;
  }

  const secret = /uptime|count|identify|done/;
  let commands: string[];

  it("has four commands", () => {
    commands = documentedCommands();
    assert.equal(commands.length, 4);
    for (const command of commands) assert.match(command, /^npx sealwire /);
  });

  it("makes a fleet, with a port that is free", async () => {
    const output = await succeeds(commands[0]!);
    fleet = JSON.parse(fs.readFileSync(path.join(folder, "fleet.json"), "utf8")) as Fleet;
    assert.match(fleet.broker, /^localhost:\d+$/);
    assert.notEqual(fleet.broker, "localhost:8883");
    assert.match(output, /port 8883 is in use/);
    for (const file of ["fleet-root.key", "pki.passphrase"])
      assert.equal(fs.statSync(path.join(folder, file)).mode & 0o777, 0o600, file);
    const passphrase = fs.readFileSync(path.join(folder, "pki.passphrase"), "utf8").trim();
    assert.ok(!output.includes(passphrase));
    // Somebody who may read everything at the broker, for what follows.
    await succeeds("npx sealwire pki device auditor");
    fs.writeFileSync(path.join(folder, "auditor.json"), '[{"topic":"#","operation":"subscribe"}]');
    const users = { ...fleet.users, auditor: "auditor.json" };
    fs.writeFileSync(path.join(folder, "fleet.json"), JSON.stringify({ ...fleet, users }));
  });

  it("runs a broker, provisions a device, and runs it: the back end opens what it seals", async () => {
    await succeeds(commands[1]!);
    const broker = path.join(folder, `../log-${groups.length - 1}`);
    await eventually(() => fs.readFileSync(broker, "utf8").includes("Ctrl-C ends it"), "the broker");
    spy = await connect("auditor", 5);
    assert.deepEqual(await spy.subscribe(["#"], 1), [1]);
    await succeeds(commands[2]!);
    const output = await succeeds(commands[3]!);
    assert.match(output, /pump-1\/telemetry +\d+ bytes sealed -> \{"count":1,/);
    assert.match(output, /pump-1\/answers +\d+ bytes sealed -> done: identify/);
    assert.match(output, /Publishing to "pump-1\/secrets" .* is refused/);
    assert.match(output, /Everything went as it should\./);
  });

  it("shows nothing but ciphertext to who may read all that the broker has", () => {
    const topics = new Set(spy.messages.map(({ topic }) => topic));
    assert.deepEqual([...topics].sort(), ["pump-1/answers", "pump-1/commands", "pump-1/telemetry"]);
    for (const { topic, payload } of spy.messages) assert.doesNotMatch(payload.toString("latin1"), secret, topic);
    assert.ok(spy.messages.filter(({ topic }) => topic === "pump-1/telemetry").length >= 6);
  });

  it("lets no device near the topics of another, nor near more than its own permissions say", async () => {
    await succeeds("npx sealwire pki device pump-2");
    const other = await connect("pump-2", 5);
    const notAuthorized = 0x87;
    for (const topic of ["pump-1/telemetry", "pump-1/commands", "pump-2/secrets", "pump-2/commands"])
      assert.equal(await other.publish(topic, "x", 1), notAuthorized, topic);
    assert.equal(await other.publish("pump-2/telemetry", "x", 1), 0);
    await other.subscribe(["#", "pump-1/#"], 1);
    const before = spy.messages.length;
    const output = await succeeds(commands[3]!);
    assert.match(output, /TLS session resumed, /, "the power was off in between");
    await eventually(() => spy.messages.length >= before + 8, "the messages of a run");
    await other.ping();
    assert.deepEqual(
      other.messages.filter(({ topic }) => !topic.startsWith("pump-2/")),
      [],
    );
  });

  it("opens what arrives at a back end elsewhere; no device gets the name of a back end", async () => {
    const device = shell("exec node_modules/.bin/sealwire run pump-1 --no-back-end");
    const opened = await succeeds("npx sealwire open --broker --topic '+/telemetry' --count 4");
    process.kill(-groups.at(-2)!.pid!, "SIGTERM");
    assert.equal((await device).exitCode, 0);
    const lines = opened.split("\n").filter((line) => line.startsWith('"'));
    assert.equal(lines.length, 4);
    for (const line of lines) assert.match(line, /^"pump-1\/telemetry" "pump-1" 0 \d+ "\{\\"count\\":\d/);
    const result = await shell("npx sealwire provision back-end --simulator");
    assert.equal(result.exitCode, 2, "its rights are not those of a device");
    assert.match(result.output, /is a user of this fleet/);
  });

  it("leaves a fleet as it is that is there already", async () => {
    const before = fs.readFileSync(path.join(folder, "fleet-root.key"), "utf8");
    const { exitCode, output } = await shell(commands[0]!);
    assert.equal(exitCode, 3);
    assert.match(output, /There is a fleet in this folder already/);
    assert.equal(fs.readFileSync(path.join(folder, "fleet-root.key"), "utf8"), before);
  });
});
