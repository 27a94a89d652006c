import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { chmodSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { createCrypto } from "../../hosts/node/crypto/crypto.js";
import { toUTF8 } from "../../src/bytes.js";
import { CONTENT_ALGORITHM } from "../../src/cose/index.js";
import { deriveDeviceSecret, readEnvelope, Sealing } from "../../src/sealing/index.js";
import { PlainMosquitto } from "../../tools/brokers/index.js";
import { Device } from "../interop/device.js";
import { eventually } from "../integration/support/eventually.js";
import { requireMosquitto } from "./support/mosquitto.js";
import { killCommands, startCommand } from "./support/run-command.js";
import { temporaryFolder } from "./support/temporary-folder.js";

const main = fileURLToPath(new URL("../../tools/main.js", import.meta.url));
const topic = "sensor-1/telemetry";

/** Runs the command with something on its stdin. */
function pipe(
  args: readonly string[],
  input: Uint8Array,
): Promise<{ exitCode: number; stdout: Buffer; stderr: string }> {
  const child = spawn(process.execPath, [main, ...args], { stdio: ["pipe", "pipe", "pipe"] });
  const out: Buffer[] = [];
  let stderr = "";
  child.stdout.on("data", (bytes: Buffer) => out.push(bytes));
  child.stderr.on("data", (bytes) => (stderr += String(bytes)));
  child.stdin.on("error", () => undefined);
  child.stdin.end(input);
  return new Promise((resolve) =>
    child.once("close", (exitCode) => resolve({ exitCode: exitCode ?? -1, stdout: Buffer.concat(out), stderr })),
  );
}

describe("sealwire seal, sealwire open", function () {
  this.timeout(30_000);
  const folder = temporaryFolder();
  const root = "ab".repeat(32);
  let rootFile: string;

  before(() => {
    rootFile = folder.join("root.key");
    writeFileSync(rootFile, `${root}\n`, { mode: 0o600 });
  });

  after(killCommands);

  it("pass a payload from one to the other, byte for byte, and refuse another topic", async () => {
    const payload = Uint8Array.from({ length: 256 }, (_, i) => i);
    const common = ["--fleet-root", rootFile, "--epoch", "3"];
    const sealed = await pipe(["seal", ...common, "--topic", topic, "--sender", "sensor-1"], payload);
    assert.equal(sealed.exitCode, 0, sealed.stderr);
    assert.ok(sealed.stdout.byteLength > payload.byteLength);
    const opened = await pipe(["open", ...common, "--topic", topic], sealed.stdout);
    assert.equal(opened.exitCode, 0, opened.stderr);
    assert.deepEqual(new Uint8Array(opened.stdout), payload);
    const misrouted = await pipe(["open", ...common, "--topic", "other"], sealed.stdout);
    assert.equal(misrouted.exitCode, 1);
    assert.equal(misrouted.stdout.byteLength, 0);
    assert.match(misrouted.stderr, /does not authenticate/);
  });

  it("remember sequence numbers and what was opened, where a folder is named", async () => {
    const state = ["--state", folder.join("state-s")];
    const seal = ["seal", "--fleet-root", rootFile, "--topic", topic, "--sender", "sensor-1", "--hex", ...state];
    const first = await pipe(seal, toUTF8("one"));
    const open = ["open", "--fleet-root", rootFile, "--topic", topic, "--hex", "--state", folder.join("state-o")];
    assert.equal((await pipe(open, first.stdout)).stdout.toString(), "one");
    const again = await pipe(open, first.stdout);
    assert.equal(again.exitCode, 1);
    assert.match(again.stderr, /delivered before/);
    const second = await pipe(seal, toUTF8("two"));
    const [before, now] = [first, second].map(({ stdout }) =>
      readEnvelope(new Uint8Array(Buffer.from(stdout.toString().trim(), "hex")), CONTENT_ALGORITHM.A128GCM),
    );
    assert.deepEqual(now!.idContext, before!.idContext);
    assert.deepEqual([before!.partialIV, now!.partialIV], [Uint8Array.of(0), Uint8Array.of(64)]);
    assert.equal((await pipe(open, second.stdout)).stdout.toString(), "two");
  });

  it("speak JSON", async () => {
    const common = ["--fleet-root", rootFile, "--topic", topic, "--json"];
    const sealed = await pipe(["seal", ...common, "--sender", "sensor-1"], toUTF8("21.5"));
    const { sealed: bytes, ...said } = JSON.parse(sealed.stdout.toString()) as { sealed: string };
    assert.deepEqual(said, { topic, sender: "sensor-1" });
    const opened = await pipe(["open", ...common], Buffer.from(bytes, "base64"));
    assert.deepEqual(JSON.parse(opened.stdout.toString()), {
      ...{ topic, sender: "sensor-1", epoch: 0, sequence: 0 },
      payload: Buffer.from("21.5").toString("base64"),
    });
  });

  it("want secrets in files that nobody else can read, and name what is wrong", async () => {
    const open = (file: string): ReturnType<typeof pipe> =>
      pipe(["open", "--secret", file, "--topic", topic], new Uint8Array(0));
    const readable = folder.join("readable.key");
    writeFileSync(readable, root);
    chmodSync(readable, 0o644);
    const short = folder.join("short.key");
    writeFileSync(short, "short", { mode: 0o600 });
    for (const [file, expected] of [
      [readable, /chmod 600/],
      [short, /16 to 64 bytes/],
      [folder.join("missing.key"), /does not exist/],
    ] as const) {
      const { exitCode, stderr } = await open(file);
      assert.equal(exitCode, 2, stderr);
      assert.match(stderr, expected);
      assert.equal(stderr.includes(root), false);
    }
    const both = await pipe(
      ["open", "--secret", rootFile, "--fleet-root", rootFile, "--topic", topic],
      new Uint8Array(0),
    );
    assert.equal(both.exitCode, 2);
    const epoch = await pipe(["open", "--secret", rootFile, "--epoch", "-1", "--topic", topic], new Uint8Array(0));
    assert.equal(epoch.exitCode, 2);
  });

  it("subscribe and print: what is genuine to stdout, what is not to stderr", async function () {
    requireMosquitto(this);
    const broker = new PlainMosquitto({});
    await broker.start();
    const crypto = createCrypto();
    const secret = deriveDeviceSecret(
      crypto,
      crypto.importKey("secret", Buffer.from(root, "hex")),
      toUTF8("sensor-1"),
      0,
    );
    const sealing = new Sealing({ encoding: "compact" });
    sealing.open({ crypto, secrets: new Map([[0, secret]]), clientIdentifier: "sensor-1" });
    const login = { user: "sensor-1", password: "sensor-1" };
    const device = new Device({ port: () => broker.port, login }, { version: 4 });
    try {
      const url = `mqtt://127.0.0.1:${broker.port}`;
      const args = ["open", "--fleet-root", rootFile, "--topic", "+/telemetry", "--broker", url, "--count", "3"];
      const command = startCommand(args);
      // It says nothing before the first message: ask the broker, by a message that is retained until it is there.
      const probe = sealing.seal(topic, toUTF8("21.5 \u001b[31m"));
      await device.session.publish(topic, probe, { qos: 1, retain: true });
      await eventually(() => command.output().stdout.length > 0, "the first message");
      await device.session.publish("sensor-2/telemetry", sealing.seal(topic, toUTF8("x")), { qos: 1 });
      await device.session.publish(topic, sealing.seal(topic, toUTF8("22.5")), { qos: 1 });
      const { exitCode, stdout, stderr } = await command.result;
      assert.equal(exitCode, 0, stderr);
      assert.deepEqual(stdout.trim().split("\n"), [
        '"sensor-1/telemetry" "sensor-1" 0 0 "21.5 \\u001b[31m"',
        '"sensor-1/telemetry" "sensor-1" 0 2 "22.5"',
      ]);
      assert.match(stderr, /^sensor-2\/telemetry: SEALED_TAMPERED/);
    } finally {
      await device.stop();
      await broker.stop();
    }
  });
});
