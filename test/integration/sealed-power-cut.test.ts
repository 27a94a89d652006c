/**
 * The power fails while a device takes sealed commands from a real broker: before, at and after the write of the replay mark, which comes before the
 * acknowledgement. No command is lost, none is handled again once a mark tells of it, and none can be replayed after the power is back.
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

function handledIn(line: string): string[] {
  return line.startsWith("handled ") ? [line.slice(8)] : [];
}

function isWrite(line: string): boolean {
  return line === `stored ${STORAGE_KEY.mqttInbound}` || line === `stored ${STORAGE_KEY.sealingReplay}`;
}

/** One life of the device, from power on to power off. */
class Life {
  readonly #process: ChildProcess;
  readonly #ended: Promise<unknown>;
  #output = "";
  /** Whether the device ended itself. */
  killed = false;

  constructor(folder: string, port: number, together: number, fault?: StorageFault) {
    const more = fault === undefined ? [] : [JSON.stringify(fault)];
    this.#process = spawn(process.execPath, [program, folder, String(port), String(together), ...more], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    this.#process.stdout!.on("data", (chunk) => (this.#output += String(chunk)));
    this.#ended = once(this.#process, "close").then(() => (this.killed = true));
  }

  get lines(): string[] {
    return this.#output.split("\n").filter((line) => line !== "");
  }

  get handled(): string[] {
    return this.lines.flatMap(handledIn);
  }

  /** Writes of what was received: marks, and snapshots where a mark is too small. */
  get writes(): number {
    return this.lines.filter(isWrite).length;
  }

  /** What was handled after the last write that the device lived to tell of. */
  get handledSince(): string[] {
    const { lines } = this;
    return lines.slice(lines.map(isWrite).lastIndexOf(true) + 1).flatMap(handledIn);
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
  const live = (name: string, together = 1, fault?: StorageFault): Life => {
    const life = new Life(folder.join(name), broker!.port, together, fault);
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
    for (const together of action === "kill-between" ? [1] : [1, 12])
      it(`at each of its writes, ${action}, ${together} handled at once: no command is lost, repeated after its mark, or replayed`, async () => {
        let faults = 0;
        for (let atWrite = 1; ; atWrite++) {
          const name = `${action}-${together}-${atWrite}`;
          const senders = Array.from({ length: together }, (_, i) => sealingOf(`${name}-${i}`));
          const [first] = senders;
          const seal = (text: string, sealing = first!): Uint8Array => sealing.seal(topic, toUTF8(text));
          // The broker learns of the subscription, and the device of nothing else.
          const before = live(name);
          await before.says("subscribed");
          await before.cutPower();
          const commands = together === 1 ? ["open", "close", "open again", "end"] : senders.map((_, i) => `open ${i}`);
          const messages = commands.map((command, i) => seal(command, senders[i % together]));
          for (const message of messages) await send(message);

          const cut = live(name, together, { atWrite, action });
          await eventually(() => cut.killed || cut.handled.length === commands.length, "the commands");
          // What is left to be stored follows the last one at once.
          await send(seal("marker"));
          await cut.says("handled marker");
          await eventually(() => cut.killed || cut.handledSince.length === 0, "the last mark");
          const { killed } = cut;
          await cut.cutPower();
          const then = live(name);
          await then.says("subscribed");
          await send(seal("marker 2"));
          await then.says("handled marker 2");
          const after = then.handled;
          const all = [...cut.handled, ...after];
          for (const command of commands) assert.ok(all.includes(command), `write ${atWrite}: "${command}" was lost`);
          // What was handled, and was not in what was stored last, comes again; nothing else does.
          const repeated = cut.handled.filter((command) => after.includes(command));
          const expected = killed && action !== "kill-after" ? cut.handledSince : [];
          assert.deepEqual(repeated.sort(), [...expected].sort(), `write ${atWrite}`);
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
            const text = again ? "marker 3" : "marker 4";
            await send(seal(text));
            await life.says(`handled ${text}`);
            assert.deepEqual(life.handled.slice(count), [text], `write ${atWrite}: replayed`);
            const refused = life.lines.filter((line) => line === "payload-rejected SEALED_REPLAYED").length;
            assert.equal(refused, 2 * commands.length);
            await eventually(() => life.handledSince.length === 0, "its mark");
            if (!again) await life.cutPower();
          }
          if (!killed) {
            assert.equal(cut.writes, faults);
            break;
          }
          faults++;
        }
        // One for each command that waited for none before it, and one for the marker.
        assert.equal(faults, together === 1 ? 5 : 7);
      });
});

function sealingOf(name: string): Sealing {
  const sealing = new Sealing({ sender: name });
  const secrets = new Map([[0, crypto.importKey("secret", new Uint8Array(32).fill(7))]]);
  sealing.open({ crypto, secrets, clientIdentifier: name });
  return sealing;
}
