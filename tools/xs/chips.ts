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

/** RAM of the ESP8266 that constants and variables of TLS take: `npm run check:moddable -- natives` measures it, and fails when it is more. */
export const esp8266Constants = 3_400;

/**
 * The ESP8266: 42,888 bytes are left for all heaps of a firmware of the Moddable SDK that has no TLS of ours, and 10,240 of them are put aside for Wi-Fi and lwIP.
 */
export const esp8266: ChipProfile = {
  name: "esp8266",
  bytes: 42_888 - esp8266Constants - 10_240,
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
