/** Bytes in the order they came, without copying them together. */
import { toBytes } from "../../src/bytes.js";
import type { BufferLike } from "../../src/platform.js";

export class ByteQueue {
  #chunks: Uint8Array[] = [];
  #offset = 0;
  #byteLength = 0;

  get byteLength(): number {
    return this.#byteLength;
  }

  /** Keeps `bytes`: the caller must not change them any more. */
  push(bytes: Uint8Array): void {
    if (bytes.byteLength === 0) return;
    this.#chunks.push(bytes);
    this.#byteLength += bytes.byteLength;
  }

  /** Moves as many bytes as fit into `buffer`. @returns their number */
  read(buffer: BufferLike): number {
    const target = toBytes(buffer);
    let count = 0;
    while (count < target.byteLength && this.#byteLength > 0) {
      const chunk = this.#chunks[0]!;
      const part = chunk.subarray(this.#offset, this.#offset + target.byteLength - count);
      target.set(part, count);
      count += part.byteLength;
      this.#offset += part.byteLength;
      this.#byteLength -= part.byteLength;
      if (this.#offset < chunk.byteLength) break;
      this.#chunks.shift();
      this.#offset = 0;
    }
    return count;
  }

  clear(): void {
    for (const chunk of this.#chunks) chunk.fill(0);
    this.#chunks = [];
    this.#offset = 0;
    this.#byteLength = 0;
  }
}
