/** Senders and receivers that share a secret, for tests of sealed payloads. */
import { platform } from "sealwire/host";
import { fromUTF8, toUTF8 } from "../../../src/bytes.js";
import { CONTENT_ALGORITHM, type ContentAlgorithmName } from "../../../src/cose/index.js";
import type { Key } from "../../../src/platform.js";
import {
  Sealing,
  type Delivered,
  type SealingOpenOptions,
  type SealingOptions,
  type Unsealed,
} from "../../../src/sealing/index.js";
import { RetainedStore, SealedBox } from "../../../src/storage/index.js";
import { strictEqual } from "../../support/assert.js";
import { MemoryRetained, MemoryStorage } from "../../support/memory-storage.js";

export const { crypto } = platform;
export const algorithms = Object.keys(CONTENT_ALGORITHM) as ContentAlgorithmName[];

export function secretKey(text = "a master secret of 32 bytes, say"): Key {
  return crypto.importKey("secret", toUTF8(text));
}

/** A device as sealing sees it: what survives, and how it starts again. */
export class Station {
  storage: MemoryStorage | undefined;
  readonly memory: MemoryRetained;
  retained: RetainedStore;
  sealing!: Sealing;
  readonly #box: SealedBox;
  readonly #name: string;
  readonly #options: SealingOptions;
  readonly #more: Partial<SealingOpenOptions>;

  constructor(name: string, options: SealingOptions = {}, more: Partial<SealingOpenOptions> = {}) {
    this.#name = name;
    this.#options = options;
    this.#more = more;
    this.storage = "storage" in more ? undefined : new MemoryStorage();
    this.memory = new MemoryRetained();
    this.#box = new SealedBox(crypto, secretKey("the root key of this one station"));
    this.retained = new RetainedStore(this.memory, this.#box);
    this.start();
  }

  /** The program starts, from what survived. */
  start(options: Partial<SealingOpenOptions> = {}): this {
    this.storage = this.storage?.afterReboot();
    this.retained = new RetainedStore(this.memory, this.#box);
    this.sealing = new Sealing(this.#options);
    this.sealing.open({
      crypto,
      storage: this.storage,
      retained: this.retained,
      secrets: new Map([[0, secretKey()]]),
      clientIdentifier: this.#name,
      ...this.#more,
      ...options,
    });
    return this;
  }

  /** Sleeps deeply, and wakes. */
  sleep(): this {
    this.sealing.save();
    this.retained.commit();
    return this.start();
  }

  /** The power fails, without a goodbye, and comes back. */
  powerCut(): this {
    this.memory.losePower();
    return this.start();
  }

  /** The program crashes; retained memory keeps what it has. */
  crash(): this {
    return this.start();
  }

  seal(topic: string, text: string): Uint8Array {
    return this.sealing.seal(topic, toUTF8(text));
  }

  unseal(topic: string, message: Uint8Array, flags: Parameters<Sealing["unseal"]>[2] = {}): Unsealed {
    return this.sealing.unseal(topic, message.slice(), flags);
  }
}

/** The text of a message that must be delivered. */
export function textOf(result: Unsealed): string {
  return fromUTF8(delivered(result).payload)!;
}

export function delivered(result: Unsealed): Delivered {
  strictEqual(result.outcome, "delivered", result.outcome === "refused" ? result.error.message : "");
  return result;
}

/** The code of the error of a message that must be refused. */
export function codeOf(result: Unsealed): string {
  strictEqual(result.outcome, "refused");
  return result.error.code;
}
