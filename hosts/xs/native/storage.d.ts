import type { BufferLike } from "../../../src/platform.js";

/** Why something was not done: 1 no key, 2 the value is too long, 3 the storage is full, 4 an injected fault, 5 the operating system. */
export type Refusal = 1 | 2 | 3 | 4 | 5;

/** A folder with one file per key, every write atomic and durable: what NVS is on a chip. */
export abstract class NativeStorage {
  /** @throws Error with the operating system's reason, when the folder cannot be used */
  constructor(
    folder: string,
    capacity: number,
    maximumValueLength: number,
    atWrite: number,
    action: "fail" | "kill-before" | "kill-between" | "kill-after" | undefined,
  );
  readonly capacity: number;
  readonly maximumValueLength: number;
  read(key: string): ArrayBuffer | undefined;
  write(key: string, value: BufferLike): void;
  delete(key: string): boolean;
  /** The keys, separated by line feeds. */
  keys(): string;
  /** Called for what cannot be done. Must throw. @param reason of the operating system */
  protected abstract refuse(refusal: Refusal, key: string | undefined, reason: string): never;
}
