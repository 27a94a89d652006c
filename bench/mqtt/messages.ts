/** What is sent in every run, and the check of what arrived. */

export const topic = "sealwire/bench";

/** Bytes of a payload. */
export const payloadLength = 64;

/** The payload of the message with this number; each differs from every other. */
export function payloadOf(number: number): Buffer {
  const payload = Buffer.alloc(payloadLength);
  payload.writeUInt32BE(number);
  for (let i = 4; i < payloadLength; i++) payload[i] = (number * 31 + i * 7) & 0xff;
  return payload;
}

/** What is wrong with the messages that arrived. */
export interface Verdict {
  readonly received: number;
  /** Numbers that came out of order, twice, or not at all show as a gap here. */
  readonly outOfOrder: number;
  readonly damaged: number;
}

/** Checks each message that arrives: its length, its number, which must be the next one, and every byte. */
export class Ledger {
  #next: number;
  #received = 0;
  #outOfOrder = 0;
  #checksum = 0;
  #damaged = 0;
  readonly #first: number;
  readonly #count: number;

  /** Expects `count` messages from number `first` on. */
  constructor(first: number, count: number) {
    this.#first = this.#next = first;
    this.#count = count;
  }

  /** @returns whether this was the last one */
  add(payload: Uint8Array): boolean {
    this.#received++;
    if (payload.byteLength !== payloadLength) this.#damaged++;
    else {
      const number = ((payload[0]! << 24) | (payload[1]! << 16) | (payload[2]! << 8) | payload[3]!) >>> 0;
      if (number !== this.#next) this.#outOfOrder++;
      this.#next = number + 1;
      this.#checksum = checksum(this.#checksum, payload);
    }
    return this.#received >= this.#count;
  }

  /** To be asked when the clock has stopped: it computes what all bytes should have been. */
  verdict(): Verdict {
    let expected = 0;
    for (let i = 0; i < this.#received; i++) expected = checksum(expected, payloadOf(this.#first + i));
    const damaged = this.#damaged + (this.#outOfOrder === 0 && expected !== this.#checksum ? 1 : 0);
    return { received: this.#received, outOfOrder: this.#outOfOrder, damaged };
  }
}

function checksum(start: number, bytes: Uint8Array): number {
  let sum = start;
  for (let i = 0; i < payloadLength; i++) sum = (Math.imul(sum, 31) + bytes[i]!) | 0;
  return sum;
}
