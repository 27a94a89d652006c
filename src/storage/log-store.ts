/**
 * Key-value storage on raw NOR flash, as a log: a new value is appended, then the old one is invalidated and overwritten with zeros. For chips
 * whose own key-value store takes too little, such as the ESP8266's (63 bytes a value).
 *
 * Power may fail at any byte. A value is there once its CRC holds; of two with one key the younger is in force. One sector is always
 * kept erased: to make room, what is in force in another one is copied there, and that one is erased. A sector is retired in its head
 * before it is erased, so that an erase that was cut short never brings back what it held.
 *
 * RAM: an index entry for each key, and one buffer of the size of the entry that is being read or written.
 */
import { equal, fromUTF8, toBytes, toUTF8, wipe } from "../bytes.js";
import { SealwireError } from "../errors.js";
import type { BufferLike, KeyValueStorage } from "../platform.js";
import { crc32 } from "./crc32.js";
import {
  decodeEntryHead,
  decodeSectorHead,
  encodeEntry,
  encodeSectorHead,
  ENTRY_HEAD,
  entryLength,
  type EntryHead,
  IN_USE_AT,
  isBlank,
  SECTOR_HEAD,
} from "./log-entry.js";
import type { RawFlash } from "./raw-flash.js";

const MAXIMUM_KEY = 15;
/** Sectors whose wear differs by more than this are evened out, by moving what never changes. */
const WEAR_SPREAD = 32;
/** How often that is looked at: every so many collections. */
const LEVELLING_PERIOD = 8;
const IN_USE = new Uint8Array(4);

interface Place {
  readonly offset: number;
  readonly head: EntryHead;
}

interface Sector {
  erases: number;
  /** Where the next entry goes; the sector's length when nothing more can be appended. */
  end: number;
  /** Whether nothing was appended since it was erased. */
  free: boolean;
}

export class LogStore implements KeyValueStorage {
  readonly maximumKeyLength = MAXIMUM_KEY;
  readonly maximumValueLength: number;
  readonly capacity: number;
  readonly #flash: RawFlash;
  readonly #sectors: Sector[] = [];
  readonly #index = new Map<string, Place>();
  #sequence = 0;
  #collections = 0;

  /**
   * Reads the log; sectors that are none of it are erased.
   * @throws SealwireError `INVALID_ARGUMENT` for less than two sectors, `STORAGE_FAILED` when the flash fails
   */
  constructor(flash: RawFlash) {
    if (flash.sectors < 2) throw new SealwireError("INVALID_ARGUMENT", "A log on flash needs at least two sectors.");
    this.#flash = flash;
    const usable = flash.sectorLength - SECTOR_HEAD;
    this.maximumValueLength = Math.min(usable - ENTRY_HEAD - MAXIMUM_KEY - 1, 0xffff);
    this.capacity = (flash.sectors - 1) * usable;
    attempt(() => this.mount());
  }

  /** How often each sector was erased. */
  get wear(): readonly number[] {
    return this.#sectors.map(({ erases }) => erases);
  }

  read(key: string): ArrayBuffer | undefined {
    const place = this.#index.get(key);
    if (place === undefined) return undefined;
    const value = attempt(() => this.content(place)?.slice(place.head.keyLength));
    if (value === undefined)
      throw new SealwireError("STORAGE_CORRUPT", `The stored value "${key}" is damaged: its checksum is wrong.`);
    return value.buffer;
  }

  write(key: string, value: BufferLike): void {
    const name = keyBytes(key);
    const bytes = toBytes(value);
    if (bytes.byteLength > this.maximumValueLength)
      throw new SealwireError(
        "STORAGE_VALUE_TOO_LARGE",
        `The value "${key}" has ${bytes.byteLength} bytes; the storage takes ${this.maximumValueLength}.`,
      );
    attempt(() => {
      const offset = this.room(entryLength(name.byteLength, bytes.byteLength));
      const entry = encodeEntry(name, bytes, this.#sequence + 1);
      const head = decodeEntryHead(entry)!;
      this.append(offset, entry);
      this.#sequence++;
      const old = this.#index.get(key);
      this.#index.set(key, { offset, head });
      wipe(entry);
      if (old === undefined) return;
      try {
        this.invalidate(old);
      } catch {
        // The new value is in force and durable; the next start finds the old one and tries again.
      }
    });
  }

  delete(key: string): boolean {
    const place = this.#index.get(key);
    if (place === undefined) return false;
    attempt(() => this.invalidate(place));
    this.#index.delete(key);
    return true;
  }

  [Symbol.iterator](): Iterator<string> {
    return this.#index.keys();
  }

  private mount(): void {
    const { sectors, sectorLength } = this.#flash;
    const lost: number[] = [];
    for (let i = 0; i < sectors; i++) {
      const head = decodeSectorHead(this.bytes(i * sectorLength, SECTOR_HEAD));
      this.#sectors.push({ erases: head?.erases ?? 0, end: sectorLength, free: false });
      if (head?.inUse) this.scan(i);
      else if (head && isBlank(this.bytes(i * sectorLength + SECTOR_HEAD, sectorLength - SECTOR_HEAD)))
        Object.assign(this.#sectors[i]!, { end: SECTOR_HEAD, free: true });
      // Not of a log, or copies that were not finished: what they were copied from is still there.
      else lost.push(i);
    }
    // The count of a sector whose head is lost is not known: it is taken for as worn as the most worn one.
    const most = Math.max(...this.wear);
    for (const i of lost) this.erase(i, this.#sectors[i]!.erases || most);
    if (this.#sectors.some(({ free }) => free)) return;
    // Power failed after the copying and before the erase: of the two sectors with the same entries, one just lost them all.
    const empty = this.#sectors.findIndex((_, i) => this.placesIn(i).length === 0);
    if (empty >= 0) this.erase(empty);
  }

  private scan(sector: number): void {
    const { sectorLength } = this.#flash;
    const base = sector * sectorLength;
    let at = SECTOR_HEAD;
    while (at + ENTRY_HEAD <= sectorLength) {
      const bytes = this.bytes(base + at, ENTRY_HEAD);
      if (isBlank(bytes)) break;
      const head = decodeEntryHead(bytes);
      const length = head && entryLength(head.keyLength, head.valueLength);
      // Behind a head that cannot be read, nobody knows where the next entry begins.
      if (head === undefined || at + length! > sectorLength) return;
      this.found({ offset: base + at, head });
      at += length!;
    }
    // What is not blank behind the last head is the trace of a write or erase that was cut short.
    if (!isBlank(this.bytes(base + at, sectorLength - at))) return;
    const state = this.#sectors[sector]!;
    state.end = at;
    state.free = at === SECTOR_HEAD;
  }

  private found(place: Place): void {
    const { head } = place;
    this.#sequence = Math.max(this.#sequence, head.sequence);
    if (!head.inForce) return;
    const content = this.content(place);
    const key = content && fromUTF8(content, 0, head.keyLength);
    if (key === undefined) return;
    const known = this.#index.get(key);
    if (known === undefined) this.#index.set(key, place);
    else if (known.head.sequence >= head.sequence) this.invalidate(place);
    else {
      this.#index.set(key, place);
      this.invalidate(known);
    }
  }

  /** Finds room for an entry, and makes it where there is none. @returns its offset on the flash */
  private room(length: number): number {
    // Each collection frees what no longer counts in one sector; after all of them there is nothing left to gain.
    for (let attempts = 0; attempts <= 2 * this.#flash.sectors; attempts++) {
      const offset = this.fit(length);
      if (offset !== undefined) return offset;
      if (!this.collect(length)) break;
    }
    throw new SealwireError("STORAGE_FAILED", `The storage is full: there is no room for ${length} bytes more.`);
  }

  private fit(length: number): number | undefined {
    const { sectorLength } = this.#flash;
    let index = this.#sectors.findIndex(({ free, end }) => !free && end + length <= sectorLength);
    if (index < 0 && this.#sectors.filter(({ free }) => free).length > 1) index = this.leastWorn(true);
    return index < 0 ? undefined : index * sectorLength + this.#sectors[index]!.end;
  }

  /** The least worn sector that is, or is not, free; -1 when there is none. */
  private leastWorn(wanted: boolean): number {
    let least = -1;
    for (const [i, { free, erases }] of this.#sectors.entries())
      if (free === wanted && (least < 0 || erases < this.#sectors[least]!.erases)) least = i;
    return least;
  }

  /** Moves what counts in the sector with the least of it to the spare. @returns whether that can make room */
  private collect(length: number): boolean {
    const live = this.#sectors.map(({ free }, i) => (free ? Infinity : this.live(i)));
    const least = Math.min(...live);
    if (least + length > this.#flash.sectorLength - SECTOR_HEAD) return false;
    // A sector that holds what never changes would never be collected: once in a while it takes its turn.
    const coldest = this.leastWorn(false);
    const spread = Math.max(...this.wear) - this.#sectors[coldest]!.erases;
    const levels = ++this.#collections % LEVELLING_PERIOD === 0 && spread > WEAR_SPREAD;
    let victim = coldest;
    // Of those with as little, the least worn.
    if (!levels)
      for (const [i, bytes] of live.entries())
        if (bytes === least && (live[victim] !== least || this.wear[i]! < this.wear[victim]!)) victim = i;
    this.move(victim);
    return true;
  }

  private move(victim: number): void {
    const { sectorLength } = this.#flash;
    const spare = this.leastWorn(true);
    const places = this.placesIn(victim);
    if (places.length > 0) {
      if (spare < 0) throw new SealwireError("STORAGE_FAILED", "The storage has no spare sector left.");
      const target = this.#sectors[spare]!;
      target.free = false;
      let end = SECTOR_HEAD;
      // Should a copy fail, nothing more is appended there, and the originals stay in force.
      target.end = sectorLength;
      const moved: [string, Place][] = [];
      for (const [key, { offset, head }] of places) {
        const length = entryLength(head.keyLength, head.valueLength);
        const bytes = this.bytes(offset, length);
        this.program(spare * sectorLength + end, bytes);
        wipe(bytes);
        moved.push([key, { offset: spare * sectorLength + end, head }]);
        end += length;
      }
      this.#flash.program(spare * sectorLength + IN_USE_AT, IN_USE);
      for (const [key, place] of moved) this.#index.set(key, place);
      target.end = end;
    }
    this.erase(victim);
  }

  private placesIn(sector: number): [string, Place][] {
    const { sectorLength } = this.#flash;
    return [...this.#index].filter(([, { offset }]) => Math.floor(offset / sectorLength) === sector);
  }

  private live(sector: number): number {
    let bytes = 0;
    for (const [, { head }] of this.placesIn(sector)) bytes += entryLength(head.keyLength, head.valueLength);
    return bytes;
  }

  private append(offset: number, entry: Uint8Array): void {
    const { sectorLength } = this.#flash;
    const index = Math.floor(offset / sectorLength);
    const sector = this.#sectors[index]!;
    if (sector.free) this.#flash.program(index * sectorLength + IN_USE_AT, IN_USE);
    sector.free = false;
    // Counted before it is written: what a failed write left behind is not written over.
    sector.end = (offset % sectorLength) + entry.byteLength;
    this.program(offset, entry);
  }

  private program(offset: number, bytes: Uint8Array): void {
    this.#flash.program(offset, bytes);
    if (!equal(this.bytes(offset, bytes.byteLength), bytes))
      throw new SealwireError("STORAGE_FAILED", "The flash did not keep what was written.");
  }

  /** The state first: from then on it does not count. Then its content, which may be secret, becomes zeros. */
  private invalidate({ offset, head }: Place): void {
    this.#flash.program(offset, new Uint8Array(4));
    const content = entryLength(head.keyLength, head.valueLength) - ENTRY_HEAD;
    this.#flash.program(offset + ENTRY_HEAD, new Uint8Array(content));
  }

  private erase(sector: number, erases = this.#sectors[sector]!.erases): void {
    const { sectorLength } = this.#flash;
    this.#flash.program(sector * sectorLength, new Uint8Array(SECTOR_HEAD));
    this.#flash.erase(sector);
    this.#flash.program(sector * sectorLength, encodeSectorHead(erases + 1));
    this.#sectors[sector] = { erases: erases + 1, end: SECTOR_HEAD, free: true };
  }

  /** Key and value, or `undefined` when they are damaged. */
  private content({ offset, head }: Place): Uint8Array | undefined {
    const bytes = this.bytes(offset + ENTRY_HEAD, head.keyLength + head.valueLength);
    return crc32(bytes) === head.contentCRC ? bytes : undefined;
  }

  private bytes(offset: number, byteLength: number): Uint8Array {
    const bytes = new Uint8Array(byteLength);
    this.#flash.read(offset, bytes);
    return bytes;
  }
}

function keyBytes(key: string): Uint8Array {
  if (!/^[\x21-\x7e]{1,15}$/.test(key))
    throw new SealwireError("INVALID_ARGUMENT", `A key has 1 to ${MAXIMUM_KEY} ASCII characters.`);
  return toUTF8(key);
}

function attempt<T>(action: () => T): T {
  try {
    return action();
  } catch (error) {
    if (error instanceof SealwireError) throw error;
    throw new SealwireError("STORAGE_FAILED", "The flash could not be read or written.", { cause: error });
  }
}
