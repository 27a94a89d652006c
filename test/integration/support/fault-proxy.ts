/** The network between a device and its broker, with the faults that networks have. What it forwards it does not change. */
import * as net from "node:net";

export type Fault =
  /** Nothing is wrong. */
  | { readonly kind: "none" }
  /** New connections are reset. */
  | { readonly kind: "reset" }
  /** New connections are taken, and nothing ever comes back. */
  | { readonly kind: "silent" }
  /** What the server sends comes byte by byte, so many milliseconds apart. */
  | { readonly kind: "trickle"; readonly pause: number }
  /** The first new connection is reset after so many TLS records, of both directions together. */
  | { readonly kind: "cut"; readonly records: number };

interface Pair {
  readonly device: net.Socket;
  readonly server: net.Socket;
}

export class FaultProxy {
  fault: Fault = { kind: "none" };
  /** Nothing gets through on any connection, and nobody is told: a half-open link, or one that stalls. */
  frozen = false;
  /** Connections since the beginning. */
  connections = 0;
  /** Cuts that were made, see {@link Fault}. */
  cuts = 0;
  readonly #target: () => number;
  readonly #pairs = new Set<Pair>();
  readonly #server: net.Server;
  #thaw: (() => void)[] = [];

  /** @param target the broker's port, asked for at each connection */
  constructor(target: () => number) {
    this.#target = target;
    this.#server = net.createServer({ allowHalfOpen: true, noDelay: true }, (socket) => this.#accept(socket));
  }

  get port(): number {
    return (this.#server.address() as net.AddressInfo).port;
  }

  start(): Promise<void> {
    return new Promise((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
  }

  async stop(): Promise<void> {
    // One that is still on its way must not keep the server open.
    this.fault = { kind: "reset" };
    this.reset();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** Resets every connection. */
  reset(): void {
    this.#thaw = [];
    for (const { device, server } of this.#pairs) {
      device.resetAndDestroy();
      server.resetAndDestroy();
    }
  }

  /** Ends {@link frozen}: what waited gets through. */
  thaw(): void {
    this.frozen = false;
    const waiting = this.#thaw;
    this.#thaw = [];
    for (const action of waiting) action();
  }

  #accept(device: net.Socket): void {
    this.connections++;
    device.on("error", () => undefined);
    const { fault } = this;
    if (fault.kind === "reset") {
      device.resetAndDestroy();
      return;
    }
    const server = new net.Socket({ allowHalfOpen: true }).setNoDelay();
    const pair = { device, server };
    this.#pairs.add(pair);
    server.on("error", () => undefined);
    device.on("close", () => {
      this.#pairs.delete(pair);
      server.destroy();
    });
    if (fault.kind === "silent") {
      device.resume();
      return;
    }
    server.connect(this.#target(), "127.0.0.1");
    // One that ended properly was passed on by then.
    server.on("close", () => {
      if (!server.readableEnded) device.resetAndDestroy();
    });
    if (fault.kind === "cut") this.fault = { kind: "none" };
    const cut = fault.kind === "cut" ? new RecordCount(fault.records) : undefined;
    this.#forward(device, server, cut);
    this.#forward(server, device, cut, fault.kind === "trickle" ? fault.pause : undefined);
  }

  #forward(from: net.Socket, to: net.Socket, cut: RecordCount | undefined, pause?: number): void {
    const direction = cut?.direction();
    const queue: number[] = [];
    const trickle = (): void => {
      const byte = queue.shift();
      if (byte === undefined || to.destroyed) return;
      to.write(Uint8Array.of(byte));
      setTimeout(trickle, pause);
    };
    const pass = (chunk: Buffer): void => {
      if (to.destroyed) return;
      if (pause !== undefined) {
        const idle = queue.length === 0;
        queue.push(...chunk);
        if (idle) trickle();
        return;
      }
      const allowed = direction?.(chunk) ?? chunk.byteLength;
      if (allowed > 0) to.write(chunk.subarray(0, allowed));
      if (allowed === chunk.byteLength) return;
      this.cuts++;
      // What was let through has arrived when the reset does.
      setTimeout(() => {
        from.resetAndDestroy();
        to.resetAndDestroy();
      }, 20);
    };
    from.on("data", (chunk) => {
      if (this.frozen) this.#thaw.push(() => pass(chunk));
      else pass(chunk);
    });
    from.on("end", () => {
      if (this.frozen) this.#thaw.push(() => to.end());
      else to.end();
    });
  }
}

/** Counts TLS records of both directions of one connection, and says where to cut. */
class RecordCount {
  #left: number;

  constructor(records: number) {
    this.#left = records;
  }

  /** @returns a function that says how many bytes of the next chunk of one direction get through */
  direction(): (chunk: Uint8Array) => number {
    const header: number[] = [];
    let missing = 0;
    return (chunk) => {
      let offset = 0;
      while (offset < chunk.byteLength) {
        if (missing > 0) {
          const part = Math.min(missing, chunk.byteLength - offset);
          missing -= part;
          offset += part;
          continue;
        }
        if (header.length === 0 && this.#left <= 0) return offset;
        header.push(chunk[offset++]!);
        if (header.length < 5) continue;
        missing = (header[3]! << 8) | header[4]!;
        header.length = 0;
        this.#left--;
      }
      return offset;
    };
  }
}
