import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import * as net from "node:net";
import * as os from "node:os";
import * as tls from "node:tls";
import mqtt from "mqtt";
import {
  type Broker,
  EmbeddedBroker,
  ExternalBroker,
  freePort,
  type LocalBrokerOptions,
  MosquittoBroker,
  type TLSVersionRange,
} from "../../tools/brokers/index.js";
import { CommandFailure } from "../../tools/failure.js";
import {
  type Credentials,
  DevelopmentPKI,
  fromPEM,
  issueRevocationList,
  importKeys,
  toPEM,
} from "../../tools/pki/index.js";
import { X509Certificate } from "node:crypto";
import { requireMosquitto } from "./support/mosquitto.js";
import { temporaryFolder } from "./support/temporary-folder.js";

const names = ["localhost", "127.0.0.1", "::1"];
const bothVersions: TLSVersionRange = { minimum: "TLSv1.2", maximum: "TLSv1.3" };

/** CONNECT of MQTT 3.1.1, client identifier "test". */
const connectPacket = Buffer.from("101000044d5154540402003c000474657374", "hex");

/** Every port that a test asks for is in use: it listens on it itself. */
async function occupiedPort(): Promise<{ port: number; free: () => void }> {
  const server = net.createServer();
  await once(server.listen(0, "127.0.0.1"), "listening");
  return { port: (server.address() as net.AddressInfo).port, free: () => server.close() };
}

/** Folders of Mosquitto's configuration that exist now. */
function mosquittoFolders(): string[] {
  return fs.readdirSync(os.tmpdir()).filter((name) => name.startsWith("sealwire-mosquitto-"));
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

for (const kind of ["embedded", "mosquitto"] as const)
  describe(`The ${kind} broker`, () => {
    const folder = temporaryFolder();
    let pki: DevelopmentPKI;
    let device: Credentials;
    let other: DevelopmentPKI;
    const started: Broker[] = [];

    function make(options: Partial<LocalBrokerOptions> = {}): EmbeddedBroker | MosquittoBroker {
      const complete = { server: pki.server, root: pki.root, versions: bothVersions, ...options };
      const broker = kind === "embedded" ? new EmbeddedBroker(complete) : new MosquittoBroker(complete);
      started.push(broker);
      return broker;
    }

    function identity(credentials?: Credentials): { ca: string; cert?: string; key?: string } {
      return {
        ca: toPEM("CERTIFICATE", pki.root),
        ...(credentials && {
          cert: credentials.certificateChain.map((der) => toPEM("CERTIFICATE", der)).join(""),
          key: toPEM("PRIVATE KEY", credentials.privateKey),
        }),
      };
    }

    /** The first byte of the broker's answer to a CONNECT; rejects when it ends the connection instead. */
    async function connack(broker: Broker, options: tls.ConnectionOptions): Promise<number> {
      const socket = tls.connect({ host: broker.address, port: broker.port, servername: broker.host, ...options });
      try {
        await once(socket, "secureConnect");
        socket.write(connectPacket);
        const data = await Promise.race([
          once(socket, "data") as Promise<[Buffer]>,
          once(socket, "close").then(() => {
            throw new Error("closed");
          }),
        ]);
        return data[0][0]!;
      } finally {
        socket.destroy();
      }
    }

    before(async function () {
      if (kind === "mosquitto") requireMosquitto(this);
      pki = await DevelopmentPKI.open({ folder: folder.join("dev"), names });
      device = await pki.device("device1");
      other = await DevelopmentPKI.open({ folder: folder.join("other"), names });
    });

    afterEach(async () => {
      for (const broker of started.splice(0)) await broker.stop();
    });

    it("carries a message between clients with certificates of our authority", async () => {
      const broker = make();
      await broker.start();
      const options = { ...identity(device), host: "localhost", port: broker.port, protocol: "mqtts" as const };
      const subscriber = await mqtt.connectAsync({ ...options, clientId: "s", reconnectPeriod: 0 });
      const publisher = await mqtt.connectAsync({ ...options, clientId: "p", reconnectPeriod: 0 });
      try {
        await subscriber.subscribeAsync("a/b", { qos: 1 });
        const received = new Promise<[string, Buffer]>((resolve) => {
          subscriber.once("message", (topic, payload) => resolve([topic, payload]));
        });
        await publisher.publishAsync("a/b", "hello", { qos: 1 });
        const [topic, payload] = await received;
        assert.deepEqual([topic, payload.toString()], ["a/b", "hello"]);
      } finally {
        await subscriber.endAsync(true);
        await publisher.endAsync(true);
      }
    });

    it("refuses a client without a certificate before any MQTT", async () => {
      const broker = make();
      await broker.start();
      await assert.rejects(connack(broker, identity()));
    });

    it("refuses a client whose certificate another authority signed", async () => {
      const broker = make();
      await broker.start();
      await assert.rejects(connack(broker, identity(await other.device("device1"))));
      assert.equal(await connack(broker, identity(device)), 0x20);
    });

    it("refuses a client whose certificate is on a revocation list, and no other", async () => {
      const keys = await importKeys(
        fromPEM("PRIVATE KEY", fs.readFileSync(folder.join("dev/issuing-ca.key"), "utf8"))[0]!,
      );
      const list = await issueRevocationList(
        {
          number: 2,
          thisUpdate: new Date(),
          nextUpdate: new Date(Date.now() + 60_000),
          revoked: [{ serialNumber: new X509Certificate(device.certificateChain[0]!).serialNumber, date: new Date() }],
        },
        { certificate: pki.server.certificateChain[1]!, keys },
      );
      const broker = make({ revocationLists: [pki.revocationLists[0]!, list] });
      await broker.start();
      await assert.rejects(connack(broker, identity(device)));
      assert.equal(await connack(broker, identity(await pki.device("device2"))), 0x20);
    });

    for (const version of ["TLSv1.2", "TLSv1.3"] as const)
      it(`speaks ${version} alone when told so`, async () => {
        const broker = make({ versions: { minimum: version, maximum: version } });
        await broker.start();
        const another = version === "TLSv1.2" ? "TLSv1.3" : "TLSv1.2";
        assert.equal(await connack(broker, { ...identity(device), minVersion: version, maxVersion: version }), 0x20);
        await assert.rejects(connack(broker, { ...identity(device), minVersion: another, maxVersion: another }));
      });

    it("listens on the port it was given", async () => {
      const port = await freePort();
      const broker = make({ port });
      await broker.start();
      assert.equal(broker.port, port);
      assert.equal(await connack(broker, identity(device)), 0x20);
    });

    it("says that the port is in use", async () => {
      const { port, free } = await occupiedPort();
      try {
        await assert.rejects(make({ port }).start(), (error) => {
          assert.ok(error instanceof CommandFailure);
          assert.equal(error.exitCode, 3);
          assert.match(error.message, new RegExp(`^\\S.* port ${port}: the port is in use\\.$`));
          return true;
        });
      } finally {
        free();
      }
    });

    it("stops with clients connected and a handshake under way, and can be stopped again", async () => {
      const broker = make();
      await broker.start();
      const { port } = broker;
      const half = net.connect(port, "127.0.0.1");
      half.on("error", () => undefined);
      await once(half, "connect");
      const client = await mqtt.connectAsync({
        ...identity(device),
        host: "localhost",
        port,
        protocol: "mqtts",
        reconnectPeriod: 0,
      });
      client.on("error", () => undefined);
      await broker.stop();
      await broker.stop();
      const [error] = (await once(net.connect(port, "127.0.0.1"), "error")) as [NodeJS.ErrnoException];
      assert.equal(error.code, "ECONNREFUSED");
      await client.endAsync(true);
      half.destroy();
    });

    if (kind === "embedded")
      it("tells of each connection whether it resumed the session", async () => {
        const broker = make({ versions: { minimum: "TLSv1.2", maximum: "TLSv1.2" } });
        await broker.start();
        const connect = async (session?: Buffer): Promise<{ session: Buffer; port: number }> => {
          const socket = tls.connect({
            ...identity(device),
            host: "127.0.0.1",
            port: broker.port,
            servername: "localhost",
            session,
          });
          await once(socket, "secureConnect");
          socket.write(connectPacket);
          await once(socket, "data");
          const result = { session: socket.getSession()!, port: socket.localPort! };
          socket.destroy();
          return result;
        };
        const first = await connect();
        const second = await connect(first.session);
        assert.equal(broker.resumed(first.port), false);
        assert.equal(broker.resumed(second.port), true);
        assert.equal(broker.resumed(1), undefined);
      });
  });

describe("Starting Mosquitto", () => {
  const folder = temporaryFolder();
  let options: LocalBrokerOptions;

  // A folder for temporary files of its own: what other programs do in the system's does not show here.
  const system = process.env["TMPDIR"];

  before(() => {
    process.env["TMPDIR"] = folder.join();
  });

  after(() => {
    if (system === undefined) delete process.env["TMPDIR"];
    else process.env["TMPDIR"] = system;
  });

  before(async () => {
    const pki = await DevelopmentPKI.open({ folder: folder.join("dev"), names });
    options = { server: pki.server, root: pki.root, versions: bothVersions };
  });

  it("says how to install it when it is missing", async () => {
    const broker = new MosquittoBroker({ ...options, folders: [] });
    await assert.rejects(broker.start(), (error) => {
      assert.ok(error instanceof CommandFailure);
      assert.equal(error.exitCode, 3);
      assert.match(error.message, /^Mosquitto is not installed: .*apt-get install mosquitto.*--broker embedded\.$/);
      return true;
    });
  });

  it("leaves no process and no folder behind", async function () {
    requireMosquitto(this);
    const before = mosquittoFolders();
    const broker = new MosquittoBroker(options);
    await broker.start();
    const pid = broker.pid!;
    assert.ok(isAlive(pid));
    assert.match(broker.name, /^Mosquitto \d+\.\d+/);
    await broker.stop();
    assert.ok(!isAlive(pid));
    assert.deepEqual(mosquittoFolders(), before);
  });

  it("reports when it ends by itself", async function () {
    requireMosquitto(this);
    let report: (reason: string) => void = () => undefined;
    const reported = new Promise<string>((resolve) => (report = resolve));
    const broker = new MosquittoBroker({ ...options, onExit: report });
    await broker.start();
    process.kill(broker.pid!, "SIGKILL");
    assert.match(await reported, /SIGKILL/);
    await broker.stop();
  });

  it("says what Mosquitto said when it ends at once", async function () {
    requireMosquitto(this);
    const before = mosquittoFolders();
    const foreign = await DevelopmentPKI.open({ folder: folder.join("foreign"), names });
    const server = { certificateChain: options.server.certificateChain, privateKey: foreign.server.privateKey };
    const broker = new MosquittoBroker({ ...options, server });
    await assert.rejects(broker.start(), (error) => {
      assert.ok(error instanceof CommandFailure);
      assert.match(error.message, /^Mosquitto ended at once \(.*\): Error: .*key/);
      return true;
    });
    assert.deepEqual(mosquittoFolders(), before);
  });

  it("says when what was found is no Mosquitto", async () => {
    const program = folder.join("mosquitto");
    fs.writeFileSync(program, "#!/bin/sh\nexit 9\n", { mode: 0o755 });
    await assert.rejects(new MosquittoBroker({ ...options, program }).start(), {
      exitCode: 3,
      message: "Mosquitto ended at once (exit code 9).",
    });
  });

  it("takes it down with the process that started it", async function () {
    requireMosquitto(this);
    const before = mosquittoFolders();
    const url = (name: string): string => JSON.stringify(new URL(`../../tools/${name}`, import.meta.url).href);
    const program = `
      import { MosquittoBroker } from ${url("brokers/index.js")};
      import { DevelopmentPKI } from ${url("pki/index.js")};
      const pki = await DevelopmentPKI.open({ folder: ${JSON.stringify(folder.join("dev"))}, names: ["localhost", "127.0.0.1", "::1"] });
      const broker = new MosquittoBroker({ server: pki.server, root: pki.root, versions: { minimum: "TLSv1.2", maximum: "TLSv1.3" } });
      await broker.start();
      console.log(broker.pid);
      process.exit(0);`;
    const child = spawn(process.execPath, ["--input-type=module", "-e", program], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let output = "";
    child.stdout.on("data", (chunk) => (output += String(chunk)));
    await once(child, "close");
    const pid = Number(output);
    assert.ok(pid > 0);
    for (let i = 0; i < 100 && isAlive(pid); i++) await new Promise((resolve) => setTimeout(resolve, 20));
    assert.ok(!isAlive(pid));
    assert.deepEqual(mosquittoFolders(), before);
  });
});

describe("An external broker", () => {
  it("is used where it listens", async () => {
    const { port, free } = await occupiedPort();
    await new ExternalBroker("localhost", port).start();
    free();
  });

  it("is reported when it is down", async () => {
    const port = await freePort();
    await assert.rejects(new ExternalBroker("127.0.0.1", port).start(), {
      code: "CONNECTION_REFUSED",
      exitCode: 3,
      message: `Cannot reach broker 127.0.0.1:${port}: the connection was refused.`,
    });
  });

  it("is reported when its name does not exist", async () => {
    await assert.rejects(new ExternalBroker("broker.invalid", 8883).start(), {
      exitCode: 3,
      message: "Cannot reach broker broker.invalid:8883: the name could not be resolved.",
    });
  });
});
