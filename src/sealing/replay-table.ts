/**
 * Which sealed payloads were received, by sender and ID Context, and how that survives.
 *
 * - QoS 1 and 2: what is settled when a message is acknowledged is its **mark**, at most 255 bytes, which the MQTT session stores just before that. A mark
 *   holds what was settled since the last snapshot; where that is more than it can hold, a snapshot takes its place.
 * - QoS 0: a **snapshot** of all senders is stored every N messages of a sender, with the allowance of N ahead of them. After a restart the
 *   messages within the allowance may have been delivered: `afterRestart` says what becomes of them.
 *
 * Bound: `maximumSenders` entries of some 100 bytes. An entry is given up only when its epoch has ended, and that epoch stays closed from then on:
 * so no replay is ever opened again. While none can be given up, new senders are refused.
 *
 * One entry, stored (35 bytes): digest of sender and ID Context (8), random part of the ID Context (8, zeros when it has none), epoch (4), highest number (5),
 * window (8), allowance (2). Snapshot: format (1 byte, 2), lowest epoch that is accepted (4), entries. Mark: format (1 byte, 2), entries. Where they are kept must authenticate them.
 */
import { equal, toHex } from "../bytes.js";
import { SealwireError } from "../errors.js";
import { RANDOM_LENGTH, referenceOf } from "./key-schedule.js";
import { ReplayWindow, WINDOW, type Seen } from "./replay-window.js";

const FORMAT = 2;
const DIGEST = 8;
/** Where the random part ends. */
const NAMED = DIGEST + RANDOM_LENGTH;
const ENTRY = 35;
/** What fits into an entry; no interval of writes is longer. */
const MAXIMUM_ALLOWANCE = 0xffff;
/** Bytes before the entries of a snapshot. */
const SNAPSHOT_HEAD = 5;
/** Entries in a mark of at most 255 bytes. */
export const MARK_ENTRIES = 7;

const NONE = new Uint8Array(0);

/** After a restart, for messages with QoS 0 that may have been delivered before it. */
export type AfterRestart = "refuse" | "deliver";

export interface ReplayEntry {
  readonly digest: Uint8Array;
  /** The random part of the ID Context: 8 bytes, or none. */
  readonly random: Uint8Array;
  readonly epoch: number;
  /** Grows with each entry whose ID Context was heard in full, and was new: the latest of a sender has the highest. */
  heard: number;
  /** What was received: of that nothing is let through again while the program runs. */
  readonly window: ReplayWindow;
  /**
   * What of it is settled, and stays received over a restart: all but messages with QoS 1 and 2 that are still being handled, which come again. It has a
   * window of its own, since what is ahead must not push out what comes again. Left out while all is settled.
   */
  settled: ReplayWindow | undefined;
  /** Numbers that are not settled: the lowest of them, 64 at most. There while `settled` is. */
  pending: number[] | undefined;
  /** Numbers above the first and up to the second are covered by the last snapshot in storage: a restart counts them as received. */
  storedHighest: number;
  ceiling: number;
  /** Whether more is settled than the last snapshot tells, and its allowance covers. */
  changed: boolean;
  /** Numbers in this range may have been received before the restart. */
  uncertainFrom: number;
  uncertainTo: number;
}

export interface ReplayTableOptions {
  readonly maximumSenders: number;
  readonly afterRestart: AfterRestart;
}

export class ReplayTable {
  readonly #options: ReplayTableOptions;
  readonly #entries = new Map<string, ReplayEntry>();
  /** Epochs below it are not accepted, since what was received in them is lost. */
  lowestEpoch = 0;
  #heard = 0;

  constructor(options: ReplayTableOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#entries.size;
  }

  find(digest: Uint8Array): ReplayEntry | undefined {
    return this.#entries.get(toHex(digest));
  }

  /**
   * A new entry.
   * @param random the random part of the ID Context
   * @throws SealwireError `SEALED_TOO_MANY_SENDERS`
   */
  add(digest: Uint8Array, random: Uint8Array, epoch: number): ReplayEntry {
    if (this.#entries.size >= this.#options.maximumSenders)
      throw new SealwireError(
        "SEALED_TOO_MANY_SENDERS",
        `Replay protection is kept for ${this.#options.maximumSenders} senders, and there are more: rotate the payload secret, or allow more.`,
      );
    return this.insert(digest, random, epoch);
  }

  /**
   * Gives up entries of epochs below this one, where there is no room for another.
   * @returns takes that back; `undefined` when none was given up
   */
  makeRoom(minimumEpoch: number): (() => void) | undefined {
    if (this.#entries.size < this.#options.maximumSenders) return undefined;
    const { lowestEpoch } = this;
    const given: [string, ReplayEntry][] = [];
    for (const [id, entry] of this.#entries) {
      if (entry.epoch >= minimumEpoch) continue;
      given.push([id, entry]);
      this.#entries.delete(id);
      // It stays closed, even if a rotation is rolled back and its secret is held again.
      this.lowestEpoch = Math.max(this.lowestEpoch, entry.epoch + 1);
    }
    if (given.length === 0) return undefined;
    return () => {
      for (const [id, entry] of given) this.#entries.set(id, entry);
      this.lowestEpoch = lowestEpoch;
    };
  }

  /** The ID Context of a sender was heard in full. */
  hear(entry: ReplayEntry): void {
    if (entry.heard < this.#heard) entry.heard = ++this.#heard;
  }

  /** The entry that was heard last of those that `reference` may stand for. @param isOf whether an entry is of the sender in question */
  referredBy(reference: Uint8Array, isOf: (entry: ReplayEntry) => boolean): ReplayEntry | undefined {
    let found: ReplayEntry | undefined;
    for (const entry of this.#entries.values()) {
      const { random, heard } = entry;
      if (random.byteLength > 0 && equal(referenceOf(random), reference) && heard > (found?.heard ?? -1) && isOf(entry))
        found = entry;
    }
    return found;
  }

  /** A number that was checked to be new is received. @param pending whether it is settled later */
  receive(entry: ReplayEntry, sequence: number, pending: boolean): void {
    if (pending) {
      entry.settled ??= entry.window.copy();
      const numbers = (entry.pending ??= []);
      if (numbers.length < WINDOW) numbers.push(sequence);
    } else entry.settled?.add(sequence);
    entry.window.add(sequence);
  }

  /** It was not received after all. */
  forget(entry: ReplayEntry, sequence: number): void {
    entry.window.remove(sequence);
    entry.settled?.remove(sequence);
  }

  /**
   * A number that was pending is settled. Safe more than once.
   * @param acknowledged whether it comes never again: so neither does what arrived before it. Else it stays pending where it would push out another that does.
   */
  settle(entry: ReplayEntry, sequence: number, acknowledged: boolean): void {
    const { settled, pending, window } = entry;
    if (!settled || !pending) return;
    if (!acknowledged && pending.some((each) => each <= sequence - WINDOW)) return;
    settled.add(sequence);
    entry.changed = true;
    if (settled.equals(window)) entry.settled = entry.pending = undefined;
    else entry.pending = pending.filter((each) => each !== sequence && each > settled.highest - WINDOW);
  }

  check(entry: ReplayEntry, sequence: number): Seen | "uncertain" {
    const seen = entry.window.check(sequence);
    return seen !== "new" && sequence >= entry.uncertainFrom && sequence <= entry.uncertainTo ? "uncertain" : seen;
  }

  /** What was settled since the last snapshot: nothing, 7 entries at most, or `"more"` than a mark can hold. */
  mark(): Uint8Array | "more" | undefined {
    const changed = [...this.#entries.values()].filter((entry) => entry.changed);
    if (changed.length === 0) return undefined;
    if (changed.length > MARK_ENTRIES) return "more";
    const bytes = new Uint8Array(1 + changed.length * ENTRY);
    bytes[0] = FORMAT;
    // The allowance is in the last snapshot.
    changed.forEach((entry, i) => encodeEntry(bytes, 1 + i * ENTRY, entry, settledOf(entry), 0));
    return bytes;
  }

  /**
   * All entries, to be kept.
   * @param as `running`: more is received after it, within the allowance; `ended`: nothing is; `asleep`: nothing is, and the one in storage is of `running`
   */
  snapshot(as: "running" | "ended" | "asleep"): Uint8Array {
    const bytes = new Uint8Array(snapshotLength(this.#entries.size));
    bytes[0] = FORMAT;
    new DataView(bytes.buffer).setUint32(1, this.lowestEpoch);
    let at = SNAPSHOT_HEAD;
    for (const entry of this.#entries.values()) {
      let settled = settledOf(entry);
      let allowance = 0;
      if (as === "running") {
        allowance = Math.max(0, entry.ceiling - entry.window.highest);
        // What is still being handled is not within the allowance: it is known to be new.
        if (allowance > 0) settled = settled.upTo(entry.window.highest);
      } else if (as === "asleep" && settled.highest >= entry.storedHighest)
        allowance = Math.min(MAXIMUM_ALLOWANCE, Math.max(0, entry.ceiling - settled.highest));
      encodeEntry(bytes, at, entry, settled, allowance);
      at += ENTRY;
    }
    return bytes;
  }

  /** A snapshot is stored. */
  stored(): void {
    for (const entry of this.#entries.values()) {
      entry.storedHighest = entry.window.highest;
      entry.changed = false;
    }
  }

  /**
   * Takes over a snapshot, in addition to what is there.
   * @param isStored whether it is the one in storage, else it is of a sleep
   * @throws SealwireError `STORAGE_CORRUPT`
   */
  loadSnapshot(bytes: Uint8Array, isStored: boolean): void {
    if (bytes[0] !== FORMAT || bytes.byteLength < SNAPSHOT_HEAD) throw corrupt();
    const lowest = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(1);
    this.load(bytes.subarray(SNAPSHOT_HEAD), isStored ? "stored" : "slept");
    this.lowestEpoch = Math.max(this.lowestEpoch, lowest);
  }

  /** Takes over a mark, in addition to what is there. @throws SealwireError `STORAGE_CORRUPT` */
  loadMark(bytes: Uint8Array): void {
    if (bytes[0] !== FORMAT) throw corrupt();
    this.load(bytes.subarray(1), "mark");
  }

  private load(bytes: Uint8Array, from: "stored" | "slept" | "mark"): void {
    if (bytes.byteLength % ENTRY !== 0) throw corrupt();
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let at = 0; at < bytes.byteLength; at += ENTRY) {
      const digest = bytes.subarray(at, at + DIGEST);
      const random = bytes.subarray(at + DIGEST, at + NAMED);
      const entry =
        this.find(digest) ??
        this.insert(digest, random.some((byte) => byte > 0) ? random : NONE, view.getUint32(at + NAMED));
      // Biased by one: a sender of whom nothing is received has -1.
      const highest = view.getUint8(at + NAMED + 4) * 0x1_0000_0000 + view.getUint32(at + NAMED + 5) - 1;
      entry.window.merge(highest, view.getUint32(at + NAMED + 9), view.getUint32(at + NAMED + 13));
      if (from !== "stored") entry.changed = true;
      if (from === "mark") continue;
      const ceiling = highest + view.getUint16(at + NAMED + 17);
      entry.ceiling = ceiling;
      entry.storedHighest = highest;
      // After a sleep it is known what was received.
      if (from === "slept" || this.#options.afterRestart === "deliver" || ceiling <= entry.window.highest) continue;
      entry.uncertainFrom = entry.uncertainTo < 0 ? highest + 1 : Math.min(entry.uncertainFrom, highest + 1);
      entry.uncertainTo = Math.max(entry.uncertainTo, ceiling);
      entry.window.fill(ceiling);
    }
  }

  /** Without a look at the bound: what was stored counts even if that was lowered since. */
  private insert(digest: Uint8Array, random: Uint8Array, epoch: number): ReplayEntry {
    const entry: ReplayEntry = {
      digest: digest.slice(),
      random: random.slice(),
      epoch,
      heard: ++this.#heard,
      window: new ReplayWindow(),
      storedHighest: Number.MAX_SAFE_INTEGER,
      ceiling: -1,
      settled: undefined,
      pending: undefined,
      changed: false,
      uncertainFrom: 0,
      uncertainTo: -1,
    };
    this.#entries.set(toHex(digest), entry);
    return entry;
  }
}

/** The bytes of a snapshot of so many senders. */
export function snapshotLength(senders: number): number {
  return SNAPSHOT_HEAD + senders * ENTRY;
}

function settledOf({ settled, window }: ReplayEntry): ReplayWindow {
  return settled ?? window;
}

function encodeEntry(
  bytes: Uint8Array,
  at: number,
  { digest, random, epoch }: ReplayEntry,
  window: ReplayWindow,
  allowance: number,
): void {
  const view = new DataView(bytes.buffer);
  // The allowance for a sender that is far ahead of what was received of it does not fit: then less of it counts as not received.
  const missing = allowance - MAXIMUM_ALLOWANCE;
  if (missing > 0) {
    window = window.upTo(window.highest + missing);
    allowance = MAXIMUM_ALLOWANCE;
  }
  const highest = window.highest + 1;
  const [high, low] = window.bits;
  bytes.set(digest, at);
  bytes.set(random, at + DIGEST);
  view.setUint32(at + NAMED, epoch);
  view.setUint8(at + NAMED + 4, Math.floor(highest / 0x1_0000_0000));
  view.setUint32(at + NAMED + 5, highest >>> 0);
  view.setUint32(at + NAMED + 9, high);
  view.setUint32(at + NAMED + 13, low);
  view.setUint16(at + NAMED + 17, allowance);
}

function corrupt(): SealwireError {
  return new SealwireError("STORAGE_CORRUPT", "What was stored of received payloads is damaged.");
}
