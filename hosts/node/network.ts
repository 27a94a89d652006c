/** The device's network interface, and everything that goes through it. */
import type { PlatformNetwork } from "../../src/platform.js";

/** Figures of one TCP connection, as counted on its socket. */
export interface ConnectionStatistics {
  /** `performance.now()` when the connection was begun. */
  readonly startedAt: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly open: boolean;
}

/** A connection, as its network interface sees it. */
export interface NetworkConnection {
  readonly statistics: ConnectionStatistics;
  /** The interface is gone: the connection must end without a goodbye. */
  interrupt(): void;
}

export class SimulatedNetwork implements PlatformNetwork {
  #up: boolean;
  readonly #listeners = new Set<(up: boolean) => void>();
  readonly #connections = new Set<NetworkConnection>();
  /** Told when a connection begins and ends. */
  readonly watchers = new Set<{
    onBegin?(connection: NetworkConnection): void;
    onEnd?(connection: NetworkConnection): void;
  }>();

  constructor(up = true) {
    this.#up = up;
  }

  get up(): boolean {
    return this.#up;
  }

  observe(listener: (up: boolean) => void): () => void {
    // Each its own, should the same function be given twice.
    const own = (up: boolean): void => listener(up);
    this.#listeners.add(own);
    return () => void this.#listeners.delete(own);
  }

  /** Plugs the cable in or pulls it. */
  set(up: boolean): void {
    if (up === this.#up) return;
    this.#up = up;
    if (!up) for (const connection of [...this.#connections]) connection.interrupt();
    for (const listener of [...this.#listeners]) listener(up);
  }

  begin(connection: NetworkConnection): void {
    this.#connections.add(connection);
    for (const watcher of this.watchers) watcher.onBegin?.(connection);
  }

  end(connection: NetworkConnection): void {
    if (!this.#connections.delete(connection)) return;
    for (const watcher of this.watchers) watcher.onEnd?.(connection);
  }
}
