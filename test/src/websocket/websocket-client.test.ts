import { toBytes } from "../../../src/bytes.js";
import { SealwireError } from "../../../src/errors.js";
import type { BufferLike, Transport, TransportOptions } from "../../../src/platform.js";
import {
  WebSocketClientTransport,
  type WebSocketClient,
  type WebSocketClientOptions,
} from "../../../src/websocket/index.js";
import { deepEqual, ok, strictEqual, throws } from "../../support/assert.js";
import { describe, it } from "../../support/bdd.js";

/** The transport below. */
class Below implements Transport {
  static latest: Below;
  readonly options: TransportOptions;
  bytes: number[] = [];
  closed = false;

  constructor(options: TransportOptions) {
    this.options = options;
    Below.latest = this;
  }

  read(count?: number): ArrayBuffer | undefined;
  read(buffer: BufferLike): number | undefined;
  read(into?: number | BufferLike): ArrayBuffer | number | undefined {
    const wanted = typeof into === "object" ? into.byteLength : (into ?? this.bytes.length);
    const taken = this.bytes.splice(0, wanted);
    if (taken.length === 0) return undefined;
    if (typeof into !== "object") return Uint8Array.from(taken).buffer;
    toBytes(into).set(taken);
    return taken.length;
  }

  write(): number {
    return 100;
  }

  close(): void {
    this.closed = true;
  }
}

interface ByteSocket {
  format: string;
  read(): ArrayBuffer | number | undefined;
}

/** The host's class: what it is told to do it does, and it remembers what it was given. */
class Client implements WebSocketClient {
  static latest: Client;
  readonly options: WebSocketClientOptions;
  socket: ByteSocket | undefined;
  payload: number[] = [];
  written: number[] = [];
  closed = 0;

  constructor(options: WebSocketClientOptions) {
    this.options = options;
    Client.latest = this;
    new options.dns.io({}).resolve({
      host: options.host,
      onResolved: (host: string, address: string) => {
        this.socket = new options.socket.io({
          host,
          address,
          port: options.port,
          onError: () => options.onError(),
        }) as unknown as ByteSocket;
      },
    });
  }

  read(into?: Uint8Array | number): never {
    const target = into as Uint8Array;
    const taken = this.payload.splice(0, target.byteLength);
    target.set(taken);
    return taken.length as never;
  }

  write(data: Uint8Array): number {
    this.written.push(...data);
    return 5;
  }

  close(): void {
    this.closed++;
  }
}

function setUp() {
  const due: (() => void)[] = [];
  const readable: number[] = [];
  const writable: number[] = [];
  const errors: (SealwireError | undefined)[] = [];
  const transport = new WebSocketClientTransport({
    client: Client,
    socket: { io: Below },
    timer: { set: (callback) => due.push(callback), clear: () => undefined },
    address: "192.0.2.1",
    host: "broker.example",
    onReadable: (count) => readable.push(count),
    onWritable: (count) => writable.push(count),
    onError: (error) => errors.push(error),
  });
  const client = Client.latest;
  strictEqual(client.socket, undefined, "a resolver answers later");
  for (const callback of due.splice(0)) callback();
  return { transport, client, below: Below.latest, readable, writable, errors };
}

describe("The host's WebSocket class as a transport", () => {
  it("is made for MQTT, and given the address that is known", () => {
    const { client, below } = setUp();
    const { host, port, path, protocol } = client.options;
    deepEqual([host, port, path, protocol], ["broker.example", 443, "/mqtt", "mqtt"]);
    deepEqual([below.options.address, below.options.host, below.options.port], ["192.0.2.1", "broker.example", 443]);
  });

  it("may read the transport below byte by byte as numbers, and as buffers", () => {
    const { client, below } = setUp();
    below.bytes = [7, 8, 9];
    strictEqual(client.socket!.read(), 7);
    client.socket!.format = "buffer";
    deepEqual(new Uint8Array(client.socket!.read() as ArrayBuffer), Uint8Array.of(8, 9));
    client.socket!.format = "number";
    strictEqual(client.socket!.read(), undefined);
  });

  it("passes payload both ways, no more than there is and than is writable", () => {
    const { transport, client, readable, writable } = setUp();
    throws(() => transport.write(Uint8Array.of(1)), "INVALID_ARGUMENT");
    client.options.onWritable(10);
    strictEqual(transport.write(Uint8Array.of(1, 2)), 5);
    throws(() => transport.write(new Uint8Array(6)), "INVALID_ARGUMENT");
    client.payload = [1, 2, 3, 4];
    client.options.onReadable(4, { binary: true, more: false });
    deepEqual(new Uint8Array(transport.read(3)!), Uint8Array.of(1, 2, 3));
    const buffer = new Uint8Array(5);
    deepEqual([transport.read(buffer), buffer[0], transport.read()], [1, 4, undefined]);
    deepEqual([readable, writable, client.written], [[4], [10], [1, 2]]);
  });

  it("tells why the transport below ended, which the class does not", () => {
    const { client, below, errors } = setUp();
    const cause = new SealwireError("TLS_CERTIFICATE_UNTRUSTED", "not trusted");
    below.options.onError?.(cause);
    strictEqual(errors[0], cause);
    client.options.onError();
    client.options.onClose();
    deepEqual([errors.length, client.closed], [1, 1]);
  });

  it("tells a refusal from a loss, a proper end, and what is not binary", () => {
    const refused = setUp();
    refused.client.options.onError();
    const lost = setUp();
    lost.client.options.onWritable(10);
    lost.client.options.onError();
    const ended = setUp();
    ended.client.options.onClose();
    const text = setUp();
    text.client.options.onReadable(3, { binary: false });
    deepEqual(
      [refused, lost, ended, text].map(({ errors }) => errors[0]?.code),
      ["CONNECTION_REFUSED", "CONNECTION_LOST", "CONNECTION_LOST", "CONNECTION_LOST"],
    );
    deepEqual(text.readable, []);
  });

  it("calls nothing back once it is closed, and lets nothing that is thrown through to the class", () => {
    const { transport, client, readable, errors } = setUp();
    transport.close();
    transport.close();
    client.options.onReadable(1);
    client.options.onError();
    deepEqual([readable.length, errors.length, client.closed], [0, 0, 1]);
    const failed: (SealwireError | undefined)[] = [];
    new WebSocketClientTransport({
      client: Client,
      socket: { io: Below },
      timer: { set: () => undefined, clear: () => undefined },
      host: "broker.example",
      onWritable: () => {
        throw new Error("the application");
      },
      onError: (error) => {
        failed.push(error);
        throw new Error("again");
      },
    });
    Client.latest.options.onWritable(3);
    strictEqual(failed[0]?.code, "CONNECTION_LOST");
    ok(Client.latest.closed === 1);
  });

  it("reports a transport below that cannot be made, and makes none once it is closed", () => {
    let made = 0;
    class Impossible extends Below {
      constructor(options: TransportOptions) {
        super(options);
        made++;
        throw new SealwireError("INVALID_ARGUMENT", "no memory for a socket");
      }
    }
    const due: (() => void)[] = [];
    const timer = { set: (callback: () => void) => due.push(callback), clear: () => undefined };
    const failed: (SealwireError | undefined)[] = [];
    const begin = () =>
      new WebSocketClientTransport({
        client: Client,
        socket: { io: Impossible },
        timer,
        host: "broker.example",
        onError: (error) => failed.push(error),
      });
    begin();
    // As the host's timer does: what is thrown there would restart the device.
    for (const callback of due.splice(0)) callback();
    deepEqual([made, failed.map((error) => error?.message), Client.latest.closed], [1, ["no memory for a socket"], 1]);
    begin().close();
    for (const callback of due.splice(0)) callback();
    deepEqual([made, failed.length], [1, 1]);
  });

  it("says what is missing", () => {
    const timer = { set: () => undefined, clear: () => undefined };
    throws(() => new WebSocketClientTransport({ client: Client, socket: { io: Below }, timer }), "INVALID_ARGUMENT");
    throws(
      () => new WebSocketClientTransport({ client: {} as never, socket: { io: Below }, timer, host: "h" }),
      "INVALID_ARGUMENT",
    );
  });
});
