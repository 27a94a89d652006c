/** Keeps a connection alive by real traffic: a ping is due only when nothing was sent for the interval (MQTT section 3.1.2.10). */

/** A ping is due this much before the interval is over, so that it is on its way in time [MQTT-3.1.2-23] (3.1.1), [MQTT-3.1.2-20] (5.0). */
function margin(interval: number): number {
  return Math.min(1000, interval >> 3);
}

export class KeepAlive {
  /** Set when a byte arrived; cleared with each ping. */
  heard = false;
  readonly #interval: number;
  readonly #timeout: number;
  #pinged: number | undefined;

  /** @param interval milliseconds @param timeout milliseconds to wait for an answer to a ping */
  constructor(interval: number, timeout: number) {
    this.#interval = interval - margin(interval);
    this.#timeout = timeout;
  }

  /**
   * Looks what is to be done.
   * @param lastSent ticks of the last packet sent
   * @returns milliseconds until the next look, 0 when a ping is due (tell {@link pinged}), -1 when the connection is lost
   */
  look(now: number, lastSent: number): number {
    if (this.#pinged !== undefined) {
      if (this.heard) this.#pinged = undefined;
      else {
        const left = this.#pinged + this.#timeout - now;
        return left > 0 ? left : -1;
      }
    }
    return Math.max(0, lastSent + this.#interval - now);
  }

  /** A ping was sent, or would have been if the transport took it. @returns milliseconds until the next look */
  pinged(now: number): number {
    this.heard = false;
    this.#pinged = now;
    return this.#timeout;
  }
}
