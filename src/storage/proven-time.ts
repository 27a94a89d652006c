/** The latest time that was proven to be past, over power cuts: 8 bytes, milliseconds since 1970 as a double, big-endian. */
import type { KeyValueStorage } from "../platform.js";
import { STORAGE_KEY } from "./keys.js";

/** @param storage one whose values are authenticated: who could raise this time could let every certificate expire */
export function readProvenTime(storage: KeyValueStorage | undefined): number | undefined {
  try {
    const bytes = storage?.read(STORAGE_KEY.time);
    return bytes?.byteLength === 8 ? new DataView(bytes).getFloat64(0) : undefined;
  } catch {
    return undefined; // Damaged: the build time remains, and the next server proves it again.
  }
}

/** @throws SealwireError `STORAGE_FAILED` */
export function keepProvenTime(storage: KeyValueStorage | undefined, time: number): void {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setFloat64(0, time);
  storage?.write(STORAGE_KEY.time, bytes);
}
