/** A set of packet identifiers that stays small: brokers and clients count up, so the members lie in few runs. */
import { SealwireError } from "../errors.js";

/** The largest packet identifier; 0 is not one [MQTT-2.2.1-3]. */
export const MAXIMUM_IDENTIFIER = 0xffff;

/**
 * Numbers from 1 to 65535, kept as sorted runs of `first, last`. 10,000 consecutive identifiers cost as much as one, in memory and in
 * storage; who adds identifiers of a peer bounds {@link IdentifierSet.runs}.
 */
export class IdentifierSet {
  private readonly list: number[] = [];
  private count = 0;

  get size(): number {
    return this.count;
  }

  /** The number of runs: what the set costs. */
  get runs(): number {
    return this.list.length >> 1;
  }

  has(id: number): boolean {
    const index = this.find(id);
    return index < this.list.length && this.list[index]! <= id;
  }

  /** @returns false when it was there already */
  add(id: number): boolean {
    const runs = this.list;
    const index = this.find(id);
    if (index < runs.length && runs[index]! <= id) return false;
    const joinsPrevious = index > 0 && runs[index - 1] === id - 1;
    const joinsNext = index < runs.length && runs[index] === id + 1;
    if (joinsPrevious && joinsNext) runs.splice(index - 1, 2);
    else if (joinsPrevious) runs[index - 1] = id;
    else if (joinsNext) runs[index] = id;
    else runs.splice(index, 0, id, id);
    this.count++;
    return true;
  }

  /** @returns false when it was not there */
  delete(id: number): boolean {
    const runs = this.list;
    const index = this.find(id);
    if (index >= runs.length) return false;
    const first = runs[index]!;
    const last = runs[index + 1]!;
    if (first > id) return false;
    if (first === last) runs.splice(index, 2);
    else if (first === id) runs[index] = id + 1;
    else if (last === id) runs[index + 1] = id - 1;
    else runs.splice(index + 1, 0, id - 1, id + 1);
    this.count--;
    return true;
  }

  clear(): void {
    this.list.length = 0;
    this.count = 0;
  }

  /** The first identifier from `id` upwards that is not in the set, going on at 1 after 65535; `undefined` when all are in it. */
  nextAbsent(id: number): number | undefined {
    if (this.count === MAXIMUM_IDENTIFIER) return undefined;
    const runs = this.list;
    const index = this.find(id);
    if (index >= runs.length || runs[index]! > id) return id;
    const next = runs[index + 1]! + 1;
    if (next <= MAXIMUM_IDENTIFIER) return next;
    return runs[0] === 1 ? runs[1]! + 1 : 1;
  }

  /** Bytes that {@link encode} writes. */
  get encodedLength(): number {
    return 2 * this.list.length;
  }

  /** Writes the runs, each as two 16-bit numbers, big-endian. @returns the offset after them */
  encode(target: Uint8Array, offset: number): number {
    for (const value of this.list) {
      target[offset++] = value >> 8;
      target[offset++] = value;
    }
    return offset;
  }

  /** Replaces the content by what {@link encode} wrote. @throws SealwireError `STORAGE_CORRUPT`, the set is then empty */
  decode(bytes: Uint8Array): void {
    this.clear();
    let previous = -1;
    for (let offset = 0; offset < bytes.byteLength; offset += 4) {
      const first = (bytes[offset]! << 8) | (bytes[offset + 1] ?? 0);
      const last = ((bytes[offset + 2] ?? 0) << 8) | (bytes[offset + 3] ?? 0);
      // Runs never touch: what would is not what encode() wrote.
      if (offset + 4 > bytes.byteLength || first === 0 || last < first || first <= previous + 1) {
        this.clear();
        throw new SealwireError("STORAGE_CORRUPT", "A stored set of packet identifiers is damaged.");
      }
      this.list.push(first, last);
      this.count += last - first + 1;
      previous = last;
    }
  }

  /** Index of the first run that ends at or after `id`. */
  private find(id: number): number {
    const runs = this.list;
    let low = 0;
    let high = runs.length >> 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (runs[2 * middle + 1]! < id) low = middle + 1;
      else high = middle;
    }
    return 2 * low;
  }
}
