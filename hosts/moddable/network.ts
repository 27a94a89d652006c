/** The network interface: it is up while it has an address. Looked at once a second, while somebody watches. */
import type { PlatformNetwork } from "../../src/platform.js";
import { Net } from "./sdk.js";
import { timer } from "./timer.js";

const period = 1000;

export class AddressedNetwork implements PlatformNetwork {
  #listeners: ((up: boolean) => void)[] = [];
  #was = false;
  #watching = false;

  get up(): boolean {
    const address = Net.get("IP");
    return address !== undefined && address !== "" && address !== "0.0.0.0";
  }

  observe(listener: (up: boolean) => void): () => void {
    // Each its own, should the same function be given twice.
    const own = (up: boolean): void => listener(up);
    if (this.#listeners.length === 0) this.#was = this.up;
    this.#listeners.push(own);
    this.#watch();
    return () => void (this.#listeners = this.#listeners.filter((other) => other !== own));
  }

  #watch(): void {
    if (this.#watching) return;
    this.#watching = true;
    timer.set(() => {
      this.#watching = false;
      if (this.#listeners.length === 0) return;
      this.#watch();
      const { up } = this;
      if (up === this.#was) return;
      this.#was = up;
      for (const each of this.#listeners.slice()) each(up);
    }, period);
  }
}
