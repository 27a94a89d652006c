/** Writes a line to standard output. */
export function print(line: string): void;
/** Milliseconds since the process began. */
export function ticks(): number;
/** Milliseconds since 1970. */
export function time(): number;
/** Milliseconds of processor time that the process has used. */
export function cpu(): number;
/** Fills with bytes of the operating system's generator. */
export function random(bytes: Uint8Array): void;
/** Ends the process. */
export function exit(code: number): never;
/** An environment variable. */
export function environment(name: string): string | undefined;
/** An argument of the command line, after `--`. */
export function argument(index: number): string | undefined;
/**
 * Fills in used, peak and total of chunks, slots, stack and the native C stack, in bytes, then what is left of a heap of fixed
 * size (-1 when it grows): 13 numbers of 64 bits.
 */
export function heap(figures: ArrayBuffer): void;
/** Writes the figures as a line `MEASURE {...}` to standard error. @param reset then begins anew with the peaks */
export function measure(step: string, reset?: boolean): void;
/** Collects garbage. */
export function collect(): void;
/** Collects garbage, and lets the peaks begin again from what is used. */
export function resetPeaks(): void;
/** Calls back once. @returns a number for {@link clearTimer} */
export function setTimer(callback: () => void, milliseconds: number): number;
/** Ends a timer; one that fired, was cleared or is `undefined` is ignored. */
export function clearTimer(timer: unknown): void;
/** What a name means, whatever the desktop knows of it. */
export function host(name: string, address: string): void;
/** Finds the address of a name; `undefined` when there is none, or no network. Never before it returns. */
export function resolve(host: string, callback: (address: string | undefined) => void): void;
