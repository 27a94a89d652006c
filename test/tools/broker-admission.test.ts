/** Who is let in by the hardened Mosquitto that our tool configures, and who is not. Each refusal stands beside an admission. */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import type { TLSSocket } from "node:tls";
import { once } from "node:events";
import type { ManagedMosquitto, MQTTProbe } from "../../tools/broker/index.js";
import { BrokerWorld, type Identity } from "./support/broker-world.js";
import { requireMosquitto } from "./support/mosquitto.js";
import { temporaryFolder } from "./support/temporary-folder.js";

const NOT_AUTHORIZED = 5;

/** A client that TLS kept out: by the alert, or by the end of the connection right after the handshake, as TLS 1.3 has it. */
async function keptOut(attempt: Promise<MQTTProbe>, alert: RegExp): Promise<void> {
  await assert.rejects(attempt, (error: Error) => {
    const texts: string[] = [];
    for (let cause: unknown = error; cause instanceof Error; cause = cause.cause)
      texts.push(`${cause.message} ${(cause as NodeJS.ErrnoException).code ?? ""}`);
    assert.match(texts.join("\n"), alert);
    return true;
  });
}

describe("A hardened Mosquitto admits", function () {
  this.timeout(60_000);
  const folder = temporaryFolder();
  let world: BrokerWorld;
  let broker: ManagedMosquitto;
  let device: Identity;

  before(async function () {
    requireMosquitto(this);
    world = await BrokerWorld.create(folder.join("world"));
    device = await world.device("dev-1");
    world.permissions([{ topic: "%c/#", operation: "both" }]);
    broker = await world.broker(
      { permissions: world.file("permissions.json"), passwordFile: world.password("alice", "correct horse battery") },
      { authentication: ["certificate", "password"], clientIdentifierPrefix: "dev-" },
    );
  });
  after(() => BrokerWorld.closeAll());

  const byCertificate = (
    identity: Identity | undefined,
    clientIdentifier = "dev-1",
    version?: "TLSv1.2" | "TLSv1.3",
  ): Promise<MQTTProbe> =>
    world.connect(
      broker.port("certificate"),
      identity,
      { clientIdentifier },
      version && { minVersion: version, maxVersion: version },
    );
  const byPassword = (userName?: string, password?: string, clientIdentifier = "dev-9"): Promise<MQTTProbe> =>
    world.connect(broker.port("password"), undefined, { clientIdentifier, userName, password });

  it("a device with a certificate of the fleet's authority, and no other", async () => {
    for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
      assert.equal((await byCertificate(device, "dev-1", version)).code, 0);
      await keptOut(
        byCertificate(undefined, "dev-1", version),
        /handshake failure|certificate required|ended the connection/i,
      );
      await keptOut(
        byCertificate(await world.stranger("dev-1"), "dev-1", version),
        /unknown ca|decrypt error|ended the connection/i,
      );
      await keptOut(
        byCertificate(await world.device("dev-1", Date.now() - 60_000), "dev-1", version),
        /certificate expired|ended the connection/i,
      );
    }
  });

  it("no server certificate as a client's", async () => {
    const server = {
      certificate: fs.readFileSync(world.file("server.pem"), "utf8"),
      key: fs.readFileSync(world.file("server.key"), "utf8"),
      serialNumber: "",
    };
    await keptOut(byCertificate(server), /unsupported certificate|ended the connection/i);
  });

  it("nobody below TLS 1.2", async () => {
    const old = world.secure(broker.port("certificate"), device, {
      minVersion: "TLSv1.1",
      maxVersion: "TLSv1.1",
      ciphers: "DEFAULT@SECLEVEL=0",
    });
    await assert.rejects(old, /version|protocol/i);
  });

  it("nobody who has neither certificate nor password", async () => {
    assert.equal((await byPassword()).code, NOT_AUTHORIZED);
    assert.equal((await byPassword("alice")).code, NOT_AUTHORIZED);
  });

  it("the right password over TLS, and no wrong one", async () => {
    assert.equal((await byPassword("alice", "correct horse battery")).code, 0);
    assert.equal((await byPassword("alice", "correct horse batterz")).code, NOT_AUTHORIZED);
    assert.equal((await byPassword("alice", "")).code, NOT_AUTHORIZED);
    assert.equal((await byPassword("bob", "correct horse battery")).code, NOT_AUTHORIZED);
  });

  it("no password without TLS", async () => {
    const { connect } = await import("node:net");
    const { MQTTProbe: Probe } = await import("../../tools/broker/index.js");
    const socket = connect(broker.port("password"), "127.0.0.1");
    await assert.rejects(
      Probe.connect(socket, {
        clientIdentifier: "dev-9",
        userName: "alice",
        password: "correct horse battery",
        timeout: 3_000,
      }),
      {
        code: "CONNECTION_LOST",
      },
    );
  });

  it("client identifiers with the fleet's prefix", async () => {
    assert.equal((await byCertificate(device, "dev-1")).code, 0);
    assert.equal((await byCertificate(device, "other-1")).code, NOT_AUTHORIZED);
  });

  it("a device under the name in its certificate, whatever it says it is", async () => {
    const one = await byCertificate(device, "dev-2");
    assert.equal(one.code, 0);
    await one.subscribe(["dev-1/x", "dev-2/x"], 1);
    await one.publish("dev-2/x", "forged", 1);
    await one.publish("dev-1/x", "own", 1);
    await one.message(({ topic }) => topic === "dev-1/x");
    await one.ping();
    assert.deepEqual(
      one.messages.map(({ payload }) => payload.toString()),
      ["own"],
    );
  });

  it("only clients on the loopback interface, unless it is told otherwise", async () => {
    const { networkInterfaces } = await import("node:os");
    const { connect } = await import("node:net");
    const other = Object.values(networkInterfaces())
      .flatMap((list) => list ?? [])
      .find(({ internal, family }) => !internal && family === "IPv4");
    const conf = fs.readFileSync(world.file("broker-0/mosquitto.conf"), "utf8");
    assert.match(conf, /^listener \d+ 127\.0\.0\.1$/m);
    if (!other) return;
    const socket = connect(broker.port("certificate"), other.address);
    const [error] = (await once(socket, "error")) as [NodeJS.ErrnoException];
    assert.equal(error.code, "ECONNREFUSED");
  });

  it("reads files that nobody else can", () => {
    for (const name of fs.readdirSync(world.file("broker-0")))
      assert.equal(fs.statSync(world.file(`broker-0/${name}`)).mode & 0o077, 0, name);
  });
});

describe("A hardened Mosquitto and revocation", function () {
  this.timeout(60_000);
  const folder = temporaryFolder();
  let world: BrokerWorld;

  beforeEach(async function () {
    requireMosquitto(this);
    world = await BrokerWorld.create(folder.join(`world-${Math.random()}`));
    world.permissions([{ topic: "%c/#", operation: "both" }]);
  });
  afterEach(() => BrokerWorld.closeAll());

  /** Connects and keeps the newest session that the broker issues. */
  async function withTicket(
    port: number,
    identity: Identity,
    version: "TLSv1.2" | "TLSv1.3",
    session?: Buffer,
  ): Promise<{ socket: TLSSocket; code: number; session: Buffer | undefined; reused: boolean }> {
    let ticket: Buffer | undefined;
    const socket = await world.secure(port, identity, {
      minVersion: version,
      maxVersion: version,
      ...(session && { session }),
    });
    socket.on("session", (issued: Buffer) => (ticket = issued));
    const { MQTTProbe: Probe } = await import("../../tools/broker/index.js");
    const probe = await Probe.connect(socket, { clientIdentifier: "dev-1", timeout: 5_000 });
    await probe.ping();
    return { socket, code: probe.code, session: ticket ?? socket.getSession(), reused: socket.isSessionReused() };
  }

  for (const version of ["TLSv1.2", "TLSv1.3"] as const)
    it(`keeps a revoked device out, a stored ${version} ticket or not; others stay connected`, async () => {
      const device = await world.device("dev-1");
      const other = await world.device("dev-2");
      const broker = await world.broker({ permissions: world.file("permissions.json") });
      const port = broker.port();
      const first = await withTicket(port, device, version);
      first.socket.destroy();
      const resumed = await withTicket(port, device, version, first.session);
      assert.equal(resumed.reused, true, "the ticket must be good before the revocation");
      const bystander = await world.connect(port, other, { clientIdentifier: "dev-2" });
      const pid = broker.pid;

      await world.revoke(device);
      await broker.follow();
      assert.deepEqual(world.changes, [{ source: "revocationList", action: "reloaded" }]);
      await assert.rejects(withTicket(port, device, version, resumed.session));
      await assert.rejects(withTicket(port, device, version));
      // Mosquitto lets a connection go on that it has, and that of the others too.
      await bystander.ping();
      assert.equal(broker.pid, pid);
      assert.equal(resumed.socket.destroyed, false);
      assert.equal((await world.connect(port, other, { clientIdentifier: "dev-2" })).code, 0);
    });

  it("ends a live connection of a revoked device when it restarts on revocation", async () => {
    const device = await world.device("dev-1");
    const other = await world.device("dev-2");
    const broker = await world.broker({ permissions: world.file("permissions.json") }, { restartOnRevocation: true });
    const live = await world.connect(broker.port(), device, { clientIdentifier: "dev-1" });
    // A list that is merely renewed ends nothing.
    await world.revoke();
    await broker.follow();
    await live.ping();
    await world.revoke(device);
    await broker.follow();
    assert.deepEqual(
      world.changes.map(({ action }) => action),
      ["reloaded", "restarted"],
    );
    await live.closed;
    await assert.rejects(world.connect(broker.port(), device, { clientIdentifier: "dev-1" }));
    assert.equal((await world.connect(broker.port(), other, { clientIdentifier: "dev-2" })).code, 0);
  });

  it("is not given a list that would keep everybody out: past its end, of a stranger, or damaged", async () => {
    const device = await world.device("dev-1");
    const broker = await world.broker({ permissions: world.file("permissions.json") });
    const elsewhere = await BrokerWorld.create(folder.join(`world-${Math.random()}`));
    for (const bad of [
      await world.staleList(),
      fs.readFileSync(elsewhere.file("revoked.pem"), "utf8"),
      "rubbish",
      "",
    ]) {
      world.write("revoked.pem", bad);
      await broker.follow();
      assert.equal(world.changes.at(-1)?.action, "refused");
      assert.equal((await world.connect(broker.port(), device, { clientIdentifier: "dev-1" })).code, 0);
    }
    assert.equal(world.changes.length, 4);
  });

  it("is warned of a list that ends within three days, once, and no more when there is a newer one", async () => {
    await world.list(4 * 24 * 60 * 60 * 1000);
    const broker = await world.broker({ permissions: world.file("permissions.json") });
    await broker.follow();
    assert.deepEqual(world.warnings, []);
    await world.list(2 * 24 * 60 * 60 * 1000);
    for (let n = 0; n < 3; n++) await broker.follow();
    assert.equal(world.warnings.length, 1);
    assert.match(world.warnings[0]!, /^The revocation list ends on \d{4}-\d\d-\d\dT/);
  });
});
