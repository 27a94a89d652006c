/**
 * Which sealed payloads were received, by sender and ID Context, and how that survives.
 *
 * - QoS 1 and 2: the state after a message is its **mark**, at most 255 bytes, which the MQTT session stores in the same write as the
 *   acknowledgement. A mark holds what changed since the last snapshot.
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
  readonly window: ReplayWindow;
  /** Numbers above the first and up to the second are covered by the last snapshot in storage: a restart counts them as received. */
  storedHighest: number;
  ceiling: number;
  /** Whether it changed since the last snapshot. */
  changed: boolean;
  /** Numbers in this range may have been received before the restart. */
  uncertainFrom: number;
  uncertainTo: number;
  /** Numbers that were delivered with QoS 1 or 2 and are not settled. */
  readonly pending: number[];
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

  /** A number that was checked to be new is received. */
  receive(entry: ReplayEntry, sequence: number, pending: boolean): void {
    entry.window.add(sequence);
    entry.changed = true;
    if (!pending) return;
    entry.pending.push(sequence);
    // What the window has left behind does not come again.
    if (entry.pending.length <= WINDOW) return;
    const left = entry.pending.findIndex((each) => each <= entry.window.highest - WINDOW);
    entry.pending.splice(left, 1);
  }

  /** It was not received after all. */
  forget(entry: ReplayEntry, sequence: number): void {
    entry.window.remove(sequence);
  }

  check(entry: ReplayEntry, sequence: number): Seen | "uncertain" {
    const seen = entry.window.check(sequence);
    return seen !== "new" && sequence >= entry.uncertainFrom && sequence <= entry.uncertainTo ? "uncertain" : seen;
  }

  /** What changed since the last snapshot, or `undefined` when it is more than a mark can hold. */
  mark(): Uint8Array | undefined {
    const changed = [...this.#entries.values()].filter((entry) => entry.changed);
    if (changed.length > MARK_ENTRIES) return undefined;
    const bytes = new Uint8Array(1 + changed.length * ENTRY);
    bytes[0] = FORMAT;
    // The allowance is in the last snapshot.
    changed.forEach((entry, i) => encodeEntry(bytes, 1 + i * ENTRY, entry, entry.window, 0));
    return bytes;
  }

  /**
   * All entries, to be stored.
   * @param exact whether nothing is received after it, so that there is no allowance
   * @param settled whether messages that are still being handled count as received
   */
  snapshot({ exact = false, settled = false } = {}): Uint8Array {
    const bytes = new Uint8Array(snapshotLength(this.#entries.size));
    bytes[0] = FORMAT;
    new DataView(bytes.buffer).setUint32(1, this.lowestEpoch);
    let at = SNAPSHOT_HEAD;
    for (const entry of this.#entries.values()) {
      const { window, pending } = entry;
      const stored = settled || pending.length === 0 ? window : window.without(pending);
      encodeEntry(bytes, at, entry, stored, exact ? 0 : allowanceOf(entry));
      at += ENTRY;
    }
    return bytes;
  }

  /** A snapshot is stored. */
  stored(settled: boolean): void {
    for (const entry of this.#entries.values()) {
      entry.storedHighest = entry.window.highest;
      if (settled || entry.pending.length === 0) entry.changed = false;
    }
  }

  /**
   * Takes over a snapshot, in addition to what is there.
   * @param isStored whether it is the one in storage
   * @throws SealwireError `STORAGE_CORRUPT`
   */
  loadSnapshot(bytes: Uint8Array, isStored: boolean): void {
    if (bytes[0] !== FORMAT || bytes.byteLength < SNAPSHOT_HEAD) throw corrupt();
    const lowest = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(1);
    this.load(bytes.subarray(SNAPSHOT_HEAD), isStored, !isStored);
    this.lowestEpoch = Math.max(this.lowestEpoch, lowest);
  }

  /** Takes over a mark, in addition to what is there. @throws SealwireError `STORAGE_CORRUPT` */
  loadMark(bytes: Uint8Array): void {
    if (bytes[0] !== FORMAT) throw corrupt();
    this.load(bytes.subarray(1), false, true);
  }

  private load(bytes: Uint8Array, isStored: boolean, changed: boolean): void {
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
      const ceiling = highest + view.getUint16(at + NAMED + 17);
      entry.changed ||= changed;
      if (!isStored) continue;
      entry.ceiling = ceiling;
      entry.storedHighest = highest;
      if (this.#options.afterRestart === "deliver" || ceiling <= entry.window.highest) continue;
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
      changed: false,
      uncertainFrom: 0,
      uncertainTo: -1,
      pending: [],
    };
    this.#entries.set(toHex(digest), entry);
    return entry;
  }
}

/** The bytes of a snapshot of so many senders. */
export function snapshotLength(senders: number): number {
  return SNAPSHOT_HEAD + senders * ENTRY;
}

function allowanceOf({ ceiling, window }: ReplayEntry): number {
  return Math.max(0, ceiling - window.highest);
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
