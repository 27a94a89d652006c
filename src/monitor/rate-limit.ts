/** Lets a few through at once, and from then on one per period: so what an attacker provokes does not become his flood. */
export class RateLimit {
  readonly #burst: number;
  readonly #period: number;
  #tokens: number;
  #at: number;

  /**
   * @param burst how many may come at once, 1 or more
   * @param period milliseconds after which one more may come
   * @param now monotonic milliseconds
   */
  constructor(burst: number, period: number, now: number) {
    this.#burst = burst;
    this.#period = period;
    this.#tokens = burst;
    this.#at = now;
  }

  /** Whether one more may come now; if so it is counted. */
  take(now: number): boolean {
    this.refill(now);
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }

  /** Milliseconds until the next may come. */
  wait(now: number): number {
    this.refill(now);
    return this.#tokens >= 1 ? 0 : (1 - this.#tokens) * this.#period;
  }

  private refill(now: number): void {
    this.#tokens = Math.min(this.#burst, this.#tokens + (now - this.#at) / this.#period);
    this.#at = now;
  }
}
