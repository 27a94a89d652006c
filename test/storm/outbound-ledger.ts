/**
 * What the device published and what the subscriber got. A message counts from the moment at which `publish()` has stored it, whether the
 * device lives to see the call return or not.
 */
import type { Assured, Numbered } from "./numbered.js";
import type { Violations } from "./violations.js";

export interface OutboundCounts {
  readonly stored: number;
  readonly delivered: number;
  /** Deliveries beyond the first one: QoS 1 may, QoS 2 must not. */
  readonly repeated: number;
}

class Lane {
  stored = 0;
  delivered = 0;
  repeated = 0;
}

export class OutboundLedger {
  readonly #lanes: Record<Assured, Lane> = { 1: new Lane(), 2: new Lane() };
  readonly #violations: Violations;
  readonly #immediate: boolean;

  /** @param immediate whether the subscriber gets a message before the device gets its acknowledgement */
  constructor(violations: Violations, immediate: boolean) {
    this.#violations = violations;
    this.#immediate = immediate;
  }

  /** The number of the last message that was stored. */
  stored(qos: Assured): number {
    return this.#lanes[qos].stored;
  }

  /** The number up to which all messages were delivered. */
  delivered(qos: Assured): number {
    return this.#lanes[qos].delivered;
  }

  counts(qos: Assured): OutboundCounts {
    const { stored, delivered, repeated } = this.#lanes[qos];
    return { stored, delivered, repeated };
  }

  store({ qos, number }: Numbered): void {
    const lane = this.#lanes[qos];
    if (number !== lane.stored + 1) throw new Error("The storm published out of order.");
    lane.stored = number;
  }

  /** The subscriber got a message, with the QoS with which the device sent it. */
  deliver(message: Numbered | undefined, qos: number): void {
    if (!message) {
      this.#violations.add("The subscriber got bytes that nobody published.");
      return;
    }
    const name = `outbound QoS ${message.qos} message ${message.number}`;
    const lane = this.#lanes[message.qos];
    if (qos !== message.qos) this.#violations.add(`${name} came with QoS ${qos}.`);
    if (message.number > lane.stored) this.#violations.add(`${name} came, but was never stored.`);
    if (message.number <= lane.delivered) {
      lane.repeated++;
      if (message.qos === 2) this.#violations.add(`${name} was delivered again, after ${lane.delivered}.`);
      return;
    }
    if (message.number !== lane.delivered + 1)
      this.#violations.add(`${name} overtook ${lane.delivered + 1}, or that is lost.`);
    lane.delivered = message.number;
  }

  /** `publish()` was fulfilled: the subscriber's broker has the message. */
  acknowledged({ qos, number }: Numbered): void {
    if (this.#immediate && number > this.#lanes[qos].delivered)
      this.#violations.add(`outbound QoS ${qos} message ${number} was acknowledged, but the broker does not have it.`);
  }

  /** Nothing more will come. */
  finish(): void {
    for (const qos of [1, 2] as const) {
      const { stored, delivered } = this.#lanes[qos];
      if (delivered !== stored)
        this.#violations.add(`outbound QoS ${qos}: ${stored} were stored, the last one delivered is ${delivered}.`);
    }
  }
}
