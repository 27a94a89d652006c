/** What small chips have for the heap of XS and for TLS. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "./paths.js";

/** A chip and what it has for XS and TLS, in bytes. */
export interface ChipProfile {
  readonly name: string;
  readonly bytes: number;
  /** Of the host, relative to the package: it sizes the heap. */
  readonly manifest: string;
}

/**
 * The ESP8266: 42,888 bytes are left for all heaps of a firmware of the Moddable SDK, and 10,240 of them are put aside for Wi-Fi and lwIP.
 */
export const esp8266: ChipProfile = {
  name: "esp8266",
  bytes: 42_888 - 10_240,
  manifest: "hosts/esp8266/manifest.json",
};

/** The heap that a firmware for the chip has when its own manifest does not say otherwise. */
export interface ChipHeap {
  /** Chunks, slots and stack in one block. Bytes. */
  readonly static: number;
  /** Slots. */
  readonly stack: number;
}

/** @throws Error for a manifest that does not say it */
export function chipHeap({ manifest }: ChipProfile): ChipHeap {
  const { creation = {} } = JSON.parse(readFileSync(join(root, manifest), "utf8")) as {
    creation?: Partial<Record<keyof ChipHeap, unknown>>;
  };
  const { static: bytes, stack } = creation;
  if (typeof bytes !== "number" || bytes <= 0 || typeof stack !== "number" || stack <= 0)
    throw new Error(`${manifest} does not size the heap: "creation" wants "static" and "stack".`);
  return { static: bytes, stack };
}
