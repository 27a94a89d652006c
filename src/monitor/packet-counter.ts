/**
 * Counts the PUBLISH packets in a stream of MQTT packets by their fixed headers (MQTT 5.0 section 2.1), without looking at the rest. It only watches:
 * a stream that is not MQTT ends the counting, and nothing else.
 */
const PUBLISH = 3;

/** More bytes than this a length does not have. */
const LONGEST_LENGTH = 4;

export class PacketCounter {
  readonly #onPublish: (qos: 0 | 1 | 2, again: boolean) => void;
  /** Bytes of the present packet that are still to come. */
  #missing = 0;
  #first = -1;
  #length = 0;
  #digits = 0;
  #lost = false;

  /** @param onPublish told of each PUBLISH packet when its header has passed; `again` is the DUP flag */
  constructor(onPublish: (qos: 0 | 1 | 2, again: boolean) => void) {
    this.#onPublish = onPublish;
  }

  feed(bytes: Uint8Array): void {
    let offset = 0;
    while (offset < bytes.byteLength && !this.#lost) {
      if (this.#missing > 0) {
        const skipped = Math.min(this.#missing, bytes.byteLength - offset);
        this.#missing -= skipped;
        offset += skipped;
      } else if (this.#first < 0) {
        this.#first = bytes[offset++]!;
        this.#length = this.#digits = 0;
      } else this.digit(bytes[offset++]!);
    }
  }

  private digit(byte: number): void {
    this.#length += (byte & 0x7f) * 128 ** this.#digits++;
    if (byte & 0x80) {
      this.#lost = this.#digits >= LONGEST_LENGTH;
      return;
    }
    const first = this.#first;
    this.#missing = this.#length;
    this.#first = -1;
    const qos = (first >> 1) & 3;
    if (first >> 4 === PUBLISH && qos < 3) this.#onPublish(qos as 0 | 1 | 2, (first & 8) !== 0);
  }
}
