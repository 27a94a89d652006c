/**
 * The sequence numbers of one sender, so that no number is used twice under one key, whatever happens to power and storage.
 *
 * Numbers are reserved in blocks before they are used. A sender that does not know which numbers it has used (nothing stored, or damaged, or
 * of another secret, or behind what retained memory says) draws a random ID Context: its key is then new, and it may count from 0.
 * Across a deep sleep the next number goes through retained memory, so that a wake costs no write.
 *
 * What cannot be noticed: a copy of the whole storage that is put back while retained memory is empty (power was off too): `atPowerOn: "new
 * context"` draws a new ID Context whenever retained memory is empty. And a copy of retained memory that is put back, as long as its block is the
 * one in storage.
 *
 * Name of the counter: tag of secret, epoch, algorithm and sender (8 bytes), then the random part of the ID Context (0 or 8). Section of retained
 * memory: format (1 byte, 1), whether it was left in order (1), next number (6), end of the block (6), name.
 */
import { concat, equal } from "../bytes.js";
import { encodeCBOR } from "../cbor/index.js";
import { SealwireError } from "../errors.js";
import type { Crypto, Key, KeyValueStorage } from "../platform.js";
import {
  BlockCounter,
  RETAINED_SECTION,
  STORAGE_KEY,
  type ReservedBlock,
  type RetainedStore,
} from "../storage/index.js";
import { MAXIMUM_SEQUENCE, RANDOM_LENGTH } from "./key-schedule.js";

const FORMAT = 1;
const TAG = 8;
const HEAD = 14;
const EMPTY = new Uint8Array(0);

/** What retained memory holds. */
export interface RetainedCounter extends ReservedBlock {
  readonly next: number;
  /** Whether it was written by {@link SenderCounter.save}, and nothing was sealed since. */
  readonly inOrder: boolean;
}

export interface SenderCounterOptions {
  readonly crypto: Pick<Crypto, "random" | "deriveBytes">;
  readonly storage: KeyValueStorage | undefined;
  readonly retained: RetainedStore | undefined;
  /** What retained memory held at the start; taken out of it since. */
  readonly kept: RetainedCounter | undefined;
  readonly masterSecret: Key;
  readonly masterSalt?: Uint8Array | undefined;
  readonly epoch: number;
  readonly algorithm: number;
  readonly sender: Uint8Array;
  readonly blockSize: number;
  /** See {@link SenderCounter}. */
  readonly atPowerOn: "continue" | "new context";
  /** States that nothing was ever sealed under this secret: the first numbers then need no random ID Context. */
  readonly secretIsNew: boolean;
  readonly maximum?: number | undefined;
  readonly key?: string | undefined;
}

export class SenderCounter {
  /** The random part of the ID Context: 8 bytes, or none. */
  readonly random: Uint8Array;
  readonly #counter: BlockCounter;
  readonly #name: Uint8Array;
  readonly #retained: RetainedStore | undefined;

  constructor(options: SenderCounterOptions) {
    const { storage, retained, blockSize, maximum = MAXIMUM_SEQUENCE, key = STORAGE_KEY.sealingCounter } = options;
    const tag = nameTag(options);
    const isOurs = ({ name }: ReservedBlock): boolean =>
      (name.byteLength === TAG || name.byteLength === TAG + RANDOM_LENGTH) && equal(name.subarray(0, TAG), tag);
    const found = storage && BlockCounter.read(storage, key);
    const start = resume(options, found, isOurs);
    // With the right secret stated as new, only a storage that never held a counter is believed.
    const isFirst = options.secretIsNew && storage !== undefined && found === undefined && options.kept === undefined;
    this.#name = start?.name ?? concat(tag, isFirst && isMissing(storage, key) ? EMPTY : random(options.crypto));
    this.random = this.#name.subarray(TAG);
    this.#retained = retained;
    this.#counter = new BlockCounter({
      storage,
      key,
      name: this.#name,
      next: start?.next ?? 0,
      end: start?.end ?? 0,
      blockSize,
      maximum,
      onReserved: () => {
        try {
          this.keep(false);
        } catch {
          // Retained memory then knows of an older block, and the next start goes on behind the one in storage all the same.
        }
      },
    });
    if (start === undefined && found !== undefined && options.kept !== undefined) {
      // Retained memory proved that what is stored must not be believed. That must not be forgotten by a power cut: the record is replaced now.
      this.replaceRecord();
      return;
    }
    // What was left in order is used up from here on: if that cannot be written down, it must not be used.
    this.keep(false);
  }

  /**
   * What an earlier life left in retained memory. There it counts as used up from now on; the caller commits that before a number is
   * used, and goes on with `usedUp` if it cannot.
   */
  static take(retained: RetainedStore | undefined): RetainedCounter | undefined {
    const bytes = retained?.get(RETAINED_SECTION.senderCounter);
    if (bytes === undefined) return undefined;
    const kept = decode(bytes);
    if (kept?.inOrder !== false) retained?.set(RETAINED_SECTION.senderCounter, kept && encode(usedUp(kept)));
    return kept;
  }

  /**
   * @returns the next sequence number
   * @throws SealwireError `SEALED_COUNTER_EXHAUSTED`, `STORAGE_FAILED`; nothing may be sealed then
   */
  take(): number {
    const sequence = this.#counter.take();
    if (sequence === undefined)
      throw new SealwireError(
        "SEALED_COUNTER_EXHAUSTED",
        "The sequence numbers of this epoch are used up: rotate to a new payload secret.",
      );
    return sequence;
  }

  /** The number that {@link take} gives next. */
  get next(): number {
    return this.#counter.next;
  }

  /** Puts the next number into retained memory, for a wake from deep sleep. Nothing may be taken after it. */
  save(): void {
    this.keep(true);
  }

  private replaceRecord(): void {
    try {
      this.#counter.reserve();
    } catch {
      // Retained memory still tells, and the first number will not be given without the write.
    }
  }

  private keep(inOrder: boolean): void {
    if (!this.#retained) return;
    const { next, end } = this.#counter;
    const section = encode({ name: this.#name, next: inOrder ? next : end, end, inOrder });
    this.#retained.set(RETAINED_SECTION.senderCounter, section);
    // At a sleep the device commits all sections at once.
    if (!inOrder) this.#retained.commit();
  }
}

/** Where to go on, or `undefined` when that is not known. */
function resume(
  { storage, kept, atPowerOn }: SenderCounterOptions,
  found: ReservedBlock | undefined,
  isOurs: (block: ReservedBlock) => boolean,
): RetainedCounter | undefined {
  const stored = found && isOurs(found) ? found : undefined;
  if (kept === undefined) return atPowerOn === "new context" || !stored ? undefined : goOn(stored);
  if (!isOurs(kept)) {
    // Of another epoch: what is stored for this one is newer, since retained memory follows each reservation.
    return undefined;
  }
  if (storage === undefined) return kept.inOrder ? kept : undefined;
  const behind = !stored || !equal(stored.name, kept.name) || stored.end < kept.end;
  if (behind) return undefined;
  // More was reserved since than retained memory tells: it is of an earlier life.
  return kept.inOrder && stored.end === kept.end ? kept : goOn(stored);
}

/** The same, when the numbers of its block may have been used. */
export function usedUp({ name, end }: ReservedBlock): RetainedCounter {
  return { name, next: end, end, inOrder: false };
}

function goOn({ name, end }: ReservedBlock): RetainedCounter {
  return { name, next: end, end, inOrder: true };
}

function isMissing(storage: KeyValueStorage, key: string): boolean {
  try {
    return storage.read(key) === undefined;
  } catch {
    return false;
  }
}

function random(crypto: Pick<Crypto, "random">): Uint8Array {
  return crypto.random(RANDOM_LENGTH);
}

/** Says whose numbers these are, and nothing of the secret. */
function nameTag({ crypto, masterSecret, masterSalt, epoch, algorithm, sender }: SenderCounterOptions): Uint8Array {
  const info = encodeCBOR(["sealwire counter", sender, epoch, algorithm]);
  return crypto.deriveBytes(masterSecret, masterSalt ?? EMPTY, info, TAG);
}

function encode({ name, next, end, inOrder }: RetainedCounter): Uint8Array {
  const bytes = new Uint8Array(HEAD + name.byteLength);
  bytes[0] = FORMAT;
  bytes[1] = inOrder ? 1 : 0;
  const view = new DataView(bytes.buffer);
  for (const [at, value] of [
    [2, next],
    [8, end],
  ] as const) {
    view.setUint16(at, Math.floor(value / 0x1_0000_0000));
    view.setUint32(at + 2, value >>> 0);
  }
  bytes.set(name, HEAD);
  return bytes;
}

function decode(bytes: Uint8Array): RetainedCounter | undefined {
  if (bytes[0] !== FORMAT || bytes.byteLength < HEAD) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const number = (at: number): number => view.getUint16(at) * 0x1_0000_0000 + view.getUint32(at + 2);
  return { name: bytes.slice(HEAD), next: number(2), end: number(8), inOrder: bytes[1] === 1 };
}
