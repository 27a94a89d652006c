/** Stands between a device and a broker, and cuts each connection after a number of bytes. */
import * as net from "node:net";
import type { Watched } from "./broker-conduct.js";

export class CuttingProxy {
  /** Connections that were cut. */
  cuts = 0;
  readonly #server: net.Server;
  readonly #sockets = new Set<net.Socket>();

  /**
   * @param target port of the broker
   * @param budget gives, for each new connection, the bytes of both directions together that get through; `undefined`: all
   * @param watch told of the bytes that do
   */
  constructor(target: number, budget: () => number | undefined, watch: () => Watched) {
    this.#server = net.createServer({ noDelay: true }, (device) => this.#accept(device, target, budget(), watch()));
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

  #accept(device: net.Socket, target: number, budget: number | undefined, watched: Watched): void {
    const broker = net.connect({ host: "127.0.0.1", port: target, noDelay: true });
    let left = budget ?? Number.POSITIVE_INFINITY;
    let over = false;
    const both = [device, broker];
    const end = (): void => {
      over = true;
      for (const socket of both) {
        this.#sockets.delete(socket);
        if (!socket.destroyed) socket.destroy();
      }
    };
    for (const socket of both) {
      this.#sockets.add(socket);
      socket.on("error", end);
      socket.on("close", end);
    }
    const pass = (from: net.Socket, to: net.Socket, observe: (bytes: Buffer) => void): void => {
      from.on("data", (bytes) => {
        if (over) return;
        const part = bytes.subarray(0, left);
        left -= part.byteLength;
        observe(part);
        // The last bytes arrive, and nothing behind them: in the middle of a packet as often as not.
        if (left > 0) to.write(part);
        else {
          over = true;
          this.cuts++;
          to.end(part, () => setImmediate(end));
        }
      });
    };
    pass(device, broker, (bytes) => watched.fromDevice(bytes));
    pass(broker, device, (bytes) => watched.fromBroker(bytes));
  }
}
