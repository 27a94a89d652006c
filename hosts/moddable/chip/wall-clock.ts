/**
 * The wall clock of a chip, set by SNTP: when the network is up and it is not set, and once a day from then on. SNTP is not authenticated: the
 * module itself does not believe a time below its floor, nor far above it.
 *
 * A device that sleeps between its readings is never awake for a day: when the clock was set last is kept in storage, one write a day. The
 * longer that is ago the less exactly the time is known.
 */
import type { KeyValueStorage, PlatformNetwork, PlatformTimer, WallTime } from "../../../src/platform.js";

const day = 86_400_000;
const retry = 60_000;
/** SNTP is good to a second or so over any network that MQTT works on. */
const atBest = 10_000;
/** The oscillator that runs through deep sleep is off by one part in this many, at worst. */
const drift = 20;

/** Milliseconds since 1970 when the clock was set, as 64-bit floating point. */
const storageKey = "sw.h.clock";

export interface WallClockOptions {
  readonly timer: PlatformTimer;
  readonly network: PlatformNetwork;
  /** What the clock shows, set or not: milliseconds since 1970. */
  readonly now: () => number;
  readonly set: (seconds: number) => void;
  /** One request to a time server; `undefined` when the app names none. Answers later, with seconds since 1970 or nothing. */
  readonly ask: ((answer: (seconds: number | undefined) => void) => void) | undefined;
  /** No true clock is earlier: milliseconds since 1970. */
  readonly buildTime: number;
  /** Where it is kept when the clock was set; `undefined` when the clock begins anew with every start. */
  readonly storage: Pick<KeyValueStorage, "read" | "write"> | undefined;
}

export class WallClock {
  readonly #options: WallClockOptions;
  /** Milliseconds since 1970; `undefined` when nobody knows. */
  #setAt: number | undefined;
  #asking = false;

  constructor(options: WallClockOptions) {
    this.#options = options;
    this.#setAt = this.#recall();
    this.#again(this.#untilDue());
    options.network.observe((up) => {
      if (up && this.#untilDue() === 0) this.#ask();
    });
  }

  now(): WallTime | undefined {
    const { now, buildTime } = this.#options;
    const time = now();
    if (time < buildTime) return undefined;
    // Set before the program began, and nobody knows when: as if it were a day ago.
    const age = this.#setAt === undefined ? day : Math.max(0, time - this.#setAt);
    return { now: time, source: "sntp", uncertainty: atBest + Math.ceil(age / drift) };
  }

  /** Milliseconds until the clock is to be set; 0: it is time. */
  #untilDue(): number {
    const time = this.#options.now();
    if (this.#setAt === undefined || time < this.#options.buildTime) return 0;
    return Math.min(day, Math.max(0, this.#setAt + day - time));
  }

  #recall(): number | undefined {
    try {
      const kept = this.#options.storage?.read(storageKey);
      if (kept?.byteLength !== 8) return undefined;
      const at = new DataView(kept).getFloat64(0);
      const { now, buildTime } = this.#options;
      return at >= buildTime && at <= now() ? at : undefined;
    } catch {
      // Damaged storage is for others to tell; here it costs a request.
      return undefined;
    }
  }

  #keep(time: number): void {
    this.#setAt = time;
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setFloat64(0, time);
    try {
      this.#options.storage?.write(storageKey, bytes);
    } catch {
      // The next start asks again.
    }
  }

  #ask(): void {
    const { ask, network, set } = this.#options;
    if (this.#asking || ask === undefined || !network.up) return;
    this.#asking = true;
    try {
      ask((seconds) => {
        if (!this.#asking) return;
        this.#asking = false;
        if (seconds === undefined) {
          this.#again(retry);
          return;
        }
        set(seconds);
        this.#keep(seconds * 1000);
        this.#again(day);
      });
    } catch {
      this.#asking = false;
      this.#again(retry);
    }
  }

  #again(milliseconds: number): void {
    this.#options.timer.set(() => this.#ask(), milliseconds);
  }
}
