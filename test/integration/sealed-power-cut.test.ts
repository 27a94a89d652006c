/**
 * The power fails while a device takes sealed commands from a real broker: before, at and after the write of the replay mark, which comes before the
 * acknowledgement. No command is lost, none is handled again once its mark is stored, and none can be replayed after the power is back.
 */
import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import mqtt, { type MqttClient } from "mqtt";
import { createCrypto } from "../../hosts/node/crypto/crypto.js";
import type { StorageFault } from "../../hosts/node/storage.js";
import { toUTF8 } from "../../src/bytes.js";
import { Sealing } from "../../src/sealing/index.js";
import { STORAGE_KEY } from "../../src/storage/index.js";
import { PlainMosquitto } from "../../tools/brokers/index.js";
import { requireMosquitto } from "../tools/support/mosquitto.js";
import { temporaryFolder } from "../tools/support/temporary-folder.js";
import { eventually } from "./support/eventually.js";

const program = fileURLToPath(new URL("./support/sealed-receiver.js", import.meta.url));
const topic = "device/commands";
const crypto = createCrypto();

/** One life of the device, from power on to power off. */
class Life {
  readonly #process: ChildProcess;
  readonly #ended: Promise<unknown>;
  #output = "";
  /** Whether the device ended itself. */
  killed = false;

  constructor(folder: string, port: number, fault?: StorageFault) {
    const more = fault === undefined ? [] : [JSON.stringify(fault)];
    this.#process = spawn(process.execPath, [program, folder, String(port), ...more], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    this.#process.stdout!.on("data", (chunk) => (this.#output += String(chunk)));
    this.#ended = once(this.#process, "close").then(() => (this.killed = true));
  }

  get lines(): string[] {
    return this.#output.split("\n").filter((line) => line !== "");
  }

  get handled(): string[] {
    return this.lines.flatMap((line) => (line.startsWith("handled ") ? [line.slice(8)] : []));
  }

  /** Replay marks that were stored. */
  get marks(): number {
    return this.lines.filter((line) => line === `stored ${STORAGE_KEY.mqttInbound}`).length;
  }

  /** Until the device says so, or has ended itself. */
  async says(line: string): Promise<void> {
    await eventually(() => this.killed || this.lines.includes(line), `"${line}" in: ${this.lines.join("; ")}`);
  }

  async cutPower(): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#ended;
  }
}

describe("The power fails between the replay mark and the acknowledgement", function () {
  this.timeout(120_000);
  const folder = temporaryFolder();
  let broker: PlainMosquitto | undefined;
  let backEnd: MqttClient | undefined;
  const lives: Life[] = [];
  const live = (name: string, fault?: StorageFault): Life => {
    const life = new Life(folder.join(name), broker!.port, fault);
    lives.push(life);
    return life;
  };

  before(async function () {
    requireMosquitto(this);
    broker = new PlainMosquitto({});
    await broker.start();
    backEnd = await mqtt.connectAsync(`mqtt://127.0.0.1:${broker.port}`, { clientId: "back-end" });
  });
  // One that is left alive would be taken over by the next.
  afterEach(() => Promise.all(lives.splice(0).map((life) => life.cutPower())));
  after(async () => {
    await backEnd?.endAsync(true);
    await broker?.stop();
  });

  const send = (message: Uint8Array, qos: 0 | 1 = 1): Promise<unknown> =>
    backEnd!.publishAsync(topic, Buffer.from(message), { qos });

  for (const action of ["kill-before", "kill-between", "kill-after"] as const)
    it(`at each of its writes (${action}): no command is lost, repeated after its mark, or replayed`, async () => {
      let faults = 0;
      for (let atWrite = 1; ; atWrite++) {
        const name = `${action}-${atWrite}`;
        const sealing = new Sealing({ sender: name });
        const secrets = new Map([[0, crypto.importKey("secret", new Uint8Array(32).fill(7))]]);
        sealing.open({ crypto, secrets, clientIdentifier: name });
        const seal = (text: string): Uint8Array => sealing.seal(topic, toUTF8(text));
        // The broker learns of the subscription, and the device of nothing else.
        const first = live(name);
        await first.says("subscribed");
        await first.cutPower();
        const commands = ["open", "close", "open again", "end"];
        const messages = commands.map(seal);
        for (const message of messages) await send(message);

        const cut = live(name, { atWrite, action });
        await eventually(() => cut.killed || cut.marks === commands.length, "the marks");
        const { killed, handled: before } = cut;
        await cut.cutPower();
        const then = live(name);
        await then.says("subscribed");
        await send(seal("marker"));
        await then.says("handled marker");
        const after = then.handled;
        const all = [...before, ...after];
        for (const command of commands) assert.ok(all.includes(command), `write ${atWrite}: "${command}" was lost`);
        // What was handled, and its mark not stored yet, comes again; nothing else does.
        const marked = killed ? atWrite - (action === "kill-after" ? 0 : 1) : before.length;
        const repeated = before.filter((command) => after.includes(command));
        assert.deepEqual(repeated, before.slice(marked), `write ${atWrite}`);
        assert.deepEqual(
          then.lines.filter((line) => line.startsWith("payload-rejected")),
          [],
          "a repeat is no attack",
        );

        // Whoever recorded the commands plays them again: at once, and after another power cut.
        for (const again of [then, undefined]) {
          if (again === undefined) await then.cutPower();
          const life = again ?? live(name);
          await life.says("subscribed");
          const count = life.handled.length;
          for (const qos of [1, 0] as const) for (const message of messages) await send(message, qos);
          const text = again ? "marker 2" : "marker 3";
          await send(seal(text));
          await life.says(`handled ${text}`);
          assert.deepEqual(life.handled.slice(count), [text], `write ${atWrite}: replayed`);
          assert.equal(life.lines.filter((line) => line === "payload-rejected SEALED_REPLAYED").length, 8);
          if (!again) await life.cutPower();
        }
        if (!killed) break;
        faults++;
      }
      // A mark for each command, and no other write.
      assert.equal(faults, 4);
    });
});
