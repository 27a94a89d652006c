/**
 * The version below which no record is accepted any more: authenticated under the root, raised after each commit. Where the chip has a counter
 * that never goes back, the floor is bound to its value, so that a copy of the whole flash is refused as well.
 *
 * Content of the box: value of the counter (4 bytes), or nothing without one. Its version is the floor.
 */
import { SealwireError } from "../errors.js";
import type { KeyValueStorage, MonotonicCounter } from "../platform.js";
import { STORAGE_KEY, type VersionedBox } from "../storage/index.js";

const KEY = STORAGE_KEY.vaultFloor;

/** More versions than there are between two steps of the hardware counter, which goes up with each commit. */
const LOST_FLOOR_MARGIN = 0x10000;
const MAXIMUM_FLOOR = 0xffff_0000;

export class VersionFloor {
  readonly #storage: KeyValueStorage;
  readonly #box: VersionedBox;
  readonly #counter: MonotonicCounter | undefined;
  #version: number | undefined;

  constructor(storage: KeyValueStorage, box: VersionedBox, counter: MonotonicCounter | undefined) {
    this.#storage = storage;
    this.#box = box;
    this.#counter = counter;
  }

  /** As it was loaded or last raised; `undefined` when there is none. */
  get version(): number | undefined {
    return this.#version;
  }

  /**
   * A floor above all versions that there can have been, for when the old one is lost or was taken away. Only the hardware counter knows of a life
   * before; without one a lost floor looks like none.
   * @param isLost whether there was one, as far as storage tells
   */
  fresh(isLost: boolean): number {
    const steps = this.#counter?.read() ?? (isLost ? 1 : 0);
    return Math.min(steps * LOST_FLOOR_MARGIN, MAXIMUM_FLOOR);
  }

  /**
   * Reads the floor, and ends a raise that a power cut interrupted.
   * @throws SealwireError `STORAGE_CORRUPT`, `STORAGE_WRONG_ROOT`, `STORAGE_ROLLED_BACK`, `STORAGE_FAILED`
   */
  load(): void {
    this.#version = undefined;
    const bytes = this.#storage.read(KEY);
    if (bytes === undefined) return;
    const { version, content } = this.#box.open(KEY, new Uint8Array(bytes));
    if (this.#counter) this.compare(this.#counter, content);
    this.#version = version;
  }

  /** Raises the floor; the hardware counter goes up after it is stored. @throws SealwireError `STORAGE_FAILED` */
  raise(version: number): void {
    const next = this.#counter && this.#counter.read() + 1;
    const content = new Uint8Array(next === undefined ? 0 : 4);
    if (next !== undefined) new DataView(content.buffer).setUint32(0, next);
    this.#storage.write(KEY, this.#box.seal(KEY, version, content));
    this.#version = version;
    this.#counter?.increment();
  }

  erase(): void {
    this.#storage.delete(KEY);
    this.#version = undefined;
  }

  private compare(counter: MonotonicCounter, content: Uint8Array): void {
    const present = counter.read();
    // A floor without a counter was written by firmware that knew of none: acceptable as long as the counter was never used.
    const stored = content.byteLength === 4 ? new DataView(content.buffer, content.byteOffset).getUint32(0) : 0;
    if (stored < present)
      throw new SealwireError(
        "STORAGE_ROLLED_BACK",
        "The stored state is older than the hardware counter tells: a copy of the flash was put back.",
      );
    if (stored > present + 1)
      throw new SealwireError("STORAGE_CORRUPT", "The stored state is ahead of the hardware counter.");
    if (stored === present + 1) counter.increment();
  }
}
