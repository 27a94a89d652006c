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
  /** Numbers that were handed out, and the lowest that was not. */
  readonly handed = new Set<number>();
  next = 1;
  /** Entries of the ledger, by number. */
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
  /** QoS 2: how often a message was handed out. */
  #turn = 0;
  /** QoS 2: the turn up to which the session has stored that messages are handled. */
  #mark = 0;
  /** QoS 2: turns of this life, by number; and those of the life before that its end caught in their handling. */
  #turns = new Map<number, number>();
  #caught = new Set<number>();
  /** Messages that the broker sent against its rules. */
  readonly #excused = { repeated: new Set<number>(), early: new Set<string>() };

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

  /** Messages that the broker sent again after PUBREL, and before others that were published earlier. */
  get excused(): { readonly repeated: number; readonly early: number } {
    return { repeated: this.#excused.repeated.size, early: this.#excused.early.size };
  }

  publish({ qos, number }: Numbered): void {
    this.#lanes[qos].published = number;
  }

  /** The broker sends a QoS 2 message again after PUBREL: it comes as a new one. */
  excuseRepeated({ number }: Numbered): void {
    this.#excused.repeated.add(number);
  }

  /** The broker sends a message before others that were published earlier. */
  excuseEarly({ qos, number }: Numbered): void {
    this.#excused.early.add(`${qos} ${number}`);
  }

  /**
   * The device started again.
   * @param mark the turn of the message that was handled last, as the session has stored it
   */
  begin(mark: number): void {
    if (mark < this.#mark) this.#violations.add(`The mark went back from ${this.#mark} to ${mark}.`);
    if (mark > this.#turn) this.#violations.add(`The mark ${mark} is of a message that was never handed out.`);
    this.#mark = mark;
    // What was caught before and has not come again since may still come.
    for (const [number, turn] of this.#turns)
      if (turn > mark) this.#caught.add(number);
      else this.#caught.delete(number);
    this.#turns.clear();
    // A callback that does its work at once is in one message at most.
    if (!this.#manual && this.#caught.size > 1)
      this.#violations.add(`One crash came within the handling of ${this.#caught.size} messages.`);
  }

  /**
   * The application is called with a message.
   * @returns the mark that it shall set for QoS 2
   */
  handOut({ message, qos, redelivered }: Seen): number {
    if (!message) {
      this.#violations.add("The device was handed bytes that nobody published.");
      return 0;
    }
    const { number } = message;
    const lane = this.#lanes[message.qos];
    const name = `inbound QoS ${message.qos} message ${number}`;
    if (qos !== message.qos) this.#violations.add(`${name} came with QoS ${qos}.`);
    if (number > lane.published) this.#violations.add(`${name} was never published.`);
    if (lane.handed.has(number)) {
      lane.repeated++;
      if (!redelivered && !this.#excused.repeated.has(number))
        this.#violations.add(`${name} was handed out again without a mark.`);
      if (message.qos === 2) this.#checkRepeat(name, number);
    } else {
      if (number !== lane.next && !this.#excused.early.has(`${message.qos} ${number}`))
        this.#violations.add(`${name} overtook ${lane.next}, or that is lost.`);
      lane.handed.add(number);
      while (lane.handed.has(lane.next)) lane.next++;
    }
    if (message.qos === 1) return 0;
    this.#caught.delete(number);
    this.#turns.set(number, ++this.#turn);
    return this.#turn;
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

  /** QoS 2: handed out again only when a crash came within the handling. */
  #checkRepeat(name: string, number: number): void {
    if (this.#excused.repeated.has(number)) return;
    if (this.#turns.has(number)) this.#violations.add(`${name} was handed out twice in one life.`);
    else if (!this.#caught.has(number))
      this.#violations.add(`${name} was handed out again, though it was stored as handled.`);
  }
}
