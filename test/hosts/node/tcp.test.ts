import { deepEqual, equal, ok, throws } from "node:assert/strict";
import { createServer, type Server, type Socket } from "node:net";
import type { AddressInfo } from "node:net";
import { SimulatedNetwork } from "../../../hosts/node/network.js";
import { createResolver } from "../../../hosts/node/resolver.js";
import { createTCP } from "../../../hosts/node/tcp.js";
import type { SealwireError } from "../../../src/errors.js";
import type { Transport, TransportOptions } from "../../../src/platform.js";
import { until } from "./support/tls.js";

const bound = 65_536;

describe("node host: TCP", () => {
  let network: SimulatedNetwork;
  let server: Server;
  let port: number;
  let peers: Socket[];
  let transports: Transport[];

  beforeEach(async () => {
    network = new SimulatedNetwork();
    [peers, transports] = [[], []];
    server = createServer({ allowHalfOpen: true }, (socket) => {
      peers.push(socket);
      socket.on("error", () => undefined);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    port = (server.address() as AddressInfo).port;
  });
  afterEach(() => {
    for (const transport of transports) transport.close();
    for (const peer of peers) peer.destroy();
    server.close();
  });

  function open(options: TransportOptions = {}): { transport: Transport; calls: unknown[][]; errors: SealwireError[] } {
    const calls: unknown[][] = [];
    const errors: SealwireError[] = [];
    const TCP = createTCP(network);
    const transport: Transport = new TCP({
      address: "127.0.0.1",
      port,
      onReadable: (count) => calls.push(["readable", count]),
      onWritable: (count) => calls.push(["writable", count]),
      onError: (error) => {
        calls.push(["error"]);
        errors.push(error!);
      },
      ...options,
    });
    equal(calls.length, 0, "called back from within the constructor");
    transports.push(transport);
    return { transport, calls, errors };
  }

  async function connected(options: TransportOptions = {}) {
    let writable = false;
    const { onWritable, ...others } = options;
    const opened = open({
      ...others,
      onWritable: (count) => {
        writable = true;
        onWritable?.(count);
      },
    });
    await until(() => writable && peers.length > 0, "a connection");
    return { ...opened, peer: peers.at(-1)! };
  }

  it("reads what came: all, a number of bytes, into a buffer, and nothing", async () => {
    const { transport, calls, peer } = await connected();
    equal(transport.read(), undefined);
    peer.write("abcdefgh");
    await until(() => calls.length > 0, "bytes");
    deepEqual(calls, [["readable", 8]]);
    equal(Buffer.from(transport.read(3)!).toString(), "abc");
    const buffer = new Uint8Array(2);
    equal(transport.read(buffer), 2);
    equal(Buffer.from(buffer).toString(), "de");
    peer.write("ij");
    await until(() => calls.length > 1, "more bytes");
    deepEqual(calls[1], ["readable", 5]);
    equal(transport.read(new Uint8Array(100)), 5);
    equal(transport.read(new ArrayBuffer(4)), undefined);
  });

  it("refuses to write before it is connected, and more than it said", async () => {
    const { transport, calls } = open();
    throws(() => transport.write(Uint8Array.of(1)), { code: "INVALID_ARGUMENT" });
    await until(() => calls.length > 0, "a connection");
    deepEqual(calls, [["writable", bound]]);
    throws(() => transport.write(new Uint8Array(bound + 1)), { code: "INVALID_ARGUMENT" });
    equal(transport.write(new Uint8Array(0)), bound);
  });

  it("sends everything in order through a slow peer, within its bound", async () => {
    const room: number[] = [];
    const { transport, peer } = await connected({ onWritable: (count) => room.push(count) });
    peer.pause();
    const message = Buffer.alloc(24 << 20, "0123456789abc");
    let received = "";
    let sent = 0;
    let writable = bound;
    let stalled = 0;
    const scratch = Buffer.alloc(bound);
    while (sent < message.byteLength) {
      if (writable === 0) {
        // The first time it is full: now the peer begins to read.
        if (stalled++ === 0) peer.on("data", (bytes: Buffer) => (received += bytes.toString())).resume();
        const seen = room.length;
        await until(() => room.length > seen, "room");
        writable = room.at(-1)!;
      }
      // One buffer again and again: what is written must have been copied.
      const part = scratch.subarray(0, message.copy(scratch, 0, sent, sent + writable));
      writable = transport.write(part);
      scratch.fill("x");
      sent += part.byteLength;
    }
    ok(stalled > 0, "the peer was never slow");
    await until(() => received.length === message.byteLength, "all of it", 5000);
    equal(received, message.toString());
  });

  it("holds a fast peer back while nobody reads, and loses nothing", async () => {
    const { transport, calls, peer } = await connected();
    const message = Buffer.alloc(8 << 20, "0123456789abc");
    peer.write(message);
    await new Promise((resolve) => setTimeout(resolve, 100));
    const waiting = calls.at(-1)![1] as number;
    ok(waiting >= bound && waiting <= 5 * bound, `${waiting} bytes wait`);
    ok(peer.writableLength > 0, "everything was taken in");
    const chunks: Buffer[] = [];
    let count = 0;
    while (count < message.byteLength) {
      const bytes = transport.read(1000 + (count % 5000));
      if (bytes === undefined) {
        const seen = calls.length;
        await until(() => calls.length > seen, "more");
        continue;
      }
      chunks.push(Buffer.from(bytes));
      count += bytes.byteLength;
    }
    ok(Buffer.concat(chunks).equals(message));
  });

  it("keeps the bytes of several connections apart, read at once or later", async () => {
    const letters = ["a", "b", "c"];
    const connections: Awaited<ReturnType<typeof connected>>[] = [];
    for (let i = 0; i < letters.length; i++) connections.push(await connected());
    const wanted = letters.map((letter) => letter.repeat(200_000));
    const got = letters.map(() => "");
    // Both ways at once: the peers send back what they get.
    for (const { peer } of connections) peer.on("data", (bytes: Buffer) => peer.write(bytes));
    const left = wanted.map((text) => Buffer.from(text));
    for (let turn = 0; got.some((text, i) => text.length < wanted[i]!.length); turn++) {
      ok(turn < 20_000, "it takes for ever");
      connections.forEach(({ transport }, i) => {
        const room = transport.write(new Uint8Array(0));
        const part = left[i]!.subarray(0, Math.min(room, 1 + ((turn * 7919 + i * 104_729) % 30_000)));
        if (part.byteLength > 0) transport.write(part);
        left[i] = left[i]!.subarray(part.byteLength);
        // One of them reads seldom, so that what it leaves must outlive the others' bytes.
        if (i === turn % 5)
          got[i] = `${got[i]!}${Buffer.from(transport.read(10_000) ?? new ArrayBuffer(0)).toString()}`;
      });
      await new Promise((resolve) => setImmediate(resolve));
    }
    deepEqual(
      got.map((text, i) => text === wanted[i]),
      [true, true, true],
    );
  });

  it("tells of the peer's end after the last byte was read", async () => {
    const { transport, calls, errors, peer } = await connected();
    peer.end("goodbye");
    await until(() => calls.length > 0, "bytes");
    await new Promise((resolve) => setTimeout(resolve, 20));
    deepEqual(calls, [["readable", 7]]);
    equal(Buffer.from(transport.read(4)!).toString(), "good");
    await new Promise((resolve) => setTimeout(resolve, 20));
    equal(errors.length, 0);
    equal(Buffer.from(transport.read()!).toString(), "bye");
    await until(() => errors.length > 0, "the end");
    equal(errors[0]!.code, "CONNECTION_LOST");
    throws(() => transport.write(Uint8Array.of(1)), { code: "INVALID_ARGUMENT" });
  });

  it("takes and drops what is written between the end and the call that tells of it", async () => {
    const { transport, calls, errors } = await connected();
    // In the same turn the program cannot know yet.
    network.set(false);
    equal(transport.write(Uint8Array.of(1, 2, 3)), 0);
    equal(errors.length, 0);
    await until(() => errors.length > 0, "the end");
    deepEqual(calls.at(-1), ["error"]);
    throws(() => transport.write(Uint8Array.of(1)), { code: "INVALID_ARGUMENT" });
  });

  it("tells a reset, a refusal and an interface that is down apart", async () => {
    const reset = await connected();
    reset.peer.resetAndDestroy();
    await until(() => reset.errors.length > 0, "the reset");
    equal(reset.errors[0]!.code, "CONNECTION_LOST");
    ok((reset.errors[0]!.cause as Error).message.includes("ECONNRESET"));

    const closed = createServer();
    await new Promise<void>((resolve) => closed.listen(0, "127.0.0.1", resolve));
    const free = (closed.address() as AddressInfo).port;
    await new Promise((resolve) => closed.close(resolve));
    const refused = open({ port: free });
    await until(() => refused.errors.length > 0, "the refusal");
    equal(refused.errors[0]!.code, "CONNECTION_REFUSED");

    const cut = await connected();
    network.set(false);
    await until(() => cut.errors.length > 0, "the cut");
    equal(cut.errors[0]!.code, "NETWORK_DOWN");
    const down = open();
    await until(() => down.errors.length > 0, "the refusal");
    equal(down.errors[0]!.code, "NETWORK_DOWN");
    network.set(true);
    await connected();
    for (const { errors } of [reset, refused, cut, down]) equal(errors.length, 1);
  });

  it("may be closed inside every callback, more than once, and calls back nothing after that", async () => {
    for (const callback of ["onWritable", "onReadable", "onError"] as const) {
      let count = 0;
      let late = 0;
      const close = (): void => {
        count++;
        transport.close();
        transport.close();
      };
      const others = { onWritable: () => late++, onReadable: () => late++, onError: () => late++ };
      if (callback !== "onWritable") others.onWritable = () => 0;
      const { transport } = open({ ...others, [callback]: close });
      await until(() => peers.length > 0, "a connection");
      if (callback === "onError") peers[0]!.resetAndDestroy();
      else peers[0]!.write("x");
      await until(() => count > 0, callback);
      for (const peer of peers) peer.end("more");
      await new Promise((resolve) => setTimeout(resolve, 20));
      equal(count, 1, callback);
      if (callback !== "onError") equal(late, 0, callback);
      peers.length = 0;
    }
  });

  it("sends what was written before close(), then ends", async () => {
    const { transport, peer } = await connected();
    let received = "";
    let ended = false;
    peer.on("data", (bytes: Buffer) => (received += bytes.toString()));
    peer.on("end", () => (ended = true));
    transport.write(Buffer.from("last words"));
    transport.close();
    await until(() => ended, "the end");
    equal(received, "last words");
    throws(() => transport.write(Uint8Array.of(1)), { code: "INVALID_ARGUMENT" });
    equal(transport.read(), undefined);
  });

  it("counts the bytes of the socket", async () => {
    let begun: { statistics: { bytesIn: number; bytesOut: number; open: boolean } } | undefined;
    network.watchers.add({ onBegin: (connection) => (begun = connection) });
    const { transport, peer, calls } = await connected();
    transport.write(new Uint8Array(1000));
    peer.write(new Uint8Array(333));
    await until(() => calls.length > 0, "bytes");
    const { bytesIn, bytesOut, open: isOpen } = begun!.statistics;
    deepEqual({ bytesIn, bytesOut, isOpen }, { bytesIn: 333, bytesOut: 1000, isOpen: true });
    transport.close();
    await until(() => !begun!.statistics.open, "the end");
    equal(begun!.statistics.bytesIn, 333);
  });

  it("refuses options that are wrong at once", () => {
    for (const wrong of [{ address: "localhost" }, { port: 0 }, { port: 65_536 }, { port: 1.5 }])
      throws(() => open(wrong), { code: "INVALID_ARGUMENT" });
  });
});

describe("node host: resolver", () => {
  const resolve = (
    host: string,
    hosts: Record<string, string> = {},
    network = new SimulatedNetwork(),
  ): Promise<[string, string] | SealwireError> => {
    const resolver = new (createResolver(hosts, network))({});
    return new Promise((settle) =>
      resolver.resolve({
        host,
        onResolved: (name, address) => settle([name, address]),
        onError: (error) => settle(error!),
      }),
    );
  };

  it("looks into its own table first, without case, then asks the host", async () => {
    deepEqual(await resolve("Broker.Example", { "broker.example": "192.0.2.7" }), ["Broker.Example", "192.0.2.7"]);
    const [, address] = (await resolve("localhost")) as [string, string];
    ok(address === "127.0.0.1" || address === "::1");
  });

  it("gives addresses back as they are, even when the network is down", async () => {
    const down = new SimulatedNetwork(false);
    deepEqual(await resolve("192.0.2.1", {}, down), ["192.0.2.1", "192.0.2.1"]);
    deepEqual(await resolve("2001:db8::1"), ["2001:db8::1", "2001:db8::1"]);
    equal(((await resolve("localhost", {}, down)) as SealwireError).code, "NETWORK_DOWN");
  });

  it("says that a name is not there, or is none", async () => {
    for (const name of ["nowhere.invalid", "", "a b", "x".repeat(300)])
      equal(((await resolve(name)) as SealwireError).code, "NAME_NOT_RESOLVED", name);
  });

  it("answers nothing after close()", async () => {
    const resolver = new (createResolver({ a: "192.0.2.1" }, new SimulatedNetwork()))({});
    let calls = 0;
    resolver.resolve({ host: "a", onResolved: () => calls++, onError: () => calls++ });
    resolver.close();
    await new Promise((settle) => setTimeout(settle, 20));
    equal(calls, 0);
    throws(() => resolver.resolve({ host: "a", onResolved: () => calls++ }), { code: "CLOSED" });
  });

  it("refuses a table whose addresses are none", () => {
    throws(() => createResolver({ a: "b" }, new SimulatedNetwork()), { code: "INVALID_ARGUMENT" });
  });
});
