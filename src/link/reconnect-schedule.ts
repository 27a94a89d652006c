/**
 * How long to wait before the next connection.
 *
 * A fleet that lost its broker must not come back in one second: full jitter from 1 s brings 57 to 100 % of it back within one. So
 * after a common cause the wait is drawn uniformly from wide windows from the start, and only a cause of the device's own starts small.
 */
import { SealwireError } from "../errors.js";
import type { Crypto } from "../platform.js";
import type { RetryPolicy } from "./retry-policy.js";

/**
 * Windows after a common cause: the n-th wait is drawn from 0 to the n-th window, the last one from then on. Milliseconds.
 *
 * The second is twice the first: where a server refuses at once, second attempts fall among the first ones of others, and with windows of 60 s each up to
 * 6.2 % of a fleet met in one second; so it is 4.5 % (`npm run bench:fleet`).
 */
export const DEFAULT_RECONNECT_SPREAD: readonly number[] = [60_000, 120_000];

const LOCAL: readonly number[] = [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 120_000];

/** A network that flaps raises the count fast; the last flap must not be followed by minutes of silence. */
const INTERFACE: readonly number[] = LOCAL.slice(0, 4);

/** After a refusal that will not heal by itself: from the first to the second, whatever the count. */
const SLOW: readonly [number, number] = [60_000, 600_000];

export class ReconnectSchedule {
  readonly #crypto: Pick<Crypto, "random">;
  readonly #spread: readonly number[];
  #attempts = 0;
  /** Once the cause was a common one, it stays so until a connection was stable. */
  #common = false;

  /**
   * @param spread windows in milliseconds, not empty
   * @param saved from {@link save}, before a deep sleep
   */
  constructor(crypto: Pick<Crypto, "random">, spread = DEFAULT_RECONNECT_SPREAD, saved?: Uint8Array) {
    if (spread.length === 0 || !spread.every((window) => window >= 0 && window < 2 ** 31))
      throw new SealwireError("INVALID_ARGUMENT", "reconnectSpread must be windows in milliseconds, at least one.");
    this.#crypto = crypto;
    this.#spread = spread;
    if (saved?.byteLength === 2) {
      this.#attempts = saved[0]!;
      this.#common = saved[1] === 1;
    }
  }

  /** Connections that failed since the last stable one, 255 at most. */
  get attempts(): number {
    return this.#attempts;
  }

  /** The wait before the next attempt, in milliseconds. Counts the attempt. */
  next(policy: RetryPolicy): number {
    const attempt = this.#attempts;
    this.#attempts = Math.min(attempt + 1, 255);
    if (policy === "slow") return SLOW[0] + this.random() * (SLOW[1] - SLOW[0]);
    const widest = this.#spread.length - 1;
    if (policy === "busy") {
      this.#common = true;
      this.#attempts = Math.max(this.#attempts, Math.min(widest + 1, 255));
      return this.random() * this.#spread[widest]!;
    }
    if (policy === "spread" && !this.#common) {
      // What the device tried for its own sake does not count against the fleet's windows.
      this.#common = true;
      this.#attempts = 1;
      return this.random() * this.#spread[0]!;
    }
    // While the cause is a common one, a local one on top (the network that flaps meanwhile) is no reason to hurry.
    const windows = this.#common ? this.#spread : policy === "interface" ? INTERFACE : LOCAL;
    return this.random() * windows[Math.min(attempt, windows.length - 1)]!;
  }

  /** A connection was stable, or the device sleeps after its work was acknowledged. Never call it for a CONNACK alone. */
  reset(): void {
    this.#attempts = 0;
    this.#common = false;
  }

  /** The state that must survive deep sleep, 2 bytes. */
  save(): Uint8Array {
    return Uint8Array.of(this.#attempts, this.#common ? 1 : 0);
  }

  /** A time from 0 to `window`, uniformly. Counts nothing. */
  draw(window: number): number {
    return this.random() * window;
  }

  /** Uniform in [0, 1). Not `Math.random`: a fleet of chips may well start it from one seed. */
  private random(): number {
    const bytes = this.#crypto.random(4);
    return new DataView(bytes.buffer, bytes.byteOffset).getUint32(0) / 2 ** 32;
  }
}
