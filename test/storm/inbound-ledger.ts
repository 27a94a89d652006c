/** What was published for the device, what its application was handed, and what it wrote into a ledger that survives. */
import type { Assured, Numbered } from "./numbered.js";
import type { Violations } from "./violations.js";

export interface InboundCounts {
  readonly published: number;
  /** Entries of the application's ledger. */
  readonly recorded: number;
  /** Messages that were handed out more than once. */
  readonly repeated: number;
}

class Lane {
  published = 0;
  recorded = 0;
  repeated = 0;
  /** The highest number that was handed out. */
  last = 0;
  /** Messages that were handed out, and the life in which that was last. */
  readonly open = new Map<number, number>();
  /** Entries of the ledger, by number; the first so many are all there. */
  readonly entries = new Set<number>();
}

/** What the application sees of a message. */
export interface Seen {
  readonly message: Numbered | undefined;
  readonly qos: number;
  readonly redelivered: boolean;
}

export class InboundLedger {
  readonly #lanes: Record<Assured, Lane> = { 1: new Lane(), 2: new Lane() };
  readonly #violations: Violations;
  /** Whether the application acknowledges by itself, perhaps long after it was called. */
  readonly #manual: boolean;
  #life = 0;
  /** QoS 2: what the session says it has stored as handled. */
  #mark = 0;
  /** Automatic mode: the one message that the last crash may have caught in its handling. */
  #caught = 0;
  readonly #excused = new Set<number>();

  constructor(violations: Violations, manual: boolean) {
    this.#violations = violations;
    this.#manual = manual;
  }

  published(qos: Assured): number {
    return this.#lanes[qos].published;
  }

  /** Entries of the ledger. */
  recorded(qos: Assured): number {
    return this.#lanes[qos].recorded;
  }

  counts(qos: Assured): InboundCounts {
    const { published, recorded, repeated } = this.#lanes[qos];
    return { published, recorded, repeated };
  }

  publish({ qos, number }: Numbered): void {
    this.#lanes[qos].published = number;
  }

  /**
   * The device started again.
   * @param mark the number of the QoS 2 message that was handled last, as the session has stored it
   */
  begin(life: number, mark: number): void {
    const lane = this.#lanes[2];
    if (mark < this.#mark) this.#violations.add(`The mark went back from ${this.#mark} to ${mark}.`);
    if (mark > lane.last) this.#violations.add(`The mark ${mark} is of a message that was never handed out.`);
    this.#life = life;
    this.#mark = mark;
    this.#caught = lane.last > mark ? lane.last : 0;
    for (const number of lane.open.keys()) if (number <= mark) lane.open.delete(number);
  }

  /** The broker has sent a message again when it must not, so that it comes as a new one. */
  excuse({ qos, number }: Numbered): void {
    if (qos === 2) this.#excused.add(number);
  }

  /** Messages that were excused. */
  get excused(): number {
    return this.#excused.size;
  }

  /** The application is called with a message. */
  handOut({ message, qos, redelivered }: Seen): void {
    if (!message) {
      this.#violations.add("The device was handed bytes that nobody published.");
      return;
    }
    const { number } = message;
    const lane = this.#lanes[message.qos];
    const name = `inbound QoS ${message.qos} message ${number}`;
    if (qos !== message.qos) this.#violations.add(`${name} came with QoS ${qos}.`);
    if (number > lane.published) this.#violations.add(`${name} was never published.`);
    if (number > lane.last) {
      if (number !== lane.last + 1) this.#violations.add(`${name} overtook ${lane.last + 1}, or that is lost.`);
      lane.last = number;
    } else {
      lane.repeated++;
      if (!redelivered) this.#violations.add(`${name} was handed out again without a mark.`);
      if (message.qos === 2) this.#checkRepeat(name, number, lane);
    }
    if (message.qos === 2) lane.open.set(number, this.#life);
  }

  /** Whether the ledger, which survives, has the message. */
  isRecorded({ qos, number }: Numbered): boolean {
    return this.#lanes[qos].entries.has(number);
  }

  /** The application wrote the message into its ledger. */
  record({ qos, number }: Numbered): void {
    const lane = this.#lanes[qos];
    if (lane.entries.has(number)) this.#violations.add(`inbound QoS ${qos} message ${number} is twice in the ledger.`);
    lane.entries.add(number);
    lane.recorded++;
  }

  /** Nothing more will come. */
  finish(): void {
    for (const qos of [1, 2] as const) {
      const { published, recorded, entries } = this.#lanes[qos];
      let missing = 0;
      for (let number = 1; number <= published; number++) if (!entries.has(number)) missing++;
      if (missing > 0 || recorded !== published)
        this.#violations.add(
          `inbound QoS ${qos}: ${published} were published, ${recorded} entries are in the ledger, ${missing} are missing.`,
        );
    }
  }

  /** QoS 2: handed out again only after a crash, and only while its handling was not stored. */
  #checkRepeat(name: string, number: number, lane: Lane): void {
    if (this.#excused.has(number)) return;
    if (number <= this.#mark) this.#violations.add(`${name} was handed out again, though it was stored as handled.`);
    else if (lane.open.get(number) === this.#life) this.#violations.add(`${name} was handed out twice in one life.`);
    else if (!this.#manual && number !== this.#caught)
      this.#violations.add(`${name} was handed out again, though no crash came within its handling.`);
  }
}
