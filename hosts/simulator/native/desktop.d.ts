/** An environment variable. */
export function environment(name: string): string | undefined;
/** Ends the process. */
export function exit(code: number): never;
