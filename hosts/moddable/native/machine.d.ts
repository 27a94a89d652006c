/** Fills in used, peak and total of chunks, slots and stack, in bytes: nine numbers of 32 bits. */
export function heap(figures: ArrayBuffer): void;
/** When this firmware was compiled, in seconds since 1970. */
export function buildTime(): number;
/** Collects garbage. */
export function collect(): void;
