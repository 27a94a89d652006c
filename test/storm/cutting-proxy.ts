/** Stands between a device and a broker, and cuts each connection after a number of bytes. */
import * as net from "node:net";

/** How a connection is cut. */
export interface Cut {
  /** Bytes of both directions together that get through. */
  readonly after: number;
  /** Whether both sides are told with a reset, which swallows bytes on their way, or with an end behind the last byte. */
  readonly reset: boolean;
}

/** Milliseconds until a side that was told of the end must have closed. */
const farewell = 500;

export class CuttingProxy {
  /** Connections that were cut. */
  cuts = 0;
  readonly #server: net.Server;
  readonly #sockets = new Set<net.Socket>();

  /**
   * @param target port of the broker
   * @param cut decides for each new connection; `undefined`: it is not cut
   * @param watch takes what gets through to the device, for each new connection
   */
  constructor(target: number, cut: () => Cut | undefined, watch: () => (bytes: Buffer) => void) {
    this.#server = net.createServer({ noDelay: true, allowHalfOpen: true }, (device) =>
      this.#accept(device, target, cut(), watch()),
    );
  }

  /** 0 until it was started. */
  get port(): number {
    return (this.#server.address() as net.AddressInfo | null)?.port ?? 0;
  }

  start(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen(0, "127.0.0.1", resolve);
    });
  }

  stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }

  #accept(device: net.Socket, target: number, cut: Cut | undefined, observe: (bytes: Buffer) => void): void {
    const broker = net.connect({ host: "127.0.0.1", port: target, noDelay: true, allowHalfOpen: true });
    const both = [device, broker];
    let left = cut?.after ?? Number.POSITIVE_INFINITY;
    const over = (): boolean => left <= 0;
    for (const socket of both) {
      this.#sockets.add(socket);
      socket.on("error", () => socket.destroy());
      socket.on("close", () => {
        this.#sockets.delete(socket);
        for (const other of both) other.destroy();
      });
    }
    const pass = (from: net.Socket, to: net.Socket): void => {
      from.on("data", (bytes) => {
        if (over()) return;
        const part = bytes.subarray(0, left);
        left -= part.byteLength;
        if (to === device) observe(part);
        // The last bytes get through, and nothing behind them: in the middle of a packet as often as not.
        to.write(part);
        if (!over()) return;
        this.cuts++;
        if (cut?.reset) for (const socket of both) socket.destroy();
        else this.#end(both);
      });
      from.on("end", () => {
        if (!over()) to.end();
      });
    };
    pass(device, broker);
    pass(broker, device);
  }

  #end(sockets: readonly net.Socket[]): void {
    for (const socket of sockets) socket.end();
    setTimeout(() => {
      for (const socket of sockets) socket.destroy();
    }, farewell).unref();
  }
}
