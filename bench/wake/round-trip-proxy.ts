/** A network that takes its time: a proxy that delays each direction, and counts what a client had to wait for. */
import * as net from "node:net";

export interface Traffic {
  /** Times that the other side spoke after the client had: what the client sent meanwhile counts once. */
  readonly alternations: number;
  readonly bytesOut: number;
  readonly bytesIn: number;
}

export class RoundTripProxy {
  readonly #delay: number;
  readonly #target: number;
  readonly #sockets = new Set<net.Socket>();
  readonly #server: net.Server;
  #alternations = 0;
  #bytesOut = 0;
  #bytesIn = 0;
  #clientSpoke = false;

  /** @param delay milliseconds that each direction takes */
  constructor(target: number, delay: number) {
    this.#target = target;
    this.#delay = delay;
    this.#server = net.createServer({ noDelay: true, allowHalfOpen: true }, (socket) => this.#accept(socket));
  }

  get port(): number {
    return (this.#server.address() as net.AddressInfo).port;
  }

  get traffic(): Traffic {
    return { alternations: this.#alternations, bytesOut: this.#bytesOut, bytesIn: this.#bytesIn };
  }

  /** Counts from here on. */
  reset(): void {
    this.#alternations = this.#bytesOut = this.#bytesIn = 0;
    this.#clientSpoke = false;
  }

  start(): Promise<void> {
    return new Promise((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #accept(client: net.Socket): void {
    const server = new net.Socket({ allowHalfOpen: true }).setNoDelay().connect(this.#target, "127.0.0.1");
    for (const [from, to, out] of [
      [client, server, true],
      [server, client, false],
    ] as const) {
      this.#sockets.add(from);
      from.on("error", () => undefined);
      from.on("close", () => {
        this.#sockets.delete(from);
        setTimeout(() => to.destroy(), this.#delay);
      });
      from.on("data", (chunk) => {
        this.#count(out, chunk.byteLength);
        setTimeout(() => to.write(chunk), this.#delay);
      });
      from.on("end", () => setTimeout(() => to.end(), this.#delay));
    }
  }

  /** Both directions are seen before their delay: what the client sends in one go has passed long before the answer to its first part comes. */
  #count(out: boolean, byteLength: number): void {
    if (out) {
      this.#bytesOut += byteLength;
      this.#clientSpoke = true;
      return;
    }
    this.#bytesIn += byteLength;
    if (this.#clientSpoke) this.#alternations++;
    this.#clientSpoke = false;
  }
}
