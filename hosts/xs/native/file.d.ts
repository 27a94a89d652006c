/** Makes a folder, with those above it. All functions throw an Error that tells the operating system's reason. */
export function folder(path: string): void;
/** A file's bytes; `undefined` when there is none. */
export function read(path: string): ArrayBuffer | undefined;
/** A file's bytes where they lie, read-only, for `new Uint8Array()`: as flash on a chip they cost the heap nothing but the view. */
export function map(path: string): ArrayBuffer | undefined;
/** Replaces a file, which holds the old or the new bytes at any moment; durable on return. `cut` kills the process half-way. */
export function write(path: string, bytes: ArrayBuffer | Uint8Array, cut?: boolean): void;
/** Makes a file of random bytes, unless there is one of that size and it shall not be `fresh`. Durable on return. */
export function ensure(path: string, size: number, fresh?: boolean): void;
/** Durable on return. @returns whether the file was there */
export function remove(path: string): boolean;
/** A file's size, or -1. */
export function size(path: string): number;
/** Reads or writes a part of a file in place. */
export function access(path: string, offset: number, bytes: Uint8Array, writing: boolean): void;
