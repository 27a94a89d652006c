/**
 * A record that is replaced as a whole, and only once its successor has proved itself. Two slots hold the record in force and the one
 * that is staged; a pointer says which is which. Every step ends with one write of the pointer, so that power may fail at any write:
 * what is not pointed at was never there.
 *
 * Pointer, sealed: format (1 byte, 1), slot in force (1), whether one is staged (1), version in force (4), version staged (4), the tags of
 * both (16 each), note. A record that is longer than one stored value goes on under the slot's key with ".1", ".2" behind it. A tag binds the pointer to the very bytes in the slot: an earlier attempt at the same version does not
 * pass for it.
 */
import { concat, equal, wipe } from "../bytes.js";
import { SealwireError } from "../errors.js";
import type { KeyValueStorage } from "../platform.js";
import type { VersionedBox } from "./versioned-box.js";

export interface TwoSlotKeys {
  readonly slots: readonly [string, string];
  readonly pointer: string;
}

/** What the pointer says. */
export interface RecordState {
  readonly version: number;
  /** The version that is staged, or `undefined`. */
  readonly staged: number | undefined;
  /** What the user of the record put there, in the same write. */
  readonly note: Uint8Array;
}

interface Pointer extends RecordState {
  readonly slot: 0 | 1;
  readonly tag: Uint8Array;
  readonly stagedTag: Uint8Array;
}

const FORMAT = 1;
const TAG = 16;
const HEAD = 11 + 2 * TAG;
const NO_TAG = new Uint8Array(0);
/** Values that one record may be spread over. */
const MAXIMUM_PIECES = 8;

export class TwoSlotRecord {
  readonly #storage: KeyValueStorage;
  readonly #box: VersionedBox;
  readonly #keys: TwoSlotKeys;
  #pointer: Pointer | undefined;

  constructor(storage: KeyValueStorage, box: VersionedBox, keys: TwoSlotKeys) {
    this.#storage = storage;
    this.#box = box;
    this.#keys = keys;
  }

  /** As it was loaded or last written; `undefined` when there is no record. */
  get state(): RecordState | undefined {
    return this.#pointer;
  }

  /**
   * Reads the pointer.
   * @throws SealwireError `STORAGE_CORRUPT`, `STORAGE_WRONG_ROOT`, `STORAGE_FAILED`
   */
  load(): RecordState | undefined {
    this.#pointer = undefined;
    const bytes = this.#storage.read(this.#keys.pointer);
    if (bytes === undefined) return undefined;
    const { version, content } = this.#box.open(this.#keys.pointer, new Uint8Array(bytes));
    const view = new DataView(content.buffer, content.byteOffset, content.byteLength);
    if (content.byteLength < HEAD || content[0] !== FORMAT || content[1]! > 1 || view.getUint32(3) !== version)
      throw new SealwireError("STORAGE_CORRUPT", `The stored value "${this.#keys.pointer}" is damaged.`);
    this.#pointer = {
      slot: content[1] as 0 | 1,
      version,
      staged: content[2] === 1 ? view.getUint32(7) : undefined,
      tag: content.slice(11, 11 + TAG),
      stagedTag: content.slice(11 + TAG, HEAD),
      note: content.slice(HEAD),
    };
    return this.#pointer;
  }

  /**
   * The record in force. The caller wipes it.
   * @throws SealwireError `STORAGE_CORRUPT`, `STORAGE_WRONG_ROOT`, `STORAGE_ROLLED_BACK`, `STORAGE_FAILED`; `INVALID_STATE` without a record
   */
  read(): Uint8Array {
    const { slot, version, tag } = this.required();
    return this.readSlot(slot, version, tag);
  }

  /** The staged record. The caller wipes it. @throws as {@link read} */
  readStaged(): Uint8Array {
    const { slot, staged, stagedTag } = this.required();
    if (staged === undefined) throw new SealwireError("INVALID_STATE", "No record is staged.");
    return this.readSlot(other(slot), staged, stagedTag);
  }

  /**
   * Makes the first record. There must be none.
   * @throws SealwireError `STORAGE_FAILED`, `STORAGE_VALUE_TOO_LARGE`, `INVALID_STATE`; there is no record then
   */
  create(version: number, content: Uint8Array, note: Uint8Array): void {
    if (this.#pointer) throw new SealwireError("INVALID_STATE", "There is a record already.");
    const tag = this.write(0, version, content);
    this.point({ slot: 0, version, tag, staged: undefined, stagedTag: NO_TAG, note });
  }

  /** Puts a successor beside the record in force, in place of one that is staged. @throws as {@link create} */
  stage(version: number, content: Uint8Array, note: Uint8Array): void {
    const pointer = this.required();
    const stagedTag = this.write(other(pointer.slot), version, content);
    this.point({ ...pointer, staged: version, stagedTag, note });
  }

  /** Replaces the note. */
  annotate(note: Uint8Array): void {
    this.point({ ...this.required(), note });
  }

  /** Puts the staged record in force. The old one stays in its slot until {@link tidy}. */
  commit(note: Uint8Array): void {
    const { slot, staged, stagedTag } = this.required();
    if (staged === undefined) throw new SealwireError("INVALID_STATE", "No record is staged.");
    this.point({ slot: other(slot), version: staged, tag: stagedTag, staged: undefined, stagedTag: NO_TAG, note });
  }

  /** Gives the staged record up. It stays in its slot until {@link tidy}. */
  rollback(note: Uint8Array): void {
    this.point({ ...this.required(), staged: undefined, stagedTag: NO_TAG, note });
  }

  /** Deletes what is in a slot and not pointed at: it was committed over, given up, or never finished. */
  tidy(): void {
    const [first, second] = this.#keys.slots;
    const pointer = this.#pointer;
    if (pointer?.staged !== undefined) return;
    if (pointer?.slot !== 0) this.delete(first);
    if (pointer?.slot !== 1) this.delete(second);
  }

  /** Deletes all of it, the pointer first: from then on there is no record. Needs no {@link load}. */
  erase(): void {
    this.#storage.delete(this.#keys.pointer);
    this.#pointer = undefined;
    this.tidy();
  }

  private readSlot(slot: 0 | 1, version: number, tag: Uint8Array): Uint8Array {
    const key = this.#keys.slots[slot];
    const bytes = this.join(key);
    if (bytes === undefined) throw new SealwireError("STORAGE_CORRUPT", `The stored value "${key}" is missing.`);
    const found = this.#box.open(key, bytes);
    if (found.version === version && equal(tagOf(bytes), tag)) return found.content;
    wipe(found.content);
    if (found.version < version)
      throw new SealwireError(
        "STORAGE_ROLLED_BACK",
        `The stored value "${key}" is version ${found.version}, and should be ${version}: an older one was put back.`,
      );
    throw new SealwireError("STORAGE_CORRUPT", `The stored value "${key}" is not the one that was written last.`);
  }

  private write(slot: 0 | 1, version: number, content: Uint8Array): Uint8Array {
    const key = this.#keys.slots[slot];
    const bytes = this.#box.seal(key, version, content);
    const { maximumValueLength } = this.#storage;
    const pieces = Math.ceil(bytes.byteLength / maximumValueLength);
    if (pieces > MAXIMUM_PIECES)
      throw new SealwireError(
        "STORAGE_VALUE_TOO_LARGE",
        `A record of ${bytes.byteLength} bytes needs ${pieces} values of this storage; ${MAXIMUM_PIECES} are the most.`,
      );
    // What an earlier record left behind must not be read as the end of this one.
    this.deletePieces(key, pieces);
    for (let i = 0; i < pieces; i++)
      this.#storage.write(pieceOf(key, i), bytes.subarray(i * maximumValueLength, (i + 1) * maximumValueLength));
    return tagOf(bytes);
  }

  /** All pieces of a slot, one after the other. */
  private join(key: string): Uint8Array | undefined {
    const pieces: Uint8Array[] = [];
    for (let i = 0; i < MAXIMUM_PIECES; i++) {
      const piece = this.#storage.read(pieceOf(key, i));
      if (piece === undefined) break;
      pieces.push(new Uint8Array(piece));
    }
    return pieces.length > 1 ? concat(...pieces) : pieces[0];
  }

  private delete(key: string): void {
    this.deletePieces(key, 1);
    this.#storage.delete(key);
  }

  /** Deletes the last pieces of a slot, from this one on. */
  private deletePieces(key: string, from: number): void {
    for (let i = MAXIMUM_PIECES - 1; i >= from; i--) {
      const piece = pieceOf(key, i);
      if (this.#storage.read(piece) !== undefined) this.#storage.delete(piece);
    }
  }

  private point(pointer: Pointer): void {
    const { slot, version, staged, tag, stagedTag, note } = pointer;
    const content = new Uint8Array(HEAD);
    content.set([FORMAT, slot, staged === undefined ? 0 : 1]);
    const view = new DataView(content.buffer);
    view.setUint32(3, version);
    view.setUint32(7, staged ?? 0);
    content.set(tag, 11);
    content.set(stagedTag, 11 + TAG);
    const { pointer: key } = this.#keys;
    this.#storage.write(key, this.#box.seal(key, version, concat(content, note)));
    this.#pointer = pointer;
  }

  private required(): Pointer {
    if (this.#pointer === undefined) throw new SealwireError("INVALID_STATE", "There is no record.");
    return this.#pointer;
  }
}

function pieceOf(key: string, i: number): string {
  return i === 0 ? key : `${key}.${i}`;
}

/** The authentication tag is the end of a box. */
function tagOf(bytes: Uint8Array): Uint8Array {
  return bytes.slice(bytes.byteLength - TAG);
}

function other(slot: 0 | 1): 0 | 1 {
  return slot === 0 ? 1 : 0;
}
