/** A device against real brokers over real TLS: what resumes, what does not, and what is refused. */
import assert from "node:assert/strict";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { createServer, type Server, type TLSSocket } from "node:tls";
import { type ErrorCode, SealwireError } from "../../src/errors.js";
import type { TLSVersion } from "../../src/platform.js";
import { type Broker, EmbeddedBroker, MosquittoBroker } from "../../tools/brokers/index.js";
import {
  type Authority,
  DevelopmentPKI,
  exportPrivateKey,
  generateKeys,
  issueDevice,
  issueRevocationList,
  issueRoot,
  issueServer,
  type KeyPair,
  toPEM,
} from "../../tools/pki/index.js";
import { Tap } from "../../tools/simulate/tap.js";
import { requireMosquitto } from "../tools/support/mosquitto.js";
import { temporaryFolder } from "../tools/support/temporary-folder.js";
import { eventually } from "./support/eventually.js";
import { SimulatedDevice, type SimulatedDeviceOptions } from "./support/simulated-device.js";

const day = 86_400_000;

for (const kind of ["embedded", "mosquitto"] as const)
  for (const version of ["TLSv1.2", "TLSv1.3"] as const)
    describe(`A device on the ${kind} broker, ${version}`, function () {
      this.timeout(20_000);
      const folder = temporaryFolder();
      let pki: DevelopmentPKI;
      let broker: Broker;
      let tap: Tap;
      let simulated: SimulatedDevice;
      let count = 0;

      before(async function () {
        if (kind === "mosquitto") requireMosquitto(this);
        pki = await DevelopmentPKI.open({ folder: folder.join("pki"), names: ["localhost"] });
      });

      beforeEach(async () => {
        const options = { server: pki.server, root: pki.root, versions: { minimum: version, maximum: version } };
        broker = kind === "embedded" ? new EmbeddedBroker(options) : new MosquittoBroker(options);
        await broker.start();
        tap = new Tap({ target: { address: broker.address, port: broker.port } });
        await tap.start();
        simulated = await start();
      });

      afterEach(async () => {
        await simulated.device.stop();
        await tap.stop();
        await broker.stop();
      });

      async function start(more: Partial<SimulatedDeviceOptions> = {}): Promise<SimulatedDevice> {
        const issued = await pki.device("device");
        return new SimulatedDevice({
          folder: folder.join(`device-${count++}`),
          port: tap.port,
          root: pki.root,
          issued,
          ...more,
          device: { clientIdentifier: "device", ...more.device },
        });
      }

      /** Whether connection `n` was resumed, asked of the device's TLS library and of the server's own handshake. */
      async function resumed(n: number): Promise<boolean> {
        const { resumed: device, protocol } = await simulated.connected(n);
        assert.equal(protocol, version);
        const decision = tap.connections.at(-1)?.decision;
        assert.equal(decision?.resumed, device, "the device and the server's handshake disagree");
        return device;
      }

      it("resumes after the connection was destroyed, a deep sleep and a power cut", async () => {
        await simulated.device.start();
        assert.equal(await resumed(1), false);
        tap.cut();
        assert.equal(await resumed(2), true, "lost connection");
        await simulated.device.publish("%c/test", "payload", { qos: 1 });
        await (await simulated.sleepAndWake()).start();
        assert.equal(await resumed(3), true, "deep sleep");
        await simulated.powerCut().start();
        assert.equal(await resumed(4), true, `power cut: ${simulated.connects[3]?.noSessionReason}`);
        const [full, ...others] = tap.connections.map(({ bytesIn, bytesOut }) => bytesIn + bytesOut);
        for (const other of others) assert.ok(other < full! * 0.7, `${other} bytes are not much less than ${full}`);
      });

      it("does not resume when the verification policy changed", async () => {
        await simulated.device.start();
        assert.equal(await resumed(1), false);
        await simulated.device.sleep(1);
        simulated.credentials = { revocation: "chain", revocationLists: pki.revocationLists };
        await simulated.boot("sleep").start();
        assert.equal(await resumed(2), false);
        assert.equal(simulated.connects[1]?.noSessionReason, "policy changed");
      });

      it("delivers what it publishes to its own subscription, and keeps the MQTT session over deep sleep", async () => {
        const received: string[] = [];
        const handler = ({ payload }: { payload: Uint8Array }): void =>
          void received.push(Buffer.from(payload).toString());
        await simulated.device.start();
        assert.equal(await simulated.device.subscribe("%c/echo", handler, { qos: 1 }), 1);
        await simulated.device.publish("%c/echo", "one", { qos: 1 });
        await eventually(() => received.length === 1, "the first message");
        await simulated.sleepAndWake();
        void simulated.device.subscribe("%c/echo", handler, { qos: 1 });
        await simulated.device.start();
        assert.equal((await simulated.connected(2)).sessionPresent, true);
        await simulated.device.publish("%c/echo", "two", { qos: 2 });
        await eventually(() => received.length === 2, "the second message");
        assert.deepEqual(received, ["one", "two"]);
      });

      it("keeps what was published while the network was down, and sends it once it is up", async () => {
        await simulated.device.start();
        simulated.platform.network.set(false);
        assert.equal((await simulated.lost(1)).cause?.code, "NETWORK_DOWN");
        const published = simulated.device.publish("%c/test", "payload", { qos: 1 });
        simulated.platform.network.set(true);
        await published;
        assert.equal(await resumed(2), true);
      });

      it("falls back to a full handshake in the same connection when the server forgot the session", async () => {
        await simulated.device.start();
        const { port } = broker;
        const tapPort = tap.port;
        // With the network first: while the broker is down connections are refused, and no session is spent on them.
        await tap.stop();
        await broker.stop();
        const options = {
          server: pki.server,
          root: pki.root,
          versions: { minimum: version, maximum: version },
          port,
        };
        broker = kind === "embedded" ? new EmbeddedBroker(options) : new MosquittoBroker(options);
        await broker.start();
        tap = new Tap({ target: { address: broker.address, port }, port: tapPort });
        await tap.start();
        const { noSessionReason } = await simulated.connected(2);
        assert.equal(noSessionReason, undefined, "a session was offered");
        assert.equal(await resumed(2), false);
      });
    });

describe("A device refuses a server", function () {
  this.timeout(20_000);
  const folder = temporaryFolder();
  const now = Date.now();
  const validity = { notBefore: new Date(now - day), notAfter: new Date(now + day) };
  let root: Authority;
  let pki: DevelopmentPKI;
  let server: Server;
  let keys: KeyPair;
  /** Application data that the server received. */
  let received = 0;
  let count = 0;
  let simulated: SimulatedDevice | undefined;

  before(async () => {
    pki = await DevelopmentPKI.open({ folder: folder.join("pki"), names: ["localhost"] });
    const rootKeys = await generateKeys();
    root = { keys: rootKeys, certificate: await issueRoot({ commonName: "Root", validity }, rootKeys) };
    keys = await generateKeys();
  });

  afterEach(async () => {
    await simulated?.device.stop();
    server.close();
  });

  async function refusal(
    certificate: Uint8Array,
    version: TLSVersion,
    more: Partial<SimulatedDeviceOptions> = {},
  ): Promise<SealwireError> {
    received = 0;
    server = createServer(
      {
        cert: toPEM("CERTIFICATE", certificate),
        key: toPEM("PRIVATE KEY", await exportPrivateKey(keys)),
        minVersion: version,
        maxVersion: version,
      },
      (socket: TLSSocket) => {
        socket.on("data", (bytes: Buffer) => (received += bytes.byteLength)).on("error", () => undefined);
      },
    );
    server.on("tlsClientError", () => undefined);
    await once(server.listen(0, "127.0.0.1"), "listening");
    simulated = new SimulatedDevice({
      folder: folder.join(`device-${count++}`),
      port: (server.address() as AddressInfo).port,
      root: root.certificate,
      issued: await pki.device("device"),
      ...more,
    });
    let started = false;
    void simulated.device.start().then(
      () => (started = true),
      () => undefined,
    );
    const { cause, willRetryIn } = await simulated.lost(1);
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.equal(started, false, "the device connected");
    assert.ok(willRetryIn! >= 60_000, "it must not try again fast");
    return cause!;
  }

  const server1 = (
    options: { names?: string[]; validity?: typeof validity; issuer?: Authority } = {},
  ): Promise<Uint8Array> =>
    issueServer(
      { commonName: "Broker", names: options.names ?? ["localhost"], validity: options.validity ?? validity },
      keys.publicKey,
      options.issuer ?? root,
    );

  const cases: {
    title: string;
    code: ErrorCode;
    certificate: () => Promise<Uint8Array>;
    more?: () => Promise<Partial<SimulatedDeviceOptions>>;
  }[] = [
    {
      title: "whose certificate is expired",
      code: "TLS_CERTIFICATE_EXPIRED",
      certificate: () => server1({ validity: { notBefore: new Date(now - day), notAfter: new Date(now - day / 2) } }),
    },
    {
      title: "whose certificate is not valid yet",
      code: "TLS_CERTIFICATE_NOT_YET_VALID",
      certificate: () => server1({ validity: { notBefore: new Date(now + day / 2), notAfter: new Date(now + day) } }),
    },
    {
      title: "from another CA",
      code: "TLS_CERTIFICATE_UNTRUSTED",
      certificate: async () => {
        const otherKeys = await generateKeys();
        return server1({
          issuer: { keys: otherKeys, certificate: await issueRoot({ commonName: "Root", validity }, otherKeys) },
        });
      },
    },
    {
      title: "for another name",
      code: "TLS_CERTIFICATE_NAME_MISMATCH",
      certificate: () => server1({ names: ["other.example"] }),
    },
    {
      title: "that presents a client's certificate",
      code: "TLS_CERTIFICATE_UNSUITABLE",
      certificate: () => issueDevice({ clientIdentifier: "localhost", validity }, keys.publicKey, root),
    },
    {
      title: "when revocation must be checked and no list is there",
      code: "TLS_REVOCATION_UNKNOWN",
      certificate: () => server1(),
      more: () => Promise.resolve({ credentials: { revocation: "leaf" } }),
    },
  ];

  for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
    for (const { title, code, certificate, more } of cases)
      it(`${title} (${version}), before a byte of MQTT is sent`, async () => {
        const cause = await refusal(await certificate(), version, await more?.());
        assert.equal(cause.code, code, cause.message);
        assert.equal(received, 0, "MQTT was sent");
      });

    it(`and gives up waiting after the timeout it was given, with the refusal as the cause (${version})`, async () => {
      await refusal(await server1({ names: ["other.example"] }), version);
      const error = await simulated!.device.start({ timeout: 10 }).catch((rejected: unknown) => rejected);
      assert.ok(error instanceof SealwireError);
      assert.equal(error.code, "TIMEOUT");
      assert.equal((error.cause as SealwireError).code, "TLS_CERTIFICATE_NAME_MISMATCH");
    });

    it(`whose certificate is revoked (${version}), before a byte of MQTT is sent`, async () => {
      const certificate = await server1();
      const { X509Certificate } = await import("node:crypto");
      const { serialNumber } = new X509Certificate(certificate);
      const list = await issueRevocationList(
        {
          number: 1,
          thisUpdate: new Date(now - 1000),
          nextUpdate: new Date(now + day),
          revoked: [{ serialNumber, date: new Date(now - 1000) }],
        },
        root,
      );
      const cause = await refusal(certificate, version, {
        credentials: { revocation: "leaf", revocationLists: [list] },
      });
      assert.equal(cause.code, "TLS_CERTIFICATE_REVOKED", cause.message);
      assert.equal(received, 0, "MQTT was sent");
    });
  }
});
