/**
 * The network between a device and its broker: a TCP proxy that counts, watches, delays, cuts and refuses.
 *
 * What it forwards it does not change. Per connection and direction it holds at most {@link longestQueue} bytes, and what Node's
 * sockets hold, before it stops reading.
 */
import * as net from "node:net";
import { CommandFailure, exitCodes, reasonOf } from "../failure.js";
import { HandshakeWatch, type ServerDecision } from "./handshake-watch.js";

const longestQueue = 64 * 1024;

/** Byte counts that are remembered per direction, so that a count of somebody else can be found among them. */
const rememberedCounts = 4096;

/** Finished connections that are remembered. */
const rememberedConnections = 256;

export interface TapOptions {
  /** Where connections go. */
  readonly target: { readonly address: string; readonly port: number };
  /** Where they are accepted; the loopback interface when left out. */
  readonly address?: string;
  /** A free one is chosen when left out. */
  readonly port?: number | undefined;
}

/** Bytes of one direction. */
class Count {
  total = 0;
  readonly #values = new Set<number>([0]);

  add(byteLength: number): void {
    this.total += byteLength;
    if (this.#values.size < rememberedCounts) this.#values.add(this.total);
  }

  /** Whether the count stood at this value at some moment. */
  passed(value: number): boolean {
    return this.#values.has(value);
  }
}

/** One connection of a device through the tap. */
export class TapConnection {
  readonly #device: net.Socket;
  readonly #server: net.Socket;
  readonly #watch = new HandshakeWatch();
  readonly #out = new Count();
  readonly #in = new Count();
  /** The port of the tap that the broker sees; 0 until the broker accepted. */
  brokerPort = 0;
  closed = false;

  constructor(device: net.Socket, server: net.Socket, delay: () => number, onClose: () => void) {
    this.#device = device;
    this.#server = server;
    server.once("connect", () => {
      this.brokerPort = server.localPort ?? 0;
    });
    forward(device, server, delay, {
      arrived: (chunk) => this.#out.add(chunk.byteLength),
      sent: () => undefined,
    });
    forward(server, device, delay, {
      arrived: (chunk) => this.#watch.feed(chunk),
      sent: (chunk) => this.#in.add(chunk.byteLength),
    });
    let open = 2;
    const closed = (): void => {
      if (--open > 0) return;
      this.closed = true;
      onClose();
    };
    for (const [socket, other] of [
      [device, server],
      [server, device],
    ] as const) {
      let failed = false;
      socket.on("error", () => {
        failed = true;
      });
      socket.on("close", () => {
        // A connection that broke breaks on the other side; one that ended was passed on by forward().
        if (failed || !socket.readableEnded) reset(other);
        closed();
      });
    }
  }

  /** Bytes from the device so far. */
  get bytesOut(): number {
    return this.#out.total;
  }

  /** Bytes to the device so far. */
  get bytesIn(): number {
    return this.#in.total;
  }

  /** What the server decided, once its ServerHello, or for TLS 1.2 what follows, went by. */
  get decision(): ServerDecision | undefined {
    return this.#watch.decision;
  }

  /** Whether there was a moment at which this many bytes had gone out, and one at which this many had come in. */
  passed(bytesOut: number, bytesIn: number): boolean {
    return this.#out.passed(bytesOut) && this.#in.passed(bytesIn);
  }

  /** Ends it as a lost network does, for both sides and without a goodbye (TCP RST). */
  cut(): void {
    reset(this.#device);
    reset(this.#server);
  }
}

export class Tap {
  /** Milliseconds that each direction takes. */
  delay = 0;
  /** Whether new connections are refused: accepted by TCP, then reset. */
  refusing = false;
  /** In the order of connecting; of those that ended, the last ones. */
  readonly connections: TapConnection[] = [];
  readonly #options: TapOptions;
  readonly #server: net.Server;

  constructor(options: TapOptions) {
    this.#options = options;
    this.#server = net.createServer({ allowHalfOpen: true, noDelay: true }, (socket) => this.#accept(socket));
  }

  /** 0 until it was started. */
  get port(): number {
    return (this.#server.address() as net.AddressInfo | null)?.port ?? 0;
  }

  start(): Promise<void> {
    const { address = "127.0.0.1", port = 0 } = this.#options;
    return new Promise((resolve, reject) => {
      this.#server.once("error", (error) =>
        reject(
          new CommandFailure(
            exitCodes.environment,
            "INVALID_STATE",
            `Cannot listen on port ${port} of ${address}: ${reasonOf(error)}.`,
            { cause: error },
          ),
        ),
      );
      this.#server.listen(port, address, resolve);
    });
  }

  /** Cuts every connection that is open. */
  cut(): void {
    for (const connection of this.connections) if (!connection.closed) connection.cut();
  }

  /** Resolves once nothing is left. Safe more than once, and when it was never started. */
  async stop(): Promise<void> {
    this.cut();
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
  }

  #accept(device: net.Socket): void {
    if (this.refusing) {
      device.on("error", () => undefined);
      reset(device);
      return;
    }
    const { address, port } = this.#options.target;
    const server = net.connect({ host: address, port, allowHalfOpen: true, noDelay: true });
    const connection = new TapConnection(
      device,
      server,
      () => this.delay,
      () => this.#forget(),
    );
    this.connections.push(connection);
  }

  #forget(): void {
    while (this.connections.length > rememberedConnections) {
      const oldest = this.connections.findIndex((connection) => connection.closed);
      if (oldest < 0) return;
      this.connections.splice(oldest, 1);
    }
  }
}

interface Observer {
  readonly arrived: (chunk: Buffer) => void;
  readonly sent: (chunk: Buffer) => void;
}

/** Does things in order, each once its time has come. */
class DelayLine {
  readonly #waiting: { readonly due: number; readonly action: () => void }[] = [];

  add(wait: number, action: () => void): void {
    if (wait <= 0 && this.#waiting.length === 0) {
      action();
      return;
    }
    this.#waiting.push({ due: performance.now() + wait, action });
    if (this.#waiting.length === 1) this.#arm();
  }

  #arm(): void {
    const next = this.#waiting[0];
    if (!next) return;
    setTimeout(
      () => {
        this.#waiting.shift();
        next.action();
        this.#arm();
      },
      Math.max(0, next.due - performance.now()),
    );
  }
}

/** Passes on what arrives, in order, after the delay; then the end. */
function forward(from: net.Socket, to: net.Socket, delay: () => number, observer: Observer): void {
  const line = new DelayLine();
  let queued = 0;
  const flow = (): void => {
    if (queued > longestQueue || to.writableNeedDrain) from.pause();
    else from.resume();
  };
  to.on("drain", flow);
  from.on("data", (chunk) => {
    observer.arrived(chunk);
    queued += chunk.byteLength;
    line.add(delay(), () => {
      queued -= chunk.byteLength;
      if (to.destroyed) return;
      observer.sent(chunk);
      to.write(chunk);
      flow();
    });
    flow();
  });
  from.on("end", () => {
    line.add(delay(), () => {
      if (!to.destroyed) to.end();
    });
  });
}

function reset(socket: net.Socket): void {
  if (socket.destroyed) return;
  // Before it is connected there is nothing to reset.
  if (socket.connecting) socket.destroy();
  else socket.resetAndDestroy();
}
