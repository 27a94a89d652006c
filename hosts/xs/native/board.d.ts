/** Whether a board started the process and listens. */
export function attached(): boolean;
/**
 * Tells the board of an event: its name, and the whole of it as JSON. 100 ms after `connected` the host adds what the newest TCP connection
 * cost, and the figures of the heap.
 */
export function tell(name: string, event: string): void;
