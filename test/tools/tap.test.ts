import assert from "node:assert/strict";
import { once } from "node:events";
import * as net from "node:net";
import { Duplex } from "node:stream";
import * as tls from "node:tls";
import fc from "fast-check";
import { type Credentials, DevelopmentPKI, toPEM } from "../../tools/pki/index.js";
import { HandshakeWatch } from "../../tools/simulate/handshake-watch.js";
import { Tap, type TapConnection } from "../../tools/simulate/tap.js";
import { temporaryFolder } from "./support/temporary-folder.js";

const folder = temporaryFolder();
let pki: DevelopmentPKI;
let device: Credentials;
const running: (() => Promise<void> | void)[] = [];

before(async () => {
  pki = await DevelopmentPKI.open({ folder: folder.join("dev"), names: ["localhost", "127.0.0.1"] });
  device = await pki.device("device");
});

afterEach(async () => {
  for (const stop of running.splice(0).reverse()) await stop();
});

function identity({ certificateChain, privateKey }: Credentials): tls.SecureContextOptions {
  return {
    cert: certificateChain.map((der) => toPEM("CERTIFICATE", der)).join(""),
    key: toPEM("PRIVATE KEY", privateKey),
    ca: toPEM("CERTIFICATE", pki.root),
  };
}

async function listen(server: net.Server): Promise<number> {
  await once(server.listen(0, "127.0.0.1"), "listening");
  const sockets = new Set<net.Socket>();
  server.on("connection", (socket: net.Socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
  });
  running.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as net.AddressInfo).port;
}

async function tapTo(port: number): Promise<Tap> {
  const tap = new Tap({ target: { address: "127.0.0.1", port } });
  await tap.start();
  running.push(() => tap.stop());
  return tap;
}

function connect(port: number): net.Socket {
  const socket = net.connect({ port, host: "127.0.0.1" });
  running.push(() => {
    socket.destroy();
  });
  return socket;
}

async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; !condition(); i++) {
    if (i === 200) assert.fail("it did not happen within 2 s");
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** A server that answers what it was sent. */
function echo(): Promise<number> {
  return listen(net.createServer((socket) => socket.pipe(socket)));
}

interface Visit {
  readonly session: Buffer;
  readonly reused: boolean;
  readonly connection: TapConnection;
}

/** Connects through the tap, exchanges a byte each way, and goes without a goodbye. */
async function visit(tap: Tap, version: tls.SecureVersion, session?: Buffer): Promise<Visit> {
  const raw = connect(tap.port);
  await once(raw, "connect");
  let seen = 0;
  const socket = tls.connect({
    socket: Duplex.from({ readable: raw, writable: raw }),
    ...identity(device),
    servername: "localhost",
    minVersion: version,
    maxVersion: version,
    session,
  });
  let latest: Buffer | undefined;
  socket.on("session", (session) => (latest = session));
  socket.on("data", (chunk: Buffer) => (seen += chunk.byteLength));
  socket.on("error", () => undefined);
  await once(socket, "secureConnect");
  socket.write("x");
  await until(() => seen === 1 && (latest !== undefined || socket.isSessionReused()));
  const connection = tap.connections.at(-1)!;
  await until(() => connection.bytesOut === raw.bytesWritten && connection.bytesIn === raw.bytesRead);
  assert.ok(connection.passed(raw.bytesWritten, raw.bytesRead));
  assert.ok(!connection.passed(raw.bytesWritten + 1, raw.bytesRead));
  const reused = socket.isSessionReused();
  raw.destroy();
  return { session: latest ?? session!, reused, connection };
}

function tlsServer(options: tls.TlsOptions = {}): Promise<number> {
  const server = tls.createServer(
    { ...identity(pki.server), requestCert: true, rejectUnauthorized: true, ...options },
    (socket) => {
      socket.on("error", () => undefined);
      socket.on("data", (chunk: Buffer) => socket.write(chunk));
    },
  );
  return listen(server);
}

describe("The tap's view of a handshake", () => {
  for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
    it(`tells a full ${version} handshake from a resumed one, and counts the same bytes as the client`, async () => {
      const tap = await tapTo(await tlsServer());
      const full = await visit(tap, version);
      const resumed = await visit(tap, version, full.session);
      assert.deepEqual([full.reused, resumed.reused], [false, true]);
      assert.deepEqual(full.connection.decision, { protocol: version, resumed: false });
      assert.deepEqual(resumed.connection.decision, { protocol: version, resumed: true });
      assert.ok(resumed.connection.bytesIn < full.connection.bytesIn);
    });

    it(`calls a ${version} handshake full when the server refuses the session it was offered`, async () => {
      const tap = await tapTo(await tlsServer());
      const { session } = await visit(tap, version);
      const other = await tapTo(await tlsServer());
      const refused = await visit(other, version, session);
      assert.equal(refused.reused, false);
      assert.deepEqual(refused.connection.decision, { protocol: version, resumed: false });
    });
  }

  it("sees through a HelloRetryRequest", async () => {
    const tap = await tapTo(await tlsServer({ ecdhCurve: "P-521" }));
    const full = await visit(tap, "TLSv1.3");
    const resumed = await visit(tap, "TLSv1.3", full.session);
    assert.deepEqual(full.connection.decision, { protocol: "TLSv1.3", resumed: false });
    assert.deepEqual(resumed.connection.decision, { protocol: "TLSv1.3", resumed: true });
  });
});

describe("HandshakeWatch", () => {
  function watch(...parts: Uint8Array[]): HandshakeWatch {
    const watch = new HandshakeWatch();
    for (const part of parts) watch.feed(part);
    return watch;
  }

  const record = (type: number, body: Uint8Array): Buffer =>
    Buffer.concat([Buffer.from([type, 3, 3, body.byteLength >> 8, body.byteLength & 255]), body]);
  const message = (type: number, body: Uint8Array): Buffer =>
    Buffer.concat([Buffer.from([type, 0, body.byteLength >> 8, body.byteLength & 255]), body]);
  /** A ServerHello of TLS 1.2 with an empty session identifier and no extensions. */
  const hello = message(2, Buffer.concat([Buffer.from([3, 3]), Buffer.alloc(32, 5), Buffer.from([0, 0xc0, 0x2b, 0])]));
  const certificate = message(11, Buffer.alloc(700));
  const changeCipherSpec = record(20, Buffer.from([1]));
  const full = Buffer.concat([record(22, Buffer.concat([hello, certificate])), changeCipherSpec]);
  const abbreviated = Buffer.concat([record(22, hello), changeCipherSpec]);

  it("does not mind how the bytes are split, into pieces or into records", () => {
    fc.assert(
      fc.property(
        fc.boolean(),
        fc.array(fc.integer({ min: 1, max: 40 })),
        fc.integer({ min: 1, max: 60 }),
        (isFull, sizes, size) => {
          const messages = isFull ? Buffer.concat([hello, certificate]) : hello;
          const records: Buffer[] = [];
          for (let i = 0; i < messages.byteLength; i += size) records.push(record(22, messages.subarray(i, i + size)));
          const stream = Buffer.concat([...records, changeCipherSpec]);
          const pieces: Buffer[] = [];
          let offset = 0;
          for (const count of sizes) pieces.push(stream.subarray(offset, (offset += count)));
          pieces.push(stream.subarray(offset));
          assert.deepEqual(watch(...pieces).decision, { protocol: "TLSv1.2", resumed: !isFull });
        },
      ),
      { numRuns: 200 },
    );
  });

  it("says nothing before the server has decided", () => {
    assert.equal(watch(abbreviated.subarray(0, -6)).decision, undefined);
    assert.equal(watch(record(22, hello)).decision, undefined);
    assert.equal(watch(changeCipherSpec).decision, undefined);
  });

  it("says nothing of what is not TLS, and does not throw on it", () => {
    for (const bytes of ["HTTP/1.1 400 Bad Request\r\n\r\n", "\x20\x02\x00\x00", ""])
      assert.equal(watch(Buffer.from(bytes, "latin1")).decision, undefined);
    assert.ok(watch(Buffer.from("HTTP/1.1")).done);
    assert.ok(watch(Buffer.from([22, 3, 3, 0xff, 0xff])).done);
    assert.ok(watch(record(22, Buffer.from([2, 0xff, 0xff, 0xff]))).done);
    assert.ok(watch(record(22, message(2, Buffer.alloc(10)))).done);
  });

  it("survives any change of any byte", () => {
    for (const original of [full, abbreviated])
      for (let i = 0; i < Math.min(original.byteLength, 80); i++)
        for (const value of [0, 1, 0x7f, 0xff]) {
          const changed = Buffer.from(original);
          changed[i] = value;
          watch(changed);
        }
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 64 })), (pieces) => {
        watch(record(22, hello.subarray(0, 20)), ...pieces);
      }),
    );
  });
});

describe("The tap as a network", () => {
  it("passes on every byte, and the end of each direction", async () => {
    const tap = await tapTo(await echo());
    const socket = connect(tap.port);
    const sent = Buffer.alloc(1_000_000, "sealwire");
    const received: Buffer[] = [];
    socket.on("data", (chunk) => received.push(chunk));
    socket.end(sent);
    await once(socket, "close");
    assert.ok(Buffer.concat(received).equals(sent));
    const [connection] = tap.connections;
    assert.deepEqual([connection!.bytesOut, connection!.bytesIn], [sent.byteLength, sent.byteLength]);
    await until(() => connection!.closed);
  });

  it("holds back a sender whose peer does not read", async () => {
    const server = net.createServer((socket) => socket.pause());
    const tap = await tapTo(await listen(server));
    tap.delay = 1;
    const socket = connect(tap.port);
    socket.write(Buffer.alloc(64 * 1024 * 1024));
    await new Promise((resolve) => setTimeout(resolve, 300));
    assert.ok(tap.connections[0]!.bytesOut < 32 * 1024 * 1024);
  });

  it("delays both directions and keeps the order", async () => {
    const tap = await tapTo(await echo());
    tap.delay = 40;
    const socket = connect(tap.port);
    await once(socket, "connect");
    const begin = performance.now();
    let received = "";
    socket.on("data", (chunk) => (received += String(chunk)));
    for (const text of ["a", "b", "c"]) {
      socket.write(text);
      await new Promise((resolve) => setTimeout(resolve, 5));
      tap.delay = 30;
    }
    await until(() => received.length === 3);
    assert.equal(received, "abc");
    assert.ok(performance.now() - begin >= 65);
  });

  it("cuts both sides without a goodbye", async () => {
    const errors: unknown[] = [];
    const server = net.createServer((socket) => {
      socket.on("error", (error: NodeJS.ErrnoException) => errors.push(error.code));
      socket.resume();
    });
    const tap = await tapTo(await listen(server));
    const socket = connect(tap.port);
    socket.on("error", (error: NodeJS.ErrnoException) => errors.push(error.code));
    socket.write("x");
    await until(() => tap.connections[0]?.bytesOut === 1 && tap.connections[0].brokerPort > 0);
    await new Promise((resolve) => setTimeout(resolve, 20));
    tap.cut();
    await until(() => errors.length === 2);
    assert.deepEqual(errors, ["ECONNRESET", "ECONNRESET"]);
  });

  it("passes on that the device vanished", async () => {
    let closed = false;
    const server = net.createServer((socket) => {
      socket.on("error", () => undefined);
      socket.on("close", () => (closed = true));
      socket.resume();
    });
    const tap = await tapTo(await listen(server));
    const socket = connect(tap.port);
    socket.on("error", () => undefined);
    await until(() => (tap.connections[0]?.brokerPort ?? 0) > 0);
    socket.resetAndDestroy();
    await until(() => closed);
  });

  it("refuses new connections while told so, and leaves the others alone", async () => {
    const tap = await tapTo(await echo());
    const first = connect(tap.port);
    await once(first, "connect");
    await until(() => tap.connections.length === 1);
    tap.refusing = true;
    const [error] = (await once(connect(tap.port), "error")) as [NodeJS.ErrnoException];
    assert.equal(error.code, "ECONNRESET");
    tap.refusing = false;
    for (const socket of [first, connect(tap.port)]) {
      socket.write("x");
      await once(socket, "data");
    }
  });

  it("ends a connection whose broker is down", async () => {
    const port = await echo();
    const tap = await tapTo(port);
    await running.shift()!();
    const socket = connect(tap.port);
    socket.on("error", () => undefined);
    await new Promise((resolve) => socket.once("close", resolve));
    await until(() => tap.connections[0]!.closed);
  });

  it("says that its port is in use", async () => {
    const port = await echo();
    await assert.rejects(new Tap({ target: { address: "127.0.0.1", port }, port }).start(), {
      exitCode: 3,
      message: `Cannot listen on port ${port} of 127.0.0.1: the port is in use.`,
    });
  });

  it("can be stopped twice, and when it was never started", async () => {
    const tap = new Tap({ target: { address: "127.0.0.1", port: 1 } });
    await tap.stop();
    const other = await tapTo(await echo());
    connect(other.port).on("error", () => undefined);
    await other.stop();
    await other.stop();
  });
});
