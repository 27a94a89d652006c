/**
 * Suspects that another client uses this device's identity, where the server does not say so.
 *
 * MQTT 5.0 has reason code 0x8E for it, which Mosquitto 2.0.11 does not send; in 3.1.1 a server just closes the connection [MQTT-3.1.4-2]. Two clients with
 * one identifier then throw each other out for ever. Connections that end soon after they were accepted, again and again, look like that.
 */

/** Milliseconds after CONNACK within which an end counts. */
const SOON = 10_000;

/** Ends that make the suspicion. */
const ENOUGH = 3;

export class TakeoverWatch {
  #count: number;
  #acceptedAt: number | undefined;

  /** @param count from {@link count}, before a deep sleep */
  constructor(count = 0) {
    this.#count = count;
  }

  /** Ends so far, 255 at most. */
  get count(): number {
    return this.#count;
  }

  /** The server accepted a connection. @param now monotonic milliseconds */
  accepted(now: number): void {
    this.#acceptedAt = now;
  }

  /**
   * A connection ended.
   * @param byServer without a word: no reason code, and not because of this device's own network
   * @returns whether it is suspected that the identity was taken over
   */
  ended(now: number, byServer: boolean): boolean {
    const soon = this.#acceptedAt !== undefined && now - this.#acceptedAt <= SOON;
    this.#acceptedAt = undefined;
    if (!soon || !byServer) return false;
    this.#count = Math.min(this.#count + 1, 255);
    return this.#count >= ENOUGH;
  }

  /** A connection was stable. */
  reset(): void {
    this.#count = 0;
  }
}
