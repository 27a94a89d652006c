/** Version of the Mbed TLS that is linked, such as `3.6.6`; `undefined` when the host is built without. */
export function version(): string | undefined;
/**
 * Native memory of Mbed TLS and of the code around it, as asked for: bytes now (0), the most since the last reset (1), blocks now
 * (2), allocations that failed since the program began (3). `undefined` where the library's allocations cannot be seen.
 */
export function memory(which: 0 | 1 | 2 | 3): number | undefined;
/** Lets the peak begin again from what is used. */
export function resetMemoryPeak(): void;
/** Makes allocations fail that would exceed `bytes`; 0 for no cap. @returns the cap of before */
export function capMemory(bytes: number): number;
/**
 * For tests on a desktop: lets the `count`-th allocation from now fail, and if `stays` all after it; 0 takes that back.
 * @returns what was left of the count of before; `undefined` on a chip, where nothing happens
 */
export function failAllocation(count: number, stays?: boolean): number | undefined;
