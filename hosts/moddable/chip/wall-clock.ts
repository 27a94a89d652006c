/**
 * The wall clock of a chip, set by SNTP: when the network is up and it is not set, and once a day from then on. SNTP is not authenticated: the
 * module itself does not believe a time below its floor, nor far above it.
 */
import type { PlatformNetwork, WallTime } from "../../../src/platform.js";
import { Time } from "../sdk.js";
import { timer } from "../timer.js";
import { config, SNTP } from "./chip-sdk.js";

const day = 86_400_000;
const retry = 60_000;
/** SNTP is good to a second or so over any network that MQTT works on; the chip's RC oscillator loses a few in a night of deep sleep. */
const uncertainty = 10_000;

export class WallClock {
  readonly #network: PlatformNetwork;
  readonly #buildTime: number;
  #asking = false;

  /** @param buildTime no true clock is earlier: milliseconds since 1970 */
  constructor(network: PlatformNetwork, buildTime: number) {
    this.#network = network;
    this.#buildTime = buildTime;
    // Set before the program began: by the SDK's own Wi-Fi set-up, or before a deep sleep.
    timer.set(() => this.#ask(), this.now() === undefined ? 0 : day);
    network.observe((up) => {
      if (up && this.now() === undefined) this.#ask();
    });
  }

  now(): WallTime | undefined {
    const now = Date.now();
    return now < this.#buildTime ? undefined : { now, source: "sntp", uncertainty };
  }

  #ask(): void {
    const host = config.sntp;
    if (this.#asking || host === undefined || !this.#network.up) return;
    this.#asking = true;
    try {
      new SNTP({ host }, (message, value) => {
        if (message === SNTP.retry) return;
        if (message === SNTP.time && typeof value === "number") {
          Time.set(value);
          this.#again(day);
        } else this.#again(retry);
      });
    } catch {
      this.#again(retry);
    }
  }

  #again(milliseconds: number): void {
    this.#asking = false;
    timer.set(() => this.#ask(), milliseconds);
  }
}
