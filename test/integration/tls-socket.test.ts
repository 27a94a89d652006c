/** TLSSocket over the Node host's real TCP and TLS, against a real TLS server. */
import assert from "node:assert/strict";
import { once } from "node:events";
import {
  connect as connectTCP,
  createServer as createTCPServer,
  type AddressInfo,
  type Server,
  type Socket,
} from "node:net";
import { createServer, type TLSSocket as ServerSocket } from "node:tls";
import { createPlatform, type NodePlatform } from "../../hosts/node/index.js";
import type { SealwireError } from "../../src/errors.js";
import type { TLSSessionData } from "../../src/platform.js";
import { TLSSocket, type TLSSocketOptions } from "../../src/transport/index.js";
import { DevelopmentPKI, toPEM } from "../../tools/pki/index.js";
import { temporaryFolder } from "../tools/support/temporary-folder.js";
import { eventually } from "./support/eventually.js";

describe("TLS socket", () => {
  const folder = temporaryFolder();
  let pki: DevelopmentPKI;
  let platform: NodePlatform;
  const servers: Server[] = [];
  const sockets: TLSSocket[] = [];

  before(async () => {
    pki = await DevelopmentPKI.open({ folder: folder.join("pki"), names: ["localhost"] });
    platform = createPlatform({ folder: folder.join("device"), log: () => undefined });
  });

  afterEach(() => {
    for (const socket of sockets.splice(0)) socket.close();
    for (const server of servers.splice(0)) server.close();
  });

  async function listen(onConnection: (socket: ServerSocket) => void): Promise<number> {
    const server = createServer(
      {
        cert: pki.server.certificateChain.map((der) => toPEM("CERTIFICATE", der)).join(""),
        key: toPEM("PRIVATE KEY", pki.server.privateKey),
      },
      (socket) => {
        socket.on("error", () => undefined);
        onConnection(socket);
      },
    );
    server.on("tlsClientError", () => undefined);
    servers.push(server);
    await once(server.listen(0, "127.0.0.1"), "listening");
    return (server.address() as AddressInfo).port;
  }

  function connect(port: number, options: Partial<TLSSocketOptions> & { onOpen?: () => void } = {}): TLSSocket {
    const { onOpen, ...others } = options;
    const socket = new TLSSocket({
      address: "127.0.0.1",
      host: "localhost",
      port,
      timer: platform.timer,
      socket: { io: platform.tcp },
      secure: () => ({
        createTLSEngine: (engineOptions) => platform.createTLSEngine(engineOptions),
        trustAnchors: [pki.root],
        serverName: "localhost",
        time: { earliest: Date.now(), latest: Date.now() },
        onOpen,
      }),
      ...others,
    });
    sockets.push(socket);
    return socket;
  }

  it("carries a megabyte each way through a reader and a writer that take what they get", async () => {
    const payload = Buffer.alloc(1_000_000, "0123456789abcdef");
    const port = await listen((socket) => socket.pipe(socket));
    const received: Buffer[] = [];
    let sent = 0;
    const write = (writable: number): void => {
      while (writable > 0 && sent < payload.byteLength) {
        const part = payload.subarray(sent, sent + Math.min(writable, 777));
        sent += part.byteLength;
        writable = socket.write(part);
      }
    };
    const small = new Uint8Array(333);
    const socket = connect(port, {
      onWritable: write,
      onReadable: () => {
        for (let count = socket.read(small); count; count = socket.read(small))
          received.push(Buffer.from(small.slice(0, count)));
      },
    });
    await eventually(() => received.reduce((sum, part) => sum + part.byteLength, 0) === payload.byteLength, "the echo");
    assert.ok(Buffer.concat(received).equals(payload));
  });

  it("holds back the server while the application does not read", async () => {
    let accepted = 0;
    const port = await listen((server) => {
      const chunk = Buffer.alloc(65_536);
      const fill = (): void => {
        while (accepted < 50_000_000 && server.write(chunk, () => (accepted += chunk.byteLength))) continue;
      };
      server.on("drain", fill);
      fill();
    });
    let readable = 0;
    const socket = connect(port, { onReadable: (count) => (readable = count) });
    await eventually(() => readable > 0, "data");
    await new Promise((resolve) => setTimeout(resolve, 300));
    assert.ok(accepted < 20_000_000, `${accepted} bytes were accepted with nobody reading`);
    let total = 0;
    const drain = setInterval(() => {
      for (let data = socket.read(); data; data = socket.read()) total += data.byteLength;
    }, 1);
    await eventually(() => total > 50_000_000, "everything after all");
    clearInterval(drain);
  });

  it("delivers what the server sent before it closed, then says that it closed", async () => {
    const port = await listen((server) => server.end("goodbye"));
    let text = "";
    const errors: SealwireError[] = [];
    const socket = connect(port, {
      onReadable: () => (text += Buffer.from(socket.read()!).toString()),
      onError: (error) => errors.push(error!),
    });
    await eventually(() => errors.length > 0, "the end");
    assert.equal(text, "goodbye");
    assert.equal(errors[0]?.code, "CONNECTION_LOST");
  });

  it("sends what was written before close()", async () => {
    let text = "";
    let ended = false;
    const port = await listen((server) =>
      server.on("data", (data: Buffer) => (text += data.toString())).on("end", () => (ended = true)),
    );
    const socket = connect(port, {
      onWritable: () => {
        socket.write(Buffer.from("goodbye"));
        socket.close();
      },
    });
    await eventually(() => ended, "the end at the server");
    assert.equal(text, "goodbye");
  });

  it("asks for its security only once the connection is there", async () => {
    const server = createTCPServer();
    await once(server.listen(0, "127.0.0.1"), "listening");
    const { port } = server.address() as AddressInfo;
    await new Promise((resolve) => server.close(resolve));
    let asked = 0;
    const errors: (SealwireError | undefined)[] = [];
    connect(port, {
      secure: () => {
        asked++;
        throw new Error("asked");
      },
      onError: (error) => errors.push(error),
    });
    await eventually(() => errors.length > 0, "the refusal");
    assert.equal(errors[0]?.code, "CONNECTION_REFUSED");
    assert.equal(asked, 0);
  });

  it("turns what is thrown on the way to the handshake into one error", async () => {
    const port = await listen(() => undefined);
    const errors: (SealwireError | undefined)[] = [];
    connect(port, {
      secure: () => {
        throw new Error("no credentials");
      },
      onError: (error) => errors.push(error),
    });
    await eventually(() => errors.length > 0, "the error");
    assert.equal(errors.length, 1);
    assert.equal((errors[0]?.cause as Error).message, "no credentials");
  });

  it("lets nothing out when onOpen refuses", async () => {
    let received = 0;
    const port = await listen((server) => server.on("data", (data: Buffer) => (received += data.byteLength)));
    const errors: (SealwireError | undefined)[] = [];
    const socket = connect(port, {
      onOpen: () => {
        throw new Error("refused");
      },
      onWritable: () => socket.write(Buffer.from("secret")),
      onError: (error) => errors.push(error),
    });
    await eventually(() => errors.length > 0, "the error");
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal(received, 0);
  });

  it("lets no exception of its owner reach the host, and tells of the release all the same", async () => {
    const escaped: unknown[] = [];
    const onEscaped = (error: unknown): void => void escaped.push(error);
    const others = process.listeners("uncaughtException");
    process.removeAllListeners("uncaughtException").on("uncaughtException", onEscaped);
    try {
      for (const callback of ["onWritable", "onReadable", "onError"]) {
        const port = await listen((server) => server.end("data"));
        let released = 0;
        const fail = (name: string) => (): void => {
          if (name === callback || name === "onError") throw new Error(`${name} failed`);
        };
        const socket = connect(port, {
          onWritable: fail("onWritable"),
          onReadable: () => {
            fail("onReadable")();
            socket.read();
          },
          onError: fail("onError"),
          onReleased: () => {
            released++;
            throw new Error("onReleased failed");
          },
        });
        await eventually(() => released > 0, `the release after ${callback}`);
        assert.equal(released, 1);
      }
      assert.deepEqual(escaped, []);
    } finally {
      process.off("uncaughtException", onEscaped);
      for (const listener of others) process.on("uncaughtException", listener);
    }
  });

  it("stays closed when onOpen closes it", async () => {
    const port = await listen(() => undefined);
    let opened = false;
    let called = 0;
    const socket = connect(port, {
      onOpen: () => {
        opened = true;
        socket.close();
      },
      onWritable: () => called++,
      onError: () => called++,
    });
    await eventually(() => opened, "the handshake");
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal(called, 0);
    assert.throws(() => socket.write(new Uint8Array(1)), { code: "INVALID_ARGUMENT" });
  });

  it("hands over no session once it was closed, while its goodbye still leaves", async () => {
    const port = await listen(() => undefined);
    let handedOver = 0;
    let session: ((data: TLSSessionData) => void) | undefined;
    const socket = connect(port, {
      secure: () => ({
        createTLSEngine: (engineOptions) => {
          session = (data) => engineOptions.onSession!(data);
          return platform.createTLSEngine(engineOptions);
        },
        trustAnchors: [pki.root],
        serverName: "localhost",
        time: { earliest: Date.now(), latest: Date.now() },
        onSession: () => handedOver++,
      }),
      onWritable: () => undefined,
    });
    await eventually(() => session !== undefined, "the handshake");
    socket.close();
    const before = handedOver;
    session!({ protocol: "TLSv1.3", bytes: new Uint8Array(1), lifetime: undefined, extendedMasterSecret: true });
    assert.equal(handedOver, before);
  });

  it("refuses to write before the handshake is done, more than is writable, and after the end", async () => {
    const port = await listen(() => undefined);
    let refused = 0;
    const attempt = (socket: TLSSocket, byteLength: number): void => {
      assert.throws(() => socket.write(new Uint8Array(byteLength)), { code: "INVALID_ARGUMENT" });
      refused++;
    };
    const socket = connect(port, { onWritable: (count) => attempt(socket, count + 1) });
    attempt(socket, 1);
    await eventually(() => refused === 2, "the handshake");
    socket.close();
    attempt(socket, 1);
  });

  for (const callback of ["onWritable", "onReadable", "onError"] as const)
    it(`can be closed inside ${callback}, and calls nothing afterwards`, async () => {
      const port = await listen((server) => {
        server.write("one");
        setTimeout(() => server.end("two"), 20);
      });
      let closed = false;
      let late = 0;
      const on = (name: string) => (): void => {
        if (closed) late++;
        if (name !== callback) return;
        closed = true;
        socket.close();
        socket.close();
        assert.equal(socket.read(), undefined);
      };
      const read = (): void => {
        on("onReadable")();
        socket.read();
      };
      const socket = connect(port, {
        onWritable: on("onWritable"),
        onReadable: read,
        onError: on("onError"),
      });
      await eventually(() => closed, callback);
      await new Promise((resolve) => setTimeout(resolve, 60));
      assert.equal(late, 0);
    });

  it("reports one error wherever the server's flight is cut", async () => {
    const target = await listen((server) => server.end("x"));
    for (let limit = 0; limit < 2000; limit += 97) {
      const proxy = createTCPServer((device: Socket) => {
        const server = connectTCP(target, "127.0.0.1");
        let passed = 0;
        device.on("error", () => undefined).pipe(server.on("error", () => undefined));
        server.on("data", (data: Buffer) => {
          const part = data.subarray(0, Math.max(0, limit - passed));
          passed += data.byteLength;
          device.write(part);
          if (passed > limit) device.destroySoon();
        });
        server.on("end", () => device.end());
        device.on("close", () => server.destroy());
      });
      await once(proxy.listen(0, "127.0.0.1"), "listening");
      const errors: (SealwireError | undefined)[] = [];
      const socket = connect((proxy.address() as AddressInfo).port, {
        onReadable: () => void socket.read(),
        onError: (error) => errors.push(error),
      });
      await eventually(() => errors.length > 0, `an error after ${limit} bytes`);
      assert.equal(errors.length, 1);
      assert.ok(["CONNECTION_LOST", "TLS_HANDSHAKE_FAILED"].includes(errors[0]?.code ?? ""), errors[0]?.code);
      proxy.close();
    }
  });
});
