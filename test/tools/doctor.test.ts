/** `sealwire doctor`: what it says of a good broker, and of each fault. */
import assert from "node:assert/strict";
import { once } from "node:events";
import * as fs from "node:fs";
import * as net from "node:net";
import * as tls from "node:tls";
import { freePort } from "../../tools/brokers/index.js";
import { examine } from "../../tools/doctor/examine.js";
import { clientHello, judge, probeFragmentLength } from "../../tools/doctor/fragment.js";
import { Report } from "../../tools/doctor/report.js";
import type { Target } from "../../tools/doctor/target.js";
import type { ManagedMosquitto } from "../../tools/broker/index.js";
import { BrokerWorld, type Identity } from "./support/broker-world.js";
import { requireMosquitto } from "./support/mosquitto.js";
import { killCommands, runCommand } from "./support/run-command.js";
import { temporaryFolder } from "./support/temporary-folder.js";

async function look(target: Target): Promise<Map<string, string>> {
  const report = new Report();
  await examine(target, report);
  return new Map(report.checks.map(({ name, status, sentence }) => [name, `${status}: ${sentence}`]));
}

describe("sealwire doctor", function () {
  this.timeout(120_000);
  const folder = temporaryFolder();
  let world: BrokerWorld;
  let broker: ManagedMosquitto;
  let device: Identity;
  let good: Target;

  before(async function () {
    requireMosquitto(this);
    world = await BrokerWorld.create(folder.join("world"));
    device = await world.device("dev-1");
    world.permissions([{ topic: "%c/out", operation: "publish" }]);
    broker = await world.broker(
      { permissions: world.file("permissions.json"), passwordFile: world.password("alice", "correct horse battery") },
      { authentication: ["certificate", "password"], limits: { maximumPacketSize: 4_000, maximumQoS: 1 } },
    );
    good = {
      host: "localhost",
      port: broker.port("certificate"),
      ca: fs.readFileSync(world.file("ca.pem"), "utf8"),
      revocationLists: fs.readFileSync(world.file("revoked.pem"), "utf8"),
      certificate: device.certificate,
      key: device.key,
      clientIdentifier: "dev-1",
      timeout: 5_000,
      publish: "dev-1/out",
      subscribe: "dev-1/in",
    };
  });
  afterEach(() => killCommands());
  after(() => BrokerWorld.closeAll());

  it("finds nothing wrong with a hardened Mosquitto, and sees it resume in three ways", async () => {
    const found = await look(good);
    const statuses = Object.fromEntries([...found].map(([name, text]) => [name, text.split(":")[0]]));
    assert.deepEqual(statuses, {
      // Issued for a day, as all of this world.
      "client-certificate": "warn",
      dns: "pass",
      tcp: "pass",
      "tls-versions": "pass",
      tls: "pass",
      chain: "pass",
      name: "pass",
      dates: "warn",
      revocation: "pass",
      "fragment-length": "pass",
      connect: "pass",
      limits: "pass",
      subscribe: "pass",
      publish: "pass",
      strangers: "pass",
      "resumption-ticket": "pass",
      "resumption-id": "pass",
      "resumption-tls13": "pass",
    });
    assert.match(found.get("limits")!, /packets up to 4,000 bytes, QoS up to 1/);
    assert.match(found.get("connect")!, /MQTT 3\.1\.1 and 5\.0/);
    assert.match(found.get("client-certificate")!, /ends in 0 days/);
  });

  it("tells DNS from TCP", async () => {
    const name = await look({ ...good, host: "no-such-host.invalid" });
    assert.match(name.get("dns")!, /^fail: The name no-such-host\.invalid cannot be resolved/);
    assert.equal(name.has("tcp"), false);
    const port = await look({ ...good, port: await freePort() });
    assert.match(port.get("tcp")!, /^fail: .*nothing listens there/);
    assert.equal(port.has("tls"), false);
  });

  it("tells a port that does not speak TLS", async () => {
    const server = net.createServer((socket) =>
      socket.on("error", () => undefined).end("HTTP/1.1 400 Bad Request\r\n\r\n"),
    );
    await once(server.listen(0, "127.0.0.1"), "listening");
    try {
      const found = await look({ ...good, host: "127.0.0.1", port: (server.address() as net.AddressInfo).port });
      assert.match(found.get("tls")!, /^fail: There is no TLS connection: .*does not speak TLS/);
      assert.match(found.get("tls-versions")!, /^fail/);
    } finally {
      server.close();
    }
  });

  describe("the broker's certificate", () => {
    /** A TLS server that speaks no MQTT: what is said of its certificate comes before that, and whoever says something is shown out. */
    async function withServer(
      identity: Identity,
      body: (port: number) => Promise<void>,
      options: tls.TlsOptions = {},
    ): Promise<void> {
      const server = tls.createServer({ cert: identity.certificate, key: identity.key, ...options }, (socket) =>
        socket.on("error", () => undefined).on("data", () => socket.destroy()),
      );
      server.on("tlsClientError", () => undefined);
      await once(server.listen(0, "127.0.0.1"), "listening");
      try {
        await body((server.address() as net.AddressInfo).port);
      } finally {
        server.close();
      }
    }
    const target = (port: number, more: Partial<Target> = {}): Target => ({ ...good, port, ...more });

    it("for another name", () =>
      world.server(["other.example"]).then((identity) =>
        withServer(identity, async (port) => {
          const found = await look(target(port));
          assert.match(found.get("name")!, /^fail: .*not for localhost: it is for DNS:other\.example/);
          assert.match(found.get("chain")!, /^pass/);
        }),
      ));

    it("expired", () =>
      world.server(["localhost"], Date.now() - 60_000).then((identity) =>
        withServer(identity, async (port) => {
          const found = await look(target(port));
          assert.match(found.get("dates")!, /^fail: CN=other expired on /);
          assert.match(found.get("chain")!, /^pass/);
        }),
      ));

    it("revoked; or a list that ended, or of somebody else", () =>
      world.server(["localhost"]).then((identity) =>
        withServer(identity, async (port) => {
          const revoked = fs.readFileSync(await world.revoke(identity), "utf8");
          assert.match(
            (await look(target(port, { revocationLists: revoked }))).get("revocation")!,
            /^fail: CN=other is revoked/,
          );
          assert.match(
            (await look(target(port, { revocationLists: await world.staleList() }))).get("revocation")!,
            /^fail: .* ended on /,
          );
          const elsewhere = await BrokerWorld.create(folder.join("elsewhere"));
          const foreign = fs.readFileSync(elsewhere.file("revoked.pem"), "utf8");
          assert.match((await look(target(port, { revocationLists: foreign }))).get("revocation")!, /^fail: None of /);
          assert.match((await look(target(port, { revocationLists: undefined }))).get("revocation")!, /^skip/);
        }),
      ));

    it("not trusted, or without what is between; no password is sent then", () =>
      world.server(["localhost"]).then(async (identity) => {
        const elsewhere = await BrokerWorld.create(folder.join("another"));
        const ca = fs.readFileSync(elsewhere.file("ca.pem"), "utf8");
        await withServer(identity, async (port) => {
          const found = await look(
            target(port, { ca, revocationLists: undefined, userName: "alice", password: "correct horse battery" }),
          );
          assert.match(found.get("chain")!, /^fail: The broker's certificate is not trusted: /);
          assert.match(found.get("connect")!, /^skip: .*no password is sent/);
        });
        const [leaf] = identity.certificate.split(/(?<=-----END CERTIFICATE-----\n)/);
        const [root] = good.ca!.split(/(?<=-----END CERTIFICATE-----\n)/);
        await withServer({ ...identity, certificate: leaf! }, async (port) => {
          const found = await look(target(port, { ca: root, revocationLists: undefined }));
          assert.match(found.get("chain")!, /^fail: .*(between|alone)/);
        });
      }));

    it("and TLS 1.1, which should be gone", () =>
      world.server(["localhost"]).then((identity) =>
        withServer(
          identity,
          async (port) => {
            const found = await look(target(port));
            assert.match(found.get("tls-versions")!, /^warn: .*TLS 1\.1 or older/);
          },
          { minVersion: "TLSv1", ciphers: "ALL:@SECLEVEL=0" },
        ),
      ));
  });

  describe("the device's credentials", () => {
    it("expired, not of this key, or unreadable: told before anything is sent", async () => {
      const expired = await world.device("dev-1", Date.now() - 60_000);
      const other = await world.device("dev-1");
      assert.match(
        (await look({ ...good, certificate: expired.certificate, key: expired.key })).get("client-certificate")!,
        /^fail: .*expired on/,
      );
      assert.match(
        (await look({ ...good, key: other.key })).get("client-certificate")!,
        /^fail: The private key is not that of/,
      );
      assert.match(
        (await look({ ...good, key: "rubbish" })).get("client-certificate")!,
        /^fail: The private key cannot be read/,
      );
      assert.match(
        (await look({ ...good, certificate: "rubbish" })).get("client-certificate")!,
        /^fail: The client certificate cannot be read/,
      );
    });

    it("absent, of another authority, or of another name", async () => {
      const none = await look({ ...good, certificate: undefined, key: undefined });
      assert.match(none.get("connect")!, /^fail: .*wants a client certificate/);
      const stranger = await world.stranger("dev-1");
      const unknown = await look({ ...good, certificate: stranger.certificate, key: stranger.key });
      assert.match(unknown.get("connect")!, /^fail: .*(does not know the authority|a signature is wrong)/);
      // It is not the broker's fault that the handshake fails.
      for (const found of [none, unknown])
        assert.equal(found.get("tls-versions"), "pass: The broker speaks TLS 1.2 and TLS 1.3, and nothing older.");
      assert.match(
        (await look({ ...good, clientIdentifier: "dev-2" })).get("client-certificate")!,
        /^warn: .*"dev-1".*"dev-2"/,
      );
    });

    it("a wrong password; a right one", async () => {
      const login = {
        ...good,
        port: broker.port("password"),
        certificate: undefined,
        key: undefined,
        userName: "alice",
        clientIdentifier: "alice",
        publish: "alice/out",
        subscribe: undefined,
      };
      const wrong = await look({ ...login, password: "wrong" });
      assert.match(wrong.get("connect")!, /^fail: .*refuses the device with code (5|135|134): /);
      const right = await look({ ...login, password: "correct horse battery" });
      assert.match(right.get("connect")!, /^pass/);
      assert.match(right.get("publish")!, /^pass/);
      assert.match(right.get("strangers")!, /^pass/);
      assert.ok(![...wrong.values(), ...right.values()].join().includes("battery"));
    });

    it("without the permission to publish", async () => {
      assert.match(
        (await look({ ...good, publish: "dev-2/out" })).get("publish")!,
        /^fail: The broker refuses a message to dev-2\/out \(code 135\)/,
      );
    });

    it("revoked", async () => {
      const revoked = await world.device("dev-9");
      await world.revoke(revoked);
      await broker.follow();
      const found = await look({
        ...good,
        certificate: revoked.certificate,
        key: revoked.key,
        clientIdentifier: "dev-9",
        revocationLists: undefined,
      });
      assert.match(found.get("connect")!, /^fail: .*says that the client certificate is revoked/);
      assert.match(found.get("tls-versions")!, /^pass: .*TLS 1\.2 and TLS 1\.3/);
    });
  });

  it("as a command: sentences or JSON, and exit codes", async () => {
    const args = [
      "doctor",
      `mqtts://localhost:${broker.port("certificate")}`,
      "--ca",
      world.file("ca.pem"),
      "--client-id",
      "dev-1",
    ];
    const cert = world.write("dev-1.pem", device.certificate);
    const key = world.write("dev-1.key", device.key);
    const right = await runCommand([...args, "--cert", cert, "--key", key, "--json"]);
    assert.equal(right.exitCode, 0, right.stdout + right.stderr);
    const { ok, checks } = JSON.parse(right.stdout) as {
      ok: boolean;
      checks: { name: string; status: string; sentence: string }[];
    };
    assert.ok(ok && checks.length >= 14);
    const wrong = await runCommand(args);
    assert.equal(wrong.exitCode, 1);
    assert.match(wrong.stdout, /^FAIL {2}There is no MQTT connection: /m);
    assert.match(wrong.stdout, /1 failed\.\n$/);
    assert.equal((await runCommand([...args, "--cert", cert])).exitCode, 2);
    assert.equal((await runCommand([...args, "--crl", folder.join("none")])).exitCode, 3);
    const bad = await runCommand(["doctor", "mqtts://alice:hunter2@localhost"]);
    assert.equal(bad.exitCode, 2);
    assert.ok(!bad.stderr.includes("hunter2"));
    assert.equal((await runCommand(["doctor", "mqtt://localhost"])).exitCode, 2);
  });
});

describe("The probe for small TLS records", () => {
  const record = (type: number, body: Buffer): Buffer =>
    Buffer.concat([Buffer.of(type, 3, 3, body.byteLength >> 8, body.byteLength & 255), body]);
  const message = (type: number, body: Buffer): Buffer =>
    Buffer.concat([Buffer.of(type, 0, body.byteLength >> 8, body.byteLength & 255), body]);
  const hello = (extensions: Buffer): Buffer =>
    message(
      2,
      Buffer.concat([
        Buffer.of(3, 3),
        Buffer.alloc(32),
        Buffer.of(0),
        Buffer.of(0xc0, 0x2b, 0),
        Buffer.of(0, extensions.byteLength),
        extensions,
      ]),
    );
  const acknowledged = Buffer.of(0, 1, 0, 1, 1);

  it("tells a server that honours it from one that does not answer it, or not keep it", () => {
    const certificate = message(11, Buffer.alloc(700));
    const fragments = [certificate.subarray(0, 500), certificate.subarray(500)].map((part) => record(22, part));
    const split = Buffer.concat([
      record(22, hello(acknowledged)),
      ...fragments,
      record(22, message(14, Buffer.alloc(0))),
    ]);
    assert.deepEqual(judge(split, 512), { result: "honoured", largestRecord: 500, alert: undefined });
    const whole = Buffer.concat([record(22, hello(acknowledged)), record(22, certificate)]);
    assert.equal(judge(whole, 512).result, "acknowledged, not kept");
    assert.equal(
      judge(Buffer.concat([record(22, hello(Buffer.alloc(0))), record(22, certificate)]), 512).result,
      "ignored",
    );
    assert.deepEqual(judge(record(21, Buffer.of(2, 70)), 512), { result: "unknown", largestRecord: 2, alert: 70 });
  });

  it("is not led astray by any part of an answer, or by bytes that are none", () => {
    const answer = Buffer.concat([record(22, hello(acknowledged)), record(22, message(14, Buffer.alloc(0)))]);
    for (let length = 0; length < answer.byteLength; length++) judge(answer.subarray(0, length), 512);
    for (let at = 0; at < answer.byteLength; at++) {
      const broken = Buffer.from(answer);
      broken[at] = 0xff;
      judge(broken, 512);
    }
    assert.equal(judge(Buffer.from("HTTP/1.1 400 Bad Request\r\n\r\n"), 512).result, "unknown");
  });

  it("writes a ClientHello that says its own lengths right", () => {
    const bytes = clientHello(1024, "broker.example");
    assert.equal(bytes.readUInt16BE(3), bytes.byteLength - 5);
    assert.equal(bytes.readUIntBE(6, 3), bytes.byteLength - 9);
    assert.ok(bytes.includes(Buffer.of(0, 1, 0, 1, 2)));
    assert.ok(bytes.includes("broker.example"));
  });

  it("ends in time when a server says nothing, or too much", async () => {
    const server = net.createServer((socket) => {
      socket.on("error", () => undefined);
      socket.once("data", () => socket.write(Buffer.alloc(200_000, record(22, Buffer.alloc(1_000)))));
    });
    await once(server.listen(0, "127.0.0.1"), "listening");
    const { port } = server.address() as net.AddressInfo;
    const result = await probeFragmentLength({ host: "127.0.0.1", port }, 512, 2_000);
    assert.equal(result.result, "unknown");
    const silent = net.createServer(() => undefined);
    await once(silent.listen(0, "127.0.0.1"), "listening");
    const before = Date.now();
    assert.equal(
      (await probeFragmentLength({ host: "127.0.0.1", port: (silent.address() as net.AddressInfo).port }, 512, 200))
        .result,
      "unknown",
    );
    assert.ok(Date.now() - before < 2_000);
    server.close();
    silent.close();
  });
});
