/** The readings that the broker acknowledged to the device, and those that came out at the other end. */
import { SealwireError } from "../../src/errors.js";
import type { PlatformEvent } from "../../src/platform.js";

export interface ReadingCounts {
  /** Acknowledged to the device. */
  readonly sent: number;
  /** Of those, received by the subscriber. */
  readonly received: number;
}

/**
 * The firmware numbers its readings from 1 after each start, as `count` in their JSON, and publishes one after the other. So the
 * acknowledgements say which numbers must arrive, in which order. More may: a reading can reach the broker whose acknowledgement was
 * lost with the network or the power, and it may come twice.
 */
export class Readings {
  #onReceived: ((text: string) => void) | undefined;
  /** Numbers that were acknowledged, of one start after the other. */
  readonly #acknowledged: number[] = [];
  /** Numbers that arrived; `NaN` for what has none. */
  readonly #arrived: number[] = [];
  readonly #known = new Set<string>();
  /** Of the present start. */
  #count = 0;

  /** The story is over: from now on readings are shown to this, not counted, for there may be any number of them. */
  showOnly(onReceived: (text: string) => void): void {
    this.#onReceived = onReceived;
  }

  /** The device starts from the top. */
  deviceStarts(): void {
    this.#count = 0;
  }

  deviceSays(event: PlatformEvent): void {
    // A certificate request is no reading.
    const isReading = event.event === "published" && String(event["topic"]).endsWith("/telemetry");
    if (isReading && !this.#onReceived) this.#acknowledged.push(++this.#count);
  }

  subscriberGot(payload: Uint8Array): void {
    const text = Buffer.from(payload).toString();
    if (this.#onReceived) {
      this.#onReceived(text);
      return;
    }
    if (this.#known.has(text)) return;
    this.#known.add(text);
    this.#arrived.push(numberOf(text));
  }

  get counts(): ReadingCounts {
    let received = 0;
    for (const number of this.#arrived) if (number === this.#acknowledged[received]) received++;
    return { sent: this.#acknowledged.length, received };
  }

  /**
   * Waits until there is another reading, and all that were acknowledged have arrived.
   * @returns the counts, also when some have not arrived in time
   * @throws SealwireError `TIMEOUT` when no other reading was acknowledged
   */
  async settled(milliseconds: number): Promise<ReadingCounts> {
    const before = this.#acknowledged.length;
    const end = performance.now() + milliseconds;
    for (;;) {
      const { sent, received } = this.counts;
      if (sent > before && received === sent) return { sent, received };
      if (performance.now() > end) {
        if (sent > before) return { sent, received };
        throw new SealwireError("TIMEOUT", `The device published no reading within ${milliseconds / 1000} s.`);
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

function numberOf(text: string): number {
  try {
    const { count } = JSON.parse(text) as { count?: unknown };
    return typeof count === "number" ? count : NaN;
  } catch {
    return NaN;
  }
}
