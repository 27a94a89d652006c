/**
 * Everything of a simulated device that outlives its process, one folder per device:
 *
 *     mac                  the burnt-in address
 *     efuse                the secret of the root of trust: hardware, so not part of the storage
 *     counter              the hardware counter, where there is one
 *     retained             RTC memory
 *     wake                 why the next process starts, until it has started
 *     provisioning.bin     the provisioning partition
 *     storage/             key-value storage
 */
import { randomBytes } from "node:crypto";
import { accessSync, constants, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { SealwireError } from "../../src/errors.js";
import type { WakeCause } from "../../src/platform.js";
import { syncFolder, writeFileAtomically } from "./files.js";

/** What a device was told before its process ended. */
export interface PowerDown {
  readonly cause: "sleep" | "restart";
  /** How long to sleep. */
  readonly milliseconds: number;
}

export class DeviceFolder {
  readonly path: string;

  /** @throws SealwireError `STORAGE_FAILED` when the folder cannot be made, read or written */
  constructor(path: string) {
    this.path = path;
    this.#attempt("use", () => {
      mkdirSync(path, { recursive: true, mode: 0o700 });
      accessSync(path, constants.R_OK | constants.W_OK | constants.X_OK);
    });
  }

  join(name: string): string {
    return join(this.path, name);
  }

  /** @returns the bytes of a file, or `undefined` when there is none */
  read(name: string): Uint8Array | undefined {
    return this.#attempt("read", () => {
      try {
        return new Uint8Array(readFileSync(this.join(name)));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
        throw error;
      }
    });
  }

  write(name: string, bytes: Uint8Array): void {
    this.#attempt("write to", () => writeFileAtomically(this.join(name), bytes));
  }

  /** Durable on return. */
  remove(name: string): void {
    this.#attempt("write to", () => {
      rmSync(this.join(name), { force: true });
      syncFolder(this.path);
    });
  }

  /** Writes zeros in place of a file's bytes. */
  overwrite(name: string): void {
    this.#attempt("write to", () => {
      const { size } = statSync(this.join(name), { throwIfNoEntry: false }) ?? { size: 0 };
      if (size > 0) writeFileSync(this.join(name), new Uint8Array(size), { flag: "r+", flush: true });
    });
  }

  /** The bytes of a file; at first they are made. */
  readOrCreate(name: string, byteLength: number, create: () => Uint8Array): Uint8Array {
    const found = this.read(name);
    if (found?.byteLength === byteLength) return found;
    const created = create();
    this.write(name, created);
    return created;
  }

  /** The burnt-in MAC address: locally administered, unicast, and the same for ever. */
  mac(): Uint8Array {
    return this.readOrCreate("mac", 6, () => {
      const address = new Uint8Array(randomBytes(6));
      address[0] = (address[0]! & 0xfc) | 0x02;
      return address;
    });
  }

  /** Notes why the next process will start. */
  setPowerDown(powerDown: PowerDown): void {
    this.write("wake", Buffer.from(JSON.stringify(powerDown)));
  }

  /** What the last process was told before it ended, if it was told; forgotten by a power cut. */
  powerDown(): PowerDown | undefined {
    const text = this.read("wake");
    if (text === undefined) return undefined;
    try {
      const { cause, milliseconds } = JSON.parse(Buffer.from(text).toString()) as PowerDown;
      if (cause !== "sleep" && (cause as string) !== "restart") return undefined;
      return { cause, milliseconds: Number.isFinite(milliseconds) ? Math.max(0, milliseconds) : 0 };
    } catch {
      return undefined; // A damaged note counts as none: the device starts as after a power cut.
    }
  }

  /** Why this process starts. The note is taken away: a process that ends without a word had its power cut. */
  takeWakeCause(): WakeCause {
    const cause = this.powerDown()?.cause ?? "power";
    this.remove("wake");
    return cause;
  }

  #attempt<T>(what: string, action: () => T): T {
    try {
      return action();
    } catch (error) {
      throw new SealwireError("STORAGE_FAILED", `Cannot ${what} the device folder ${this.path}.`, { cause: error });
    }
  }
}
