/** What small chips have for the heap of XS and for TLS. */

/** A chip and what it has for XS and TLS, in bytes. */
export interface ChipProfile {
  readonly name: string;
  readonly bytes: number;
}

/**
 * The ESP8266: 42,888 bytes are left for all heaps of a firmware of the Moddable SDK, and 10,240 of them are put aside for Wi-Fi and lwIP.
 */
export const esp8266: ChipProfile = { name: "esp8266", bytes: 42_888 - 10_240 };
