/** Where master secrets come from. */
import type { Crypto, Key } from "../platform.js";
import { deriveDeviceSecret } from "./key-schedule.js";

/** Master secrets, by sender and epoch. */
export interface SecretSource {
  /** The epoch that is in force: the one to seal with. `undefined`: there is none. */
  readonly epoch: number | undefined;
  /** Epochs below this one have ended. */
  readonly minimumEpoch: number;
  /** Hands the secret of a sender to `use`. @returns what `use` returned, `undefined` when no such secret is held */
  with<T>(sender: Uint8Array, epoch: number, use: (secret: Key) => T): T | undefined;
}

/** One secret for each epoch, whoever the sender is: a device's own, shared with its back end, or that of a group. */
export class EpochSecrets implements SecretSource {
  readonly epoch: number | undefined;
  readonly minimumEpoch: number;
  readonly #secrets: ReadonlyMap<number, Key>;

  /**
   * @param secrets at least 16 bytes each; they stay the caller's
   * @param minimumEpoch epochs below it have ended even if their secret is still there; the lowest one with a secret when left out
   */
  constructor(secrets: ReadonlyMap<number, Key>, minimumEpoch?: number) {
    this.#secrets = secrets;
    let lowest: number | undefined;
    let highest: number | undefined;
    for (const epoch of secrets.keys()) {
      lowest = Math.min(lowest ?? epoch, epoch);
      highest = Math.max(highest ?? epoch, epoch);
    }
    this.epoch = highest;
    this.minimumEpoch = Math.max(minimumEpoch ?? 0, lowest ?? 0);
  }

  with<T>(_sender: Uint8Array, epoch: number, use: (secret: Key) => T): T | undefined {
    const secret = this.#secrets.get(epoch);
    return secret && use(secret);
  }
}

/** The secrets of all devices of a fleet, for the back end: derived from the fleet root, one for each device. */
export class FleetSecrets implements SecretSource {
  readonly epoch: number;
  readonly minimumEpoch: number;
  readonly #crypto: Pick<Crypto, "deriveKey">;
  readonly #root: Key;
  readonly #accepts: (device: Uint8Array) => boolean;

  /**
   * @param options.root stays the caller's
   * @param options.accepts which devices there are; all when left out
   */
  constructor(options: {
    readonly crypto: Pick<Crypto, "deriveKey">;
    readonly root: Key;
    readonly epoch?: number | undefined;
    readonly minimumEpoch?: number | undefined;
    readonly accepts?: ((device: Uint8Array) => boolean) | undefined;
  }) {
    this.#crypto = options.crypto;
    this.#root = options.root;
    this.epoch = options.epoch ?? 0;
    this.minimumEpoch = options.minimumEpoch ?? 0;
    this.#accepts = options.accepts ?? ((): boolean => true);
  }

  with<T>(sender: Uint8Array, epoch: number, use: (secret: Key) => T): T | undefined {
    if (epoch > this.epoch || !this.#accepts(sender)) return undefined;
    const secret = deriveDeviceSecret(this.#crypto, this.#root, sender, epoch);
    try {
      return use(secret);
    } finally {
      secret.close();
    }
  }
}
