/** The firmware of `examples/` as a device team starts from it, provisioned and against a real broker, on Node and on XS. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Board, createPlatform, type BoardExit } from "../../hosts/node/index.js";
import { clientIdentifier } from "../../src/identity/index.js";
import { Device } from "../../src/index.js";
import { Sealing } from "../../src/sealing/index.js";
import { Permissions } from "../../src/permissions/index.js";
import { encodeProvisioningRecord } from "../../src/vault/index.js";
import { MosquittoBroker } from "../../tools/brokers/index.js";
import { type Credentials as Issued, DevelopmentPKI, parseCertificateRequest } from "../../tools/pki/index.js";
import { XSLauncher } from "../../tools/simulate/xs-launcher.js";
import { hostIsBuilt } from "../hosts/xs/support.js";
import { requireMosquitto } from "../tools/support/mosquitto.js";
import { temporaryFolder } from "../tools/support/temporary-folder.js";
import { eventually } from "./support/eventually.js";

const versions = { minimum: "TLSv1.2", maximum: "TLSv1.2" } as const;
const secret = (): Uint8Array => createHash("sha256").update("the payload secret of these tests").digest();

for (const engine of ["Node", "XS"] as const)
  describe(`The examples on ${engine}`, function () {
    this.timeout(60_000);
    const folder = temporaryFolder();
    let pki: DevelopmentPKI;
    let broker: MosquittoBroker;
    let issued: Issued;
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
      issued = await pki.device(identifier);
      provision();
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

    function provision(permissions?: Uint8Array): void {
      const record = encodeProvisioningRecord({
        broker: { host: "localhost", port: broker.port },
        trustAnchors: [pki.root],
        certificateChain: issued.certificateChain,
        privateKey: issued.privateKey,
        payloadSecrets: new Map([[0, secret()]]),
        permissions,
      });
      writeFileSync(join(home, "provisioning.bin"), record, { mode: 0o600 });
    }

    /** Sees what the broker sees. A device of the back end's opens what has a sealed subscription, so it is another one. */
    function watcher(): Device {
      const platform = createPlatform({
        folder: folder.join(`spy-${count++}`),
        wakeCause: "power",
        hosts: { localhost: "127.0.0.1" },
        log: () => undefined,
        powerDown: () => undefined,
      });
      return new Device({
        platform,
        clientIdentifier: "spy",
        credentials: {
          broker: { host: "localhost", port: broker.port },
          trustAnchors: [pki.root],
          certificateChain: backEndIssued.certificateChain,
          privateKey: platform.crypto.importKey("private", backEndIssued.privateKey),
        },
      });
    }

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

    it("telemetry: with a payload secret, seals its readings, and renews its certificate when asked sealed, not when asked in the clear", async () => {
      const counts: number[] = [];
      const seen: [string, string][] = [];
      await backEnd.subscribe(
        `${identifier}/telemetry`,
        ({ payload }) => void counts.push((JSON.parse(Buffer.from(payload).toString()) as { count: number }).count),
        { qos: 1, sealed: true },
      );
      await backEnd.subscribe(
        `${identifier}/certificate/request`,
        async ({ payload }) => {
          const { publicKey } = await parseCertificateRequest(payload, "of the device");
          const chain = await pki.sign(identifier, publicKey);
          await backEnd.publish(`${identifier}/certificate/chain`, Buffer.concat(chain), { qos: 1, seal: true });
        },
        { qos: 1, sealed: true },
      );
      const spy = watcher();
      const wakes = (): number => lines.filter((line) => line.includes(" starts (")).length;
      const renewal = `${identifier}/certificate/renew`;
      const asked = (): boolean => seen.some(([topic]) => topic.endsWith("/certificate/request"));
      try {
        await spy.start();
        await spy.subscribe(
          `${identifier}/#`,
          ({ topic, payload }) => void seen.push([topic, Buffer.from(payload).toString("latin1")]),
          { qos: 1 },
        );
        await run("telemetry");
        await eventually(() => counts.length > 0, `a reading; ${lines.join("\n")}`, 20_000);
        await spy.publish(renewal, "renew", { qos: 1 });
        await eventually(() => wakes() >= 3, `two sleeps; ${lines.join("\n")}`, 20_000);
        assert.equal(asked(), false, lines.join("\n"));
        await backEnd.publish(renewal, "renew", { qos: 1, seal: true });
        await eventually(
          () => lines.some((line) => line.includes("renewed")),
          `the renewal; ${lines.join("\n")}`,
          20_000,
        );
        assert.deepEqual(counts.slice(0, 4), [1, 2, 3, 4]);
        assert.equal(asked(), true);
        // Neither the JSON of a reading, nor the DER of a request or a chain.
        for (const [topic, payload] of seen)
          if (topic !== renewal) assert.doesNotMatch(payload, /count|^\x30[\x81\x82]/, topic);
      } finally {
        await spy.stop();
      }
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

    it("sealed-telemetry: seals its readings, does sealed commands of before its wake, and keeps to its permissions", async () => {
      const permissions = new Permissions([
        { topic: "%c/telemetry", operation: "publish" },
        { topic: "%c/answers", operation: "publish" },
        { topic: "%c/commands", operation: "subscribe" },
      ]);
      provision(permissions.toBytes());
      const opened: string[] = [];
      const seen: string[] = [];
      const text = (payload: Uint8Array): string => Buffer.from(payload).toString();
      for (const topic of ["telemetry", "answers"])
        await backEnd.subscribe(`${identifier}/${topic}`, ({ payload }) => void opened.push(text(payload)), {
          qos: 1,
          sealed: true,
        });
      const spy = watcher();
      try {
        await spy.start();
        await spy.subscribe(`${identifier}/#`, ({ payload }) => void seen.push(text(payload)), { qos: 1 });
        await run("sealed-telemetry");
        await eventually(() => exits.length > 0, `the sleep; ${lines.join("\n")}`, 20_000);
        assert.deepEqual([exits[0]?.reason, exits[0]?.milliseconds], ["sleep", 1000], lines.join("\n"));
        assert.deepEqual(
          opened.map((reading) => (JSON.parse(reading) as { count: number }).count),
          [1, 2, 3],
        );
        await backEnd.publish(`${identifier}/commands`, "in the clear", { qos: 1 });
        await backEnd.publish(`${identifier}/commands`, "blink", { qos: 1, seal: true });
        await eventually(() => opened.includes("done: blink"), `the answer; ${lines.join("\n")}`, 20_000);
        const log = lines.join("\n");
        assert.match(log, /security: payload-rejected/);
        assert.match(log, /security: permission-refused: .*secrets/);
        assert.doesNotMatch(log, /command: in the clear/);
        assert.equal(seen.length >= 5, true);
        for (const payload of seen) assert.doesNotMatch(payload, /count|done|^blink/);
      } finally {
        await spy.stop();
      }
    });
  });
