/** How payloads are sealed, and what the room needs to begin. */
import type { ContentAlgorithmName } from "../cose/index.js";
import { SealwireError } from "../errors.js";
import type { Crypto, Key, KeyValueStorage } from "../platform.js";
import type { RetainedStore } from "../storage/index.js";
import type { Encoding } from "./envelope.js";
import type { AfterRestart } from "./replay-table.js";
import type { SecretSource } from "./secrets.js";
import type { Signing } from "./signature.js";

/** What the application decides. All of it has a default. */
export interface SealingOptions {
  /** `A128GCM` when left out. Both ends must have the same. */
  readonly algorithm?: ContentAlgorithmName | undefined;
  /** What is written: `cose` when left out. Both are read. */
  readonly encoding?: Encoding | undefined;
  /** In the encoding `cose`: the whole IV instead of the Partial IV, for libraries that do not know the latter. */
  readonly fullIV?: boolean | undefined;
  /**
   * Who this sender is, 1 to 64 bytes, or text; different for all that hold the same secret. The client identifier when left out. Two
   * bytes are cheaper.
   */
  readonly sender?: string | Uint8Array | undefined;
  /** Which senders are heard; all that hold the secret when left out. */
  readonly accepts?: ((sender: Uint8Array) => boolean) | undefined;
  /** Whether messages that this sender sealed itself are opened. False when left out: a broker could send them back. */
  readonly acceptOwn?: boolean | undefined;
  /** For a group secret: messages are signed, and only signed ones are opened. Off when left out. */
  readonly sign?: Signing | undefined;
  /** Mixed into every key; the same at both ends. None when left out. */
  readonly masterSalt?: Uint8Array | undefined;
  /** Epochs below it have ended, even if their secret is still held. */
  readonly minimumEpoch?: number | undefined;
  /** Messages that one write to storage reserves sequence numbers for, 1 to 65,535. 64 when left out. */
  readonly blockSize?: number | undefined;
  /**
   * Whether a new random ID Context is drawn when retained memory was lost (the power was off). It costs 8 to 10 bytes a message and an entry at each
   * receiver, and protects against a copy of the whole storage that is put back. `continue` when left out.
   */
  readonly atPowerOn?: "continue" | "new context" | undefined;
  /**
   * One message in so many carries the random ID Context in full, and so do the first 8 that are sealed under it and those that the broker retains; the others
   * refer to it in 2 or 3 bytes in place of 9 to 11. 1 when left out: all carry it. A receiver that has not heard it yet refuses messages until it comes
   * (`SEALED_CONTEXT_UNKNOWN`). 1 to 65,535.
   */
  readonly idContextInterval?: number | undefined;
  /** Senders, each with each of its ID Contexts, that replay protection is kept for; 32 when left out, at most 4096. Some 100 bytes each. */
  readonly maximumSenders?: number | undefined;
  /** Senders whose keys are kept ready; 8 when left out. */
  readonly maximumKeys?: number | undefined;
  /** Messages with QoS 0 of one sender that one write to storage covers, 1 to 65,535. 32 when left out. */
  readonly replayInterval?: number | undefined;
  /**
   * After a restart without a deep sleep, what becomes of messages that may have been delivered before it (at most `replayInterval` ones of each sender that
   * uses QoS 0): `refuse` (when left out) loses what is new among them, `deliver` may deliver once more.
   */
  readonly afterRestart?: AfterRestart | undefined;
  /**
   * When what was stored of received messages is damaged: `refuse` (when left out) opens nothing of the epochs so far, until the secret is rotated;
   * `accept` begins anew, so that all old messages could be replayed once.
   */
  readonly whenReplayStateIsLost?: "refuse" | "accept" | undefined;
}

/** What `Sealing.open()` needs of the device. */
export interface SealingOpenOptions {
  readonly crypto: Crypto;
  /**
   * An `EncryptedStore`: what is kept there must be authentic. Without storage every start draws a new ID Context, and what was received is forgotten but
   * for marks and retained memory. One `Sealing` per storage.
   */
  readonly storage?: KeyValueStorage | undefined;
  readonly retained?: RetainedStore | undefined;
  /** Master secrets by epoch, at least 16 bytes each (`credentials.payloadSecrets`), or another source. They stay the caller's. */
  readonly secrets: ReadonlyMap<number, Key> | SecretSource;
  /** Of this device. */
  readonly clientIdentifier: string;
  /**
   * States that nothing was ever sealed under the secret in force: it was drawn for this very provisioning, which happened just now. The first messages
   * then need no random ID Context. False when left out. A record that is provisioned a second time is not new.
   */
  readonly secretIsNew?: boolean | undefined;
}

/** @throws SealwireError `INVALID_ARGUMENT` */
export function checkSealingOptions(options: SealingOptions): void {
  whole("blockSize", options.blockSize, 65_535);
  whole("maximumSenders", options.maximumSenders, 4096);
  whole("maximumKeys", options.maximumKeys, 4096);
  whole("idContextInterval", options.idContextInterval, 65_535);
  whole("replayInterval", options.replayInterval, 65_535);
  oneOf("encoding", options.encoding, ["cose", "compact"]);
  oneOf("afterRestart", options.afterRestart, ["refuse", "deliver"]);
  oneOf("atPowerOn", options.atPowerOn, ["continue", "new context"]);
  oneOf("whenReplayStateIsLost", options.whenReplayStateIsLost, ["refuse", "accept"]);
  oneOf("algorithm", options.algorithm, ["A128GCM", "A256GCM", "AES-CCM-16-64-128", "AES-CCM-16-128-128"]);
}

function whole(name: string, value: number | undefined, maximum: number): void {
  if (value !== undefined && (!Number.isInteger(value) || value < 1 || value > maximum))
    throw new SealwireError("INVALID_ARGUMENT", `sealing.${name} must be a whole number from 1 to ${maximum}.`);
}

function oneOf(name: string, value: string | undefined, allowed: readonly string[]): void {
  if (value !== undefined && !allowed.includes(value))
    throw new SealwireError("INVALID_ARGUMENT", `sealing.${name} must be one of ${allowed.join(", ")}.`);
}
