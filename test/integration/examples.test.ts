/** The firmware of `examples/` as a device team starts from it, provisioned and against a real broker, on Node and on XS. */
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Board, createPlatform, type BoardExit } from "../../hosts/node/index.js";
import { clientIdentifier } from "../../src/identity/index.js";
import { Device, Sealing } from "../../src/index.js";
import { encodeProvisioningRecord } from "../../src/vault/index.js";
import { MosquittoBroker } from "../../tools/brokers/index.js";
import { type Credentials as Issued, DevelopmentPKI } from "../../tools/pki/index.js";
import { XSLauncher } from "../../tools/simulate/xs-launcher.js";
import { hostIsBuilt } from "../hosts/xs/support.js";
import { requireMosquitto } from "../tools/support/mosquitto.js";
import { temporaryFolder } from "../tools/support/temporary-folder.js";
import { eventually } from "./support/eventually.js";

const versions = { minimum: "TLSv1.2", maximum: "TLSv1.2" } as const;
const secret = (): Uint8Array => new Uint8Array(32).fill(7);

for (const engine of ["Node", "XS"] as const)
  describe(`The examples on ${engine}`, function () {
    this.timeout(60_000);
    const folder = temporaryFolder();
    let pki: DevelopmentPKI;
    let broker: MosquittoBroker;
    let backEndIssued: Issued;
    let backEnd: Device;
    let board: Board | undefined;
    let home: string;
    let identifier: string;
    let lines: string[];
    let exits: BoardExit[];
    let count = 0;

    if (engine === "XS") before(hostIsBuilt({ bits: 64, sanitize: false }));
    before(async function () {
      requireMosquitto(this);
      pki = await DevelopmentPKI.open({ folder: folder.join("pki"), names: ["localhost"] });
      backEndIssued = await pki.device("backend");
      broker = new MosquittoBroker({ server: pki.server, root: pki.root, versions });
      await broker.start();
    });
    after(() => broker.stop());

    beforeEach(async () => {
      home = folder.join(`device-${count}`);
      mkdirSync(home, { mode: 0o700 });
      identifier = clientIdentifier(createPlatform({ folder: home }).mac());
      const { certificateChain, privateKey } = await pki.device(identifier);
      const record = encodeProvisioningRecord({
        broker: { host: "localhost", port: broker.port },
        trustAnchors: [pki.root],
        certificateChain,
        privateKey,
        payloadSecrets: new Map([[0, secret()]]),
      });
      writeFileSync(join(home, "provisioning.bin"), record, { mode: 0o600 });
      [lines, exits] = [[], []];
      const platform = createPlatform({
        folder: folder.join(`backend-${count++}`),
        wakeCause: "power",
        hosts: { localhost: "127.0.0.1" },
        log: () => undefined,
        powerDown: () => undefined,
      });
      backEnd = new Device({
        platform,
        clientIdentifier: "backend",
        sealing: new Sealing(),
        credentials: {
          broker: { host: "localhost", port: broker.port },
          trustAnchors: [pki.root],
          certificateChain: backEndIssued.certificateChain,
          privateKey: platform.crypto.importKey("private", backEndIssued.privateKey),
          payloadSecrets: new Map([[0, platform.crypto.importKey("secret", secret())]]),
        },
      });
      await backEnd.start();
    });
    afterEach(async () => {
      await board?.off();
      await backEnd.stop();
    });

    async function run(example: string): Promise<void> {
      board = new Board({
        folder: home,
        firmware: fileURLToPath(new URL(`../../examples/${example}/main.js`, import.meta.url)),
        hosts: { localhost: "127.0.0.1" },
        launcher: engine === "XS" ? await XSLauncher.prepare({ bits: 64, heap: undefined }, versions) : undefined,
        onLog: (line) => lines.push(line),
        onExit: (exit) => exits.push(exit),
      });
      await board.powerOn();
    }

    it("sensor: publishes one reading, and sleeps for ten minutes", async () => {
      const readings: string[] = [];
      await backEnd.subscribe("+/telemetry", ({ payload }) => void readings.push(Buffer.from(payload).toString()), {
        qos: 1,
      });
      await run("sensor");
      await eventually(() => exits.length > 0, "the sleep", 20_000);
      assert.deepEqual([exits[0]?.reason, exits[0]?.milliseconds], ["sleep", 600_000], lines.join("\n"));
      assert.equal(readings.length, 1);
      assert.equal(typeof (JSON.parse(readings[0]!) as { uptime: unknown }).uptime, "number");
      assert.match(lines.join("\n"), /connected in [0-9]+ ms, full handshake/);
    });

    it("meter: stays up, publishes from its start on, and says when it is gone and when it is back", async () => {
      const readings: number[] = [];
      const status: string[] = [];
      await backEnd.subscribe(
        `${identifier}/telemetry`,
        ({ payload }) => void readings.push((JSON.parse(Buffer.from(payload).toString()) as { count: number }).count),
        { qos: 1 },
      );
      await backEnd.subscribe(
        `${identifier}/status`,
        ({ payload }) => void status.push(Buffer.from(payload).toString()),
        {
          qos: 1,
        },
      );
      await run("meter");
      await eventually(() => readings.length >= 2 && status.length > 0, "its readings", 20_000);
      assert.deepEqual(readings.slice(0, 2), [1, 2]);
      assert.deepEqual(status, ["online"]);
      await board!.powerCut();
      await eventually(() => status.length === 2, "the will", 20_000);
      assert.equal(status[1], "offline");
      await board!.powerOn();
      await eventually(
        () => status.length === 3 && readings.filter((each) => each === 1).length === 2,
        "its return",
        20_000,
      );
      assert.equal(status[2], "online");
      assert.deepEqual(
        exits.filter(({ reason }) => reason !== "power"),
        [],
        lines.join("\n"),
      );
    });

    it("commands: does sealed commands and answers sealed, and none that the broker could have made", async () => {
      const answers: [string, string][] = [];
      await backEnd.subscribe(
        `${identifier}/answers/+`,
        ({ topic, payload }) => void answers.push([topic.slice(identifier.length), Buffer.from(payload).toString()]),
        { qos: 1, sealed: true },
      );
      await run("commands");
      await eventually(() => lines.some((line) => line.includes("waits for commands")), "the firmware", 20_000);
      await backEnd.publish(`${identifier}/commands/echo`, "in the clear", { qos: 1 });
      await backEnd.publish(`${identifier}/commands/echo`, "hello", { qos: 1, seal: true });
      await backEnd.publish(`${identifier}/commands/toString`, "", { qos: 1, seal: true });
      await eventually(() => answers.length >= 2, `the answers; ${lines.join("\n")}`, 10_000);
      assert.deepEqual(answers, [
        ["/answers/echo", "hello"],
        ["/answers/toString", "unknown command"],
      ]);
    });
  });
