/** Whether the network interface is up. */
export function up(): boolean;
/** Takes it down, which ends every connection, or brings it up. */
export function set(up: boolean): void;
/** Calls back at every change, once the present turn is over. The newest callback counts. */
export function watch(callback: (up: boolean) => void): void;
