/**
 * The row of each connect: what it cost on the wire and in time.
 *
 * When the firmware says `connected`, the bytes of its newest TCP connection are counted 100 ms later, because TLS 1.3 servers
 * send their tickets late; or before the connection or the process ends, when that is earlier.
 */
import type { PlatformEvent } from "../../../src/platform.js";
import type { NetworkConnection, SimulatedNetwork } from "../network.js";

const wait = 100;

interface Pending {
  readonly connection: NetworkConnection;
  readonly connected: PlatformEvent;
  readonly milliseconds: number;
  readonly timeout: NodeJS.Timeout;
}

export class ConnectReport {
  readonly #emit: (event: PlatformEvent) => void;
  #newest: NetworkConnection | undefined;
  #pending: Pending | undefined;
  /** A row that is due is not lost when the firmware crashes. */
  readonly #onExit = (): void => this.flush();

  constructor(network: SimulatedNetwork, emit: (event: PlatformEvent) => void) {
    this.#emit = emit;
    network.watchers.add({
      onBegin: (connection) => (this.#newest = connection),
      onEnd: (connection) => {
        if (this.#pending?.connection === connection) this.flush();
      },
    });
  }

  /** Passes an event on, and begins a row when it is `connected`. */
  observe(event: PlatformEvent): void {
    this.#emit(event);
    if (event.event !== "connected" || this.#newest === undefined) return;
    this.flush();
    this.#pending = {
      connection: this.#newest,
      connected: event,
      milliseconds: Math.round((performance.now() - this.#newest.statistics.startedAt) * 10) / 10,
      timeout: setTimeout(() => this.flush(), wait),
    };
    process.once("exit", this.#onExit);
    if (!this.#newest.statistics.open) this.flush();
  }

  /** Emits the row that is still due, if any. */
  flush(): void {
    const pending = this.#pending;
    if (pending === undefined) return;
    this.#pending = undefined;
    clearTimeout(pending.timeout);
    process.off("exit", this.#onExit);
    const { bytesOut, bytesIn } = pending.connection.statistics;
    const { protocol, resumed } = pending.connected;
    this.#emit({ event: "connect", protocol, resumed, bytesOut, bytesIn, milliseconds: pending.milliseconds });
  }
}
