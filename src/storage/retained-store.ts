/**
 * Retained memory (RTC memory) shared by several users. It survives deep sleep, costs no flash wear, and is random after power-on:
 * so its content is one {@link SealedBox}, and what does not open counts as empty.
 *
 * Layout: length of the box (2 bytes, big-endian), box. Content of the box: for each section its number (1 byte), length (2 bytes,
 * big-endian) and bytes.
 */
import { wipe } from "../bytes.js";
import { SealwireError, toSealwireError } from "../errors.js";
import type { RetainedMemory } from "../platform.js";
import type { RetainedSection } from "./keys.js";
import { SealedBox } from "./sealed-box.js";

const LABEL = "retained";
const LENGTH = 2;
const SECTION_HEAD = 3;

export class RetainedStore {
  readonly #memory: RetainedMemory;
  readonly #box: SealedBox;
  readonly #sections: Map<number, Uint8Array>;
  #changed = false;

  /** Reads what an earlier wake left there. */
  constructor(memory: RetainedMemory, box: SealedBox) {
    this.#memory = memory;
    this.#box = box;
    this.#sections = this.load();
  }

  /** The content of a section, or `undefined`. The caller must not change it. */
  get(section: RetainedSection): Uint8Array | undefined {
    return this.#sections.get(section);
  }

  /**
   * Replaces a section; `undefined` removes it. Nothing is written before {@link commit}. With `owned` the bytes are not copied: they must not
   * change from then on.
   */
  set(section: RetainedSection, content: Uint8Array | undefined, owned = false): void {
    if (content === undefined) this.#changed = this.#sections.delete(section) || this.#changed;
    else {
      if (content.byteLength > 0xffff)
        throw new SealwireError("STORAGE_VALUE_TOO_LARGE", "A section of retained memory is at most 65,535 bytes.");
      this.#sections.set(section, owned ? content : content.slice());
      this.#changed = true;
    }
  }

  /** The largest content that one more section can have without any of the others being dropped; negative when they are too large already. */
  get room(): number {
    let room = this.capacity - SECTION_HEAD;
    for (const bytes of this.#sections.values()) room -= SECTION_HEAD + bytes.byteLength;
    return room;
  }

  /**
   * Writes all sections, in order of priority (the lowest number first).
   * @returns the sections that did not fit; they are no longer there
   */
  commit(): RetainedSection[] {
    if (!this.#changed) return [];
    const dropped: RetainedSection[] = [];
    const capacity = this.capacity;
    const kept = ([...this.#sections.keys()] as RetainedSection[]).sort((a, b) => a - b);
    // No larger than what is kept: a chip has no room for an image of its whole retained memory.
    let byteLength = 0;
    for (const section of kept) {
      const size = SECTION_HEAD + this.#sections.get(section)!.byteLength;
      if (byteLength + size <= capacity) byteLength += size;
      else {
        this.#sections.delete(section);
        dropped.push(section);
      }
    }
    if (capacity >= 0) this.write(this.image(kept, byteLength));
    this.#changed = false;
    return dropped;
  }

  /** A box that is not sealed yet. */
  private image(sections: readonly RetainedSection[], byteLength: number): Uint8Array {
    const box = new Uint8Array(SealedBox.overhead + byteLength);
    let offset = SealedBox.contentAt;
    for (const section of sections) {
      const bytes = this.#sections.get(section);
      if (bytes === undefined) continue;
      box.set([section, bytes.byteLength >> 8, bytes.byteLength & 0xff], offset);
      box.set(bytes, offset + SECTION_HEAD);
      offset += SECTION_HEAD + bytes.byteLength;
    }
    return box;
  }

  private get capacity(): number {
    return Math.min(this.#memory.byteLength - LENGTH, 0xffff) - SealedBox.overhead;
  }

  /** @param box is wiped: it may not have been sealed */
  private write(box: Uint8Array): void {
    try {
      this.#box.sealInPlace(LABEL, box);
      this.#memory.write(LENGTH, box);
      this.#memory.write(0, Uint8Array.of(box.byteLength >> 8, box.byteLength & 0xff));
    } catch (error) {
      throw toSealwireError(error, "STORAGE_FAILED", "Retained memory could not be written.");
    } finally {
      wipe(box);
    }
  }

  private load(): Map<number, Uint8Array> {
    const sections = new Map<number, Uint8Array>();
    const content = this.read();
    if (content === undefined) return sections;
    let offset = 0;
    while (offset + SECTION_HEAD <= content.byteLength) {
      const byteLength = (content[offset + 1]! << 8) | content[offset + 2]!;
      const start = offset + SECTION_HEAD;
      if (start + byteLength > content.byteLength) break;
      sections.set(content[offset]!, content.slice(start, start + byteLength));
      offset = start + byteLength;
    }
    wipe(content);
    return sections;
  }

  private read(): Uint8Array | undefined {
    if (this.#memory.byteLength < LENGTH + SealedBox.overhead) return undefined;
    const head = new Uint8Array(LENGTH);
    this.#memory.read(0, head);
    const byteLength = (head[0]! << 8) | head[1]!;
    if (byteLength < SealedBox.overhead || byteLength > this.#memory.byteLength - LENGTH) return undefined;
    const box = new Uint8Array(byteLength);
    this.#memory.read(LENGTH, box);
    try {
      return this.#box.openInPlace(LABEL, box);
    } catch {
      // Random bytes after power-on, or a write that a reset cut short: both are empty memory, not an error.
      return undefined;
    }
  }
}
