/** The replay table, and where it is kept: snapshots in storage, the exact state in retained memory across a deep sleep. */
import { SealwireError } from "../errors.js";
import type { KeyValueStorage } from "../platform.js";
import { RETAINED_SECTION, STORAGE_KEY, type RetainedStore } from "../storage/index.js";
import { ReplayTable, type ReplayEntry, type ReplayTableOptions } from "./replay-table.js";
import type { Seen } from "./replay-window.js";

/** Bytes of retained memory that are taken at most: 29 senders. */
const MAXIMUM_RETAINED = 1024;

export interface ReplayStoreOptions extends ReplayTableOptions {
  readonly storage: KeyValueStorage | undefined;
  readonly retained: RetainedStore | undefined;
  /** What retained memory held at the start; taken out of it since. */
  readonly kept: Uint8Array | undefined;
  /** Messages with QoS 0 of one sender that one write covers, 1 to 65535. */
  readonly interval: number;
  /** What happens when what was stored is damaged: no epoch that was in use is accepted any more, or all begins anew. */
  readonly whenLost: "refuse" | "accept";
  /** The epoch in force. */
  readonly epoch: number | undefined;
  readonly key?: string | undefined;
}

/** `new`: nothing was stored. `lost`: what was stored is damaged. */
export type ReplayState = "ok" | "new" | "lost";

export class ReplayStore {
  #state: ReplayState;
  #closed = false;
  readonly #options: ReplayStoreOptions;
  readonly #table: ReplayTable;

  constructor(options: ReplayStoreOptions) {
    this.#options = options;
    this.#table = new ReplayTable(options);
    this.#state = this.load(options.kept);
    // Should storage not take note of it, the next start finds it damaged again.
    if (this.#state === "lost") attempt(() => this.lose());
  }

  get state(): ReplayState {
    return this.#state;
  }

  /** Something of what was received is not known any more. @throws SealwireError `STORAGE_FAILED`: the next start will not know of it */
  lose(): void {
    const { epoch = 0, whenLost } = this.#options;
    this.#state = "lost";
    if (whenLost === "accept") return;
    // A message of an epoch that is not in use yet cannot be an old one.
    this.#table.lowestEpoch = Math.max(this.#table.lowestEpoch, epoch + 1);
    this.write();
  }

  /** Takes out of retained memory what an earlier life left there. The caller commits it. */
  static take(retained: RetainedStore | undefined): Uint8Array | undefined {
    const bytes = retained?.get(RETAINED_SECTION.replayMarks)?.slice();
    if (bytes) retained?.set(RETAINED_SECTION.replayMarks, undefined);
    return bytes;
  }

  /** Epochs below it are not accepted. */
  get lowestEpoch(): number {
    return this.#table.lowestEpoch;
  }

  get senders(): number {
    return this.#table.size;
  }

  find(digest: Uint8Array): ReplayEntry | undefined {
    return this.#table.find(digest);
  }

  /**
   * A new entry. Where it takes the place of some of epochs that have ended, that these are closed is stored at once: marks do not tell it.
   * @throws SealwireError `SEALED_TOO_MANY_SENDERS`, `STORAGE_FAILED`
   */
  add(digest: Uint8Array, random: Uint8Array, epoch: number, minimumEpoch: number): ReplayEntry {
    const takeBack = this.#table.makeRoom(Math.max(minimumEpoch, this.lowestEpoch));
    if (takeBack && !attempt(() => this.write())) {
      takeBack();
      throw new SealwireError("STORAGE_FAILED", "Storage cannot take note of which senders are forgotten.");
    }
    return this.#table.add(digest, random, epoch);
  }

  /** See `ReplayTable.hear`. */
  hear(entry: ReplayEntry): void {
    this.#table.hear(entry);
  }

  /** See `ReplayTable.referredBy`. */
  referredBy(reference: Uint8Array, isOf: (entry: ReplayEntry) => boolean): ReplayEntry | undefined {
    return this.#table.referredBy(reference, isOf);
  }

  check(entry: ReplayEntry, sequence: number): Seen | "uncertain" {
    return this.#table.check(entry, sequence);
  }

  /**
   * Counts a new message as received.
   * @param acknowledged whether it is acknowledged (QoS 1 and 2), so that it can come again until then; it is settled later
   * @throws SealwireError `STORAGE_FAILED` with QoS 0: it must not be delivered, since a restart would forget it
   */
  receive(entry: ReplayEntry, sequence: number, acknowledged: boolean): void {
    const { afterRestart, interval, storage } = this.#options;
    const covered = sequence > entry.storedHighest && sequence <= entry.ceiling;
    const before = entry.ceiling;
    if (acknowledged) {
      // Should the power fail before it is acknowledged, it comes again: it must not then be within an allowance for QoS 0.
      if (covered && afterRestart === "refuse") {
        entry.ceiling = entry.window.highest;
        if (!attempt(() => this.write())) entry.ceiling = before;
      }
      this.#table.receive(entry, sequence, true);
      return;
    }
    const isLate = sequence <= entry.window.highest;
    if (!covered && !isLate) entry.ceiling = sequence + interval;
    // One that comes late is not in the allowance: it must be in the window when that is stored.
    if (isLate) this.#table.receive(entry, sequence, false);
    const noted = covered || (attempt(() => this.write()) && storage !== undefined);
    if (!noted) {
      entry.ceiling = before;
      if (storage && afterRestart === "refuse") {
        if (isLate) this.#table.forget(entry, sequence);
        throw notNoted();
      }
      // The next mark tells of it.
      entry.changed = true;
    }
    if (!isLate) this.#table.receive(entry, sequence, false);
  }

  /** A message with QoS 1 or 2 was handled: it counts as received from here on, whether it can still be acknowledged or not. */
  settle(entry: ReplayEntry, sequence: number): void {
    this.#table.settle(entry, sequence, false);
  }

  /** As {@link settle}, for one that is about to be acknowledged. @returns and throws as {@link mark} */
  acknowledge(entry: ReplayEntry, sequence: number): Uint8Array | undefined {
    this.#table.settle(entry, sequence, true);
    return this.mark();
  }

  /**
   * What must be stored before an acknowledgement: what was settled since the last snapshot, at most 255 bytes; `undefined` when the one that is stored
   * tells it all. Where it is more than a mark can hold, a snapshot is stored here and now. Whichever of the two is stored last, and whether the power fails
   * between them: together they tell all that was settled.
   * @throws SealwireError `CLOSED`; what storage throws: the message must not be acknowledged, so that it comes again
   */
  mark(): Uint8Array | undefined {
    if (this.#closed) throw new SealwireError("CLOSED", "Sealing was closed before the message was acknowledged.");
    const mark = this.#table.mark();
    if (mark !== "more") return mark;
    this.write();
    return undefined;
  }

  /** Takes over a mark. @throws SealwireError `STORAGE_CORRUPT`: it counts as lost; `STORAGE_FAILED` as {@link lose} */
  loadMark(mark: Uint8Array): void {
    if (mark.byteLength === 0) return;
    try {
      this.#table.loadMark(mark);
    } catch (error) {
      this.lose();
      throw error;
    }
  }

  /**
   * Puts the exact state into retained memory, for a wake from deep sleep; the caller commits it. Where it is too large for that: into storage. Nothing may be
   * received or settled after it.
   */
  save(): void {
    const { retained } = this.#options;
    const snapshot = this.#table.snapshot("asleep");
    if (!retained || snapshot.byteLength > MAXIMUM_RETAINED) this.close();
    else retained.set(RETAINED_SECTION.replayMarks, snapshot);
    this.#closed = true;
  }

  /** Stores the exact state, if there is anything to store. Nothing may be received or settled after it. */
  close(): void {
    if (this.#table.size > 0) attempt(() => this.write("ended"));
    this.#closed = true;
  }

  private load(kept: Uint8Array | undefined): ReplayState {
    const { storage, key = STORAGE_KEY.sealingReplay } = this.#options;
    // It was written as the last thing of the life before, so that what is stored is not newer.
    if (kept && attempt(() => this.#table.loadSnapshot(kept, false))) return "ok";
    if (!storage) return "new";
    let state: ReplayState = "new";
    const read = attempt(() => {
      const stored = storage.read(key);
      if (!stored) return;
      state = "ok";
      this.#table.loadSnapshot(new Uint8Array(stored), true);
    });
    return read ? state : "lost";
  }

  private write(as: "running" | "ended" = "running"): void {
    const { storage, key = STORAGE_KEY.sealingReplay } = this.#options;
    if (!storage) return;
    storage.write(key, this.#table.snapshot(as));
    this.#table.stored();
  }
}

function notNoted(): SealwireError {
  return new SealwireError("STORAGE_FAILED", "The payload is not delivered, since storage cannot take note of it.");
}

function attempt(body: () => void): boolean {
  try {
    body();
    return true;
  } catch {
    return false;
  }
}
