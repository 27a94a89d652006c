/** Fills in the MAC address that is burnt into the chip, 6 bytes. */
export function mac(into: Uint8Array): void;
/** Bytes of RTC memory that are set aside: a multiple of 4. */
export function retainedLength(): number;
/** @returns whether that lies within it */
export function retainedRead(offset: number, into: Uint8Array): boolean;
export function retainedWrite(offset: number, bytes: Uint8Array): boolean;
/** 0: power, 1: deep sleep, 2: restart, 3: watchdog. */
export function wakeCause(): number;
/** Deep sleep. Does not return. */
export function sleep(milliseconds: number): never;
export function restart(): never;
export function feedWatchdog(): void;
/** Whether there is a key for HMAC burnt into the chip. */
export function hasSecret(): boolean;
/** HMAC-SHA-256 under it. @returns whether the chip made it */
export function hmac(data: Uint8Array, into: Uint8Array): boolean;
