/** The device's network interface. `SIGUSR1` takes it down from outside, `SIGUSR2` brings it up again. */
import type { PlatformNetwork } from "../../src/platform.js";
import * as network from "./native/network.js";

export class SimulatedNetwork implements PlatformNetwork {
  #listeners: ((up: boolean) => void)[] | undefined;

  get up(): boolean {
    return network.up();
  }

  observe(listener: (up: boolean) => void): () => void {
    // Each its own, should the same function be given twice.
    const own = (up: boolean): void => listener(up);
    if (this.#listeners === undefined) {
      this.#listeners = [];
      network.watch((up) => {
        for (const each of this.#listeners!.slice()) each(up);
      });
    }
    this.#listeners.push(own);
    return () => void (this.#listeners = this.#listeners!.filter((other) => other !== own));
  }

  /** Plugs the cable in or pulls it: then every connection ends with `NETWORK_DOWN`, and nothing can be resolved. */
  set(up: boolean): void {
    network.set(up);
  }
}
