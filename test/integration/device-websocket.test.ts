/** MQTT over WebSocket over TLS: against a real Mosquitto, and against servers that do it wrong. */
import assert from "node:assert/strict";
import type { TLSSocket } from "node:tls";
import { createPlatform } from "../../hosts/node/index.js";
import { Device, type DeviceOptions } from "../../src/index.js";
import type { TLSVersion, WakeCause } from "../../src/platform.js";
import { WebSocketClientTransport, WebSocketTransport } from "../../src/websocket/index.js";
import { freePort } from "../../tools/brokers/free-port.js";
import { MosquittoBroker } from "../../tools/brokers/index.js";
import { type Credentials as Issued, DevelopmentPKI } from "../../tools/pki/index.js";
import { requireMosquitto } from "../tools/support/mosquitto.js";
import { temporaryFolder } from "../tools/support/temporary-folder.js";
import { EmbeddedWebSocket } from "./support/embedded-websocket.js";
import { eventually } from "./support/eventually.js";
import { FaultProxy } from "./support/fault-proxy.js";
import { type Faults, faultyPlatform } from "./support/faulty-platform.js";
import { acceptance, WebSocketServer } from "./support/websocket-server.js";

const kinds = [
  { name: "Sealwire's own WebSocket", webSocket: { io: WebSocketTransport } },
  {
    name: "the WebSocket class of the host (ECMA-419)",
    webSocket: { io: WebSocketClientTransport, client: EmbeddedWebSocket },
  },
] as const;

/** CONNACK of 3.1.1, in one frame. */
const welcome = Uint8Array.of(0x82, 4, 0x20, 2, 0, 0);

describe("A device over WebSocket over TLS", function () {
  this.timeout(30_000);
  const folder = temporaryFolder();
  let pki: DevelopmentPKI;
  let issued: Issued;
  let broker: MosquittoBroker;
  let webSocketPort: number;
  let proxy: FaultProxy;
  let device: Device | undefined;
  let server: WebSocketServer | undefined;
  let port: number;
  let count = 0;
  let connects: { resumed: boolean; protocol: string | undefined }[];
  let causes: { code: string | undefined; message: string }[];

  before(async function () {
    requireMosquitto(this);
    pki = await DevelopmentPKI.open({ folder: folder.join("pki"), names: ["localhost"] });
    issued = await pki.device("device");
  });

  beforeEach(async () => {
    connects = [];
    causes = [];
    count++;
    await startBroker();
  });

  afterEach(async () => {
    await device?.stop();
    device = undefined;
    await server?.stop();
    server = undefined;
    await proxy.stop();
    await broker.stop();
  });

  async function startBroker(version?: TLSVersion): Promise<void> {
    webSocketPort = await freePort();
    broker = new MosquittoBroker({
      server: pki.server,
      root: pki.root,
      versions: { minimum: version ?? "TLSv1.2", maximum: version ?? "TLSv1.3" },
      webSocketPort,
    });
    await broker.start();
    proxy = new FaultProxy(() => webSocketPort);
    await proxy.start();
    port = proxy.port;
  }

  function boot(options: Partial<DeviceOptions>, wakeCause: WakeCause = "power"): Device {
    const real = createPlatform({
      folder: folder.join(`device-${count}`),
      wakeCause,
      hosts: { localhost: "127.0.0.1" },
      log: () => undefined,
      powerDown: () => undefined,
    });
    const faults: Faults = { resolvable: true, storageFails: false, wall: undefined };
    device = new Device({
      clientIdentifier: "device",
      reconnectSpread: [100],
      connectTimeout: 2000,
      webSocket: { io: WebSocketTransport },
      onConnected: (info) => connects.push(info),
      onDisconnected: ({ cause }) => causes.push({ code: cause?.code, message: cause?.message ?? "" }),
      ...options,
      platform: faultyPlatform(real, faults, () => port),
      credentials: {
        broker: { host: "localhost", port: 443 },
        trustAnchors: [pki.root],
        certificateChain: issued.certificateChain,
        privateKey: real.crypto.importKey("private", issued.privateKey),
      },
    });
    return device;
  }

  for (const { name, webSocket } of kinds) {
    describe(`with ${name}`, () => {
      for (const version of ["TLSv1.2", "TLSv1.3"] as const)
        it(`resumes its session after a lost connection and after a sleep, and carries messages of all sizes (${version})`, async () => {
          await proxy.stop();
          await broker.stop();
          await startBroker(version);
          let received: number[] = [];
          const start = async (wakeCause: WakeCause): Promise<Device> => {
            const made = boot({ webSocket }, wakeCause);
            void made.subscribe("%c/echo", ({ payload }) => void received.push(payload.byteLength), { qos: 2 });
            await made.start();
            return made;
          };
          let current = await start("power");

          assert.deepEqual([connects[0]?.protocol, connects[0]?.resumed], [version, false]);
          const sizes = [0, 126, 1016, 12_000];
          const exchange = async (): Promise<void> => {
            received = [];
            for (const size of sizes) await current.publish("%c/echo", new Uint8Array(size), { qos: 2 });
            await eventually(() => received.length === sizes.length, "all of them");
            assert.deepEqual(received, sizes);
          };
          await exchange();
          proxy.reset();
          await eventually(() => connects.length === 2, "the next connection");
          await exchange();
          await current.sleep(0);
          current = await start("sleep");
          await exchange();
          assert.deepEqual(
            connects.map(({ resumed }) => resumed),
            [false, true, true],
          );
          assert.deepEqual(
            causes.map(({ code }) => code),
            ["CONNECTION_LOST"],
          );
        });

      it("says when the certificate is not trusted: that is not lost in between, nor tried again fast", async () => {
        const other = await DevelopmentPKI.open({ folder: folder.join(`other-${count}`), names: ["localhost"] });
        server = new WebSocketServer(other, () => undefined);
        await server.start();
        port = server.port;
        const made = boot({ webSocket });
        await assert.rejects(made.start({ timeout: 1500 }), (error: Error) => {
          assert.equal((error.cause as { code?: string }).code, "TLS_CERTIFICATE_UNTRUSTED");
          return true;
        });
        assert.equal(causes.length, 1);
        assert.deepEqual(server.requests, [], "nothing was said to it");
      });

      it("is refused by a server that wants no WebSocket, and comes back to one that does", async () => {
        server = new WebSocketServer(pki, (socket) => socket.end("HTTP/1.1 403 Forbidden\r\n\r\n"));
        await server.start();
        port = server.port;
        const made = boot({ webSocket });
        const started = made.start();
        await eventually(() => causes.length > 0, "the refusal");
        assert.equal(causes[0]?.code, "CONNECTION_REFUSED");
        port = proxy.port;
        await started;
        await made.publish("%c/t", "x", { qos: 2 });
      });
    });
  }

  /** Each server's mistake, what it is called, and words of the sentence that says so. */
  const mistakes: readonly {
    readonly title: string;
    readonly serve: (socket: TLSSocket, request: string) => void;
    readonly code: string;
    readonly words: RegExp;
  }[] = [
    {
      title: "another subprotocol",
      serve: (socket, request) => socket.write(acceptance(request, { "Sec-WebSocket-Protocol": "chat" })),
      code: "CONNECTION_REFUSED",
      words: /does not speak mqtt/,
    },
    {
      title: "HTTP 403",
      serve: (socket) => socket.write("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"),
      code: "CONNECTION_REFUSED",
      words: /status 403: it does not let this device in/,
    },
    {
      title: "a redirect",
      serve: (socket) => socket.write("HTTP/1.1 302 Found\r\nLocation: wss://evil.example/mqtt\r\n\r\n"),
      code: "CONNECTION_REFUSED",
      words: /status 302, a redirect: those are not followed/,
    },
    {
      title: "an answer to another key",
      serve: (socket) => socket.write(acceptance("Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\n")),
      code: "CONNECTION_REFUSED",
      words: /not one to this WebSocket/,
    },
    {
      title: "an answer without end",
      serve: (socket) => socket.write(`HTTP/1.1 101 Switching Protocols\r\nX: ${"x".repeat(10_000)}`),
      code: "CONNECTION_REFUSED",
      words: /too long/,
    },
    {
      title: "an answer that is cut short by the end of the connection",
      serve: (socket, request) => socket.end(acceptance(request).slice(0, 40)),
      code: "CONNECTION_LOST",
      words: /closed the connection/,
    },
    {
      title: "an answer that is never finished",
      serve: (socket, request) => socket.write(acceptance(request).slice(0, 40)),
      code: "TIMEOUT",
      words: /./,
    },
    {
      title: "a frame larger than any MQTT packet",
      serve: (socket, request) => {
        socket.write(acceptance(request));
        socket.write(Uint8Array.of(0x82, 127, 0, 0, 0, 1, 0, 0, 0, 0));
      },
      code: "CONNECTION_LOST",
      words: /too long/,
    },
    {
      title: "an MQTT packet larger than the device takes, in proper frames",
      serve: (socket, request) => {
        socket.write(acceptance(request));
        socket.write(Uint8Array.of(0x82, 5, 0x20, 0xff, 0xff, 0xff, 0x5f));
      },
      code: "MQTT_PACKET_TOO_LARGE",
      words: /./,
    },
    {
      title: "masked frames",
      serve: (socket, request) => {
        socket.write(acceptance(request));
        socket.write(Uint8Array.of(0x82, 0x84, 0, 0, 0, 0, 0x20, 2, 0, 0));
      },
      code: "CONNECTION_LOST",
      words: /masks its frames/,
    },
    {
      title: "text",
      serve: (socket, request) => {
        socket.write(acceptance(request));
        socket.write(Uint8Array.of(0x81, 2, 0x68, 0x69));
      },
      code: "CONNECTION_LOST",
      words: /not binary/,
    },
    {
      title: "a fragment of nothing",
      serve: (socket, request) => {
        socket.write(acceptance(request));
        socket.write(Uint8Array.of(0x80, 1, 0x20));
      },
      code: "CONNECTION_LOST",
      words: /fragments/,
    },
    {
      title: "a close frame",
      serve: (socket, request) => {
        socket.write(acceptance(request));
        socket.write(Uint8Array.of(0x88, 2, 0x03, 0xf1));
      },
      code: "CONNECTION_LOST",
      words: /status 1009/,
    },
  ];

  for (const { title, serve, code, words } of mistakes)
    it(`says what is wrong with ${title}, spreads its attempts, and comes back when it is over`, async () => {
      server = new WebSocketServer(pki, serve);
      await server.start();
      port = server.port;
      const made = boot({});
      const published = made.publish("%c/t", "kept", { qos: 1 });
      const started = made.start();
      await eventually(() => causes.length > 0, "the failure", 5000);
      assert.equal(causes[0]?.code, code);
      assert.match(causes[0].message, words);
      assert.ok(!/evil|Location/.test(causes[0].message), "what the server wrote is not repeated");
      port = proxy.port;
      await started;
      await published;
      assert.equal(connects.length, 1);
    });

  it("takes fragments, empty frames and frames cut anywhere, and answers pings", async () => {
    server = new WebSocketServer(pki, (socket, request) => {
      const bytes = Buffer.concat([
        Buffer.from(acceptance(request)),
        Uint8Array.of(0x89, 3, 1, 2, 3),
        // CONNACK in three fragments, with a ping and an empty frame in between.
        Uint8Array.of(0x02, 1, 0x20, 0x00, 2, 2, 0, 0x89, 0, 0x00, 0, 0x80, 1, 0),
      ]);
      let at = 0;
      const drip = (): void => {
        if (at >= bytes.byteLength || socket.destroyed) return;
        socket.write(bytes.subarray(at, (at += 7)), () => setImmediate(drip));
      };
      drip();
    });
    await server.start();
    port = server.port;
    await boot({}).start();
    await eventually(() => server!.received.length > 0, "what the device sent");
    const sent = Buffer.concat(server.received);
    // Pong with the payload of the ping, masked.
    const pong = sent.indexOf(Uint8Array.of(0x8a, 0x83));
    assert.ok(pong >= 0, "a pong");
    const mask = sent.subarray(pong + 2, pong + 6);
    assert.deepEqual(
      [...sent.subarray(pong + 6, pong + 9)].map((byte, i) => byte ^ mask[i]!),
      [1, 2, 3],
    );
    assert.deepEqual(causes, []);
  });

  it("asks for HTTP/1.1 by ALPN, names the host, and takes the path of its options", async () => {
    const offered: (string | false | null)[] = [];
    server = new WebSocketServer(pki, (socket, request) => {
      offered.push(socket.alpnProtocol);
      socket.write(Buffer.concat([Buffer.from(acceptance(request)), welcome]));
    });
    await server.start();
    port = server.port;
    await boot({ webSocket: { io: WebSocketTransport, path: "/broker?x=1" } }).start();
    assert.deepEqual(offered, ["http/1.1"]);
    assert.match(server.requests[0]!, /^GET \/broker\?x=1 HTTP\/1\.1\r\nHost: localhost:443\r\n/);
  });

  it("says which option is wrong", async () => {
    boot({ webSocket: { io: WebSocketClientTransport } });
    await assert.rejects(device!.start({ timeout: 200 }), (error: Error) => {
      assert.match((error.cause as Error).message, /option client/);
      return true;
    });
    boot({ webSocket: { io: WebSocketTransport, path: "no slash" } });
    await assert.rejects(device!.start({ timeout: 200 }), (error: Error) => {
      assert.match((error.cause as Error).message, /path/);
      return true;
    });
  });
});
