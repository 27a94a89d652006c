/** Which sequence numbers of one sender were received: the highest, and the 64 up to it (RFC 4303 section 3.4.3 shows the method). */

export const WINDOW = 64;

/** `old`: too far behind the highest to tell whether it was received. */
export type Seen = "new" | "seen" | "old";

export class ReplayWindow {
  /** -1: none yet. */
  #highest = -1;
  /** Bit i: `highest - i` was received; the first 32 in `low`. Signed, as JavaScript's bitwise operators have it. */
  #low = 0;
  #high = 0;

  get highest(): number {
    return this.#highest;
  }

  /** The bits, for storage: 0 to 2^32 - 1 each. */
  get bits(): readonly [high: number, low: number] {
    return [this.#high >>> 0, this.#low >>> 0];
  }

  check(sequence: number): Seen {
    if (sequence > this.#highest) return "new";
    const behind = this.#highest - sequence;
    if (behind >= WINDOW) return "old";
    return this.bit(behind) ? "seen" : "new";
  }

  add(sequence: number): void {
    if (sequence > this.#highest) {
      this.shift(sequence - this.#highest);
      this.#highest = sequence;
    }
    this.set(this.#highest - sequence);
  }

  /** Counts a number as not received, if it is not too far behind the highest. */
  remove(sequence: number): void {
    this.clear(this.#highest - sequence);
  }

  /** Takes over what another window has received. */
  merge(highest: number, high: number, low: number): void {
    if (highest < 0) return;
    const other = new ReplayWindow();
    other.#highest = highest;
    other.#high = high | 0;
    other.#low = low | 0;
    if (highest > this.#highest) {
      this.shift(highest - this.#highest);
      this.#highest = highest;
    } else other.shift(this.#highest - highest);
    this.#high |= other.#high;
    this.#low |= other.#low;
  }

  /** The same, at this moment. */
  copy(): ReplayWindow {
    return this.upTo(this.#highest);
  }

  equals(other: ReplayWindow): boolean {
    return this.#highest === other.#highest && this.#low === other.#low && this.#high === other.#high;
  }

  /** The same, moved on to a higher number, which was not received. */
  upTo(highest: number): ReplayWindow {
    const copy = new ReplayWindow();
    copy.#highest = highest;
    copy.merge(this.#highest, this.#high, this.#low);
    return copy;
  }

  /** Counts all numbers up to this one as received that are not known to be new. */
  fill(sequence: number): void {
    for (let next = Math.max(this.#highest + 1, sequence - WINDOW + 1); next <= sequence; next++) this.add(next);
  }

  private bit(behind: number): boolean {
    return ((behind < 32 ? this.#low >>> behind : this.#high >>> (behind - 32)) & 1) === 1;
  }

  private set(behind: number): void {
    if (behind < 32) this.#low |= 1 << behind;
    else if (behind < WINDOW) this.#high |= 1 << (behind - 32);
  }

  private clear(behind: number): void {
    if (behind < 0 || behind >= WINDOW) return;
    if (behind < 32) this.#low &= ~(1 << behind);
    else this.#high &= ~(1 << (behind - 32));
  }

  private shift(count: number): void {
    if (count >= WINDOW) this.#high = this.#low = 0;
    else if (count >= 32) {
      this.#high = this.#low << (count - 32);
      this.#low = 0;
    } else if (count > 0) {
      this.#high = (this.#high << count) | (this.#low >>> (32 - count));
      this.#low <<= count;
    }
  }
}
