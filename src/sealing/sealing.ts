/**
 * Sealed payloads, as a device uses them: `new Device({ sealing: new Sealing({ ... }) })`.
 *
 * For who composes the device, in this order:
 *
 * 1. `open()` once, before anything is sealed or unsealed, and before anything else writes to retained memory: what an orderly sleep left there is
 *    taken out and committed at once, so that it is never used twice. It does not connect, and writes nothing to storage.
 * 2. `loadMark(session.mark, session.markLost)` once, with what the MQTT session stored in an earlier life; `session.forgetMark()` if it throws
 *    `STORAGE_CORRUPT`. The session needs `storage`, or marks are forgotten with the power.
 * 3. `seal()` when the application publishes, once for each message: the MQTT session queues the sealed bytes, and sends the same bytes again. (Sealed when they
 *    are sent, a repeat would be another message.) `topic` is the one that is published to, `%c` expanded.
 * 4. `unseal()` for each message that arrives by a sealed subscription, in the order of arrival, before the application sees it:
 *    - `delivered`: set `message.mark = result.mark` for QoS 1 and 2, hand `payload` on, and call `result.settle()` once it was handled. The session asks for the
 *      mark when it acknowledges the message, and stores it before. A message whose handling failed counts as not received after a restart, unless it was
 *      acknowledged all the same.
 *    - `duplicate`: set the mark, acknowledge, deliver nothing, count it. While the first copy is still being handled, acknowledge after it.
 *    - `refused`: acknowledge like any other message, without a mark; deliver nothing; report `error`, as a security event if `security` is true.
 *    The session has one mark: an application that sets marks of its own on sealed messages needs another place for them.
 * 5. `setSecrets()` after the credentials were rotated, and again if that was rolled back.
 * 6. `save()` before a deep sleep, then commit retained memory; nothing may be sealed or unsealed after it. `close()` at the end.
 *
 * Nothing here calls back or waits. What it throws is a SealwireError, and it is whole after that.
 */
import { toUTF8 } from "../bytes.js";
import { CONTENT_ALGORITHM, type ContentAlgorithm } from "../cose/index.js";
import { SealwireError } from "../errors.js";
import type { BufferLike, Key } from "../platform.js";
import type { RetainedStore } from "../storage/index.js";
import type { Encoding } from "./envelope.js";
import { checkSender } from "./key-schedule.js";
import { Opener, type DeliveryFlags, type Unsealed } from "./opener.js";
import { ReplayStore, type ReplayState } from "./replay-store.js";
import { snapshotLength } from "./replay-table.js";
import { Sealer } from "./sealer.js";
import { checkSealingOptions, type SealingOpenOptions, type SealingOptions } from "./sealing-options.js";
import { EpochSecrets, type SecretSource } from "./secrets.js";
import { SenderCounter, usedUp, type RetainedCounter } from "./sender-counter.js";
import { StreamOpener } from "./stream-opener.js";
import { StreamSealer } from "./stream-sealer.js";

export interface SealOptions {
  /** What the message is bound to in place of the topic; the receiver must be told. */
  readonly context?: string | undefined;
  /** In place of the one of {@link SealingOptions}. */
  readonly encoding?: Encoding | undefined;
  /** Whether the broker retains it, for subscribers to come: it then carries the ID Context in full, see `idContextInterval`. */
  readonly retain?: boolean | undefined;
}

export interface UnsealOptions extends DeliveryFlags {
  /** What the message must be bound to in place of the topic. */
  readonly context?: string | undefined;
}

export interface StreamOptions {
  readonly context?: string | undefined;
  readonly onBytes: (bytes: Uint8Array) => void;
  /** See `StreamSealer` and `StreamOpener`. */
  readonly chunkSize?: number | undefined;
}

/** For health reports. */
export interface SealingStatus {
  /** The epoch that is sealed with, or `undefined` when there is no secret. */
  readonly epoch: number | undefined;
  /** Whether the next message carries a random ID Context. */
  readonly randomContext: boolean;
  /** Senders, with each of their ID Contexts, that something was received of. */
  readonly senders: number;
  /** `lost`: what was stored of received messages was damaged. */
  readonly replayState: ReplayState;
}

export class Sealing {
  readonly #options: SealingOptions;
  readonly #algorithm: ContentAlgorithm;
  #state: "new" | "open" | "closed" = "new";
  #open!: SealingOpenOptions;
  #retained: RetainedStore | undefined;
  #sender!: Uint8Array;
  #replay!: ReplayStore;
  #sealer: Sealer | undefined;
  #counter: SenderCounter | undefined;
  #opener!: Opener;

  /** @throws SealwireError `INVALID_ARGUMENT` */
  constructor(options: SealingOptions = {}) {
    checkSealingOptions(options);
    this.#options = options;
    this.#algorithm = CONTENT_ALGORITHM[options.algorithm ?? "A128GCM"];
  }

  /**
   * Begins.
   * @throws SealwireError `INVALID_STATE` the second time; `INVALID_ARGUMENT` when the client identifier is too long to be the sender, or
   * `maximumSenders` more than a value in storage holds
   */
  open(options: SealingOpenOptions): void {
    if (this.#state !== "new") throw new SealwireError("INVALID_STATE", "Sealing was opened before.");
    const { sender = options.clientIdentifier, replayInterval = 32, maximumSenders = 32 } = this.#options;
    const senderBytes = typeof sender === "string" ? toUTF8(sender) : sender.slice();
    checkSender(senderBytes);
    const room = options.storage?.maximumValueLength ?? Infinity;
    if (snapshotLength(maximumSenders) > room)
      throw new SealwireError(
        "INVALID_ARGUMENT",
        `sealing.maximumSenders is ${maximumSenders}, more than the storage holds in one value of ${room} bytes.`,
      );
    this.#open = options;
    this.#sender = senderBytes;
    const { counter, replay } = this.takeRetained(options.retained);
    const secrets = toSource(options.secrets, this.#options.minimumEpoch);
    this.#replay = new ReplayStore({
      storage: options.storage,
      retained: this.#retained,
      kept: replay,
      maximumSenders,
      interval: replayInterval,
      afterRestart: this.#options.afterRestart ?? "refuse",
      whenLost: this.#options.whenReplayStateIsLost ?? "refuse",
      epoch: secrets.epoch,
    });
    this.#state = "open";
    this.use(secrets, counter, options.secretIsNew === true);
  }

  get status(): SealingStatus {
    this.mustBeOpen();
    return {
      epoch: this.#sealer?.epoch,
      randomContext: (this.#counter?.random.byteLength ?? 0) > 0,
      senders: this.#replay.senders,
      replayState: this.#replay.state,
    };
  }

  /**
   * Takes over what the MQTT session stored with an acknowledgement.
   * @param lost whether there was a mark, and it is damaged: what was received is not known then, see `whenReplayStateIsLost`
   * @throws SealwireError `STORAGE_CORRUPT` when it is damaged, and that is taken note of: the session is to forget the mark, or the next start would take
   * it for another loss; any other: that could not be taken note of, and the next start must find the mark as it is
   */
  loadMark(mark: Uint8Array | undefined, lost = false): void {
    this.mustBeOpen();
    if (lost) {
      this.#replay.lose();
      throw new SealwireError("STORAGE_CORRUPT", "The mark that the MQTT session stored is damaged.");
    }
    if (mark) this.#replay.loadMark(mark);
  }

  /** Changes to other master secrets; `secretIsNew` as in {@link SealingOpenOptions}. */
  setSecrets(secrets: ReadonlyMap<number, Key> | SecretSource, { secretIsNew = false } = {}): void {
    this.mustBeOpen();
    this.closeKeys();
    this.use(toSource(secrets, this.#options.minimumEpoch), undefined, secretIsNew);
  }

  /**
   * Seals a payload that is published to `topic`.
   * @throws SealwireError `SEALED_UNKNOWN_KEY` when there is no secret; `SEALED_COUNTER_EXHAUSTED`, `STORAGE_FAILED`, `INVALID_ARGUMENT`, `CLOSED`
   */
  seal(topic: string, payload: BufferLike, options: SealOptions = {}): Uint8Array {
    const { context = topic, encoding, retain } = options;
    return this.requireSealer().seal(context, payload, encoding, retain);
  }

  /** Opens a message that came by `topic`, in place: its bytes are changed. What is wrong is in the result, not thrown. */
  unseal(topic: string, payload: Uint8Array, options: UnsealOptions = {}): Unsealed {
    if (this.#state !== "open") {
      const error = new SealwireError("CLOSED", "Sealing is not open.");
      return { outcome: "refused", error, security: false };
    }
    return this.#opener.open(options.context ?? topic, payload, options);
  }

  /** Seals what is larger than memory. @throws SealwireError as {@link seal}; `UNSUPPORTED` with signatures */
  sealStream(topic: string, options: StreamOptions): StreamSealer {
    const { context = topic, onBytes, chunkSize } = options;
    const sealer = this.requireSealer();
    return new StreamSealer({ crypto: this.#open.crypto, sealer, context, onBytes, chunkSize });
  }

  /** Opens what {@link sealStream} made. `chunkSize` is the largest that is accepted. @throws SealwireError `UNSUPPORTED` with signatures */
  openStream(topic: string, options: StreamOptions): StreamOpener {
    this.mustBeOpen();
    const { context = topic, onBytes, chunkSize } = options;
    return new StreamOpener({ opener: this.#opener, context, onBytes, maximumChunk: chunkSize });
  }

  /** Puts what a wake from deep sleep needs into retained memory, which the caller commits. Nothing may be sealed or unsealed after it. */
  save(): void {
    this.mustBeOpen();
    this.#counter?.save();
    this.#replay.save();
    this.closeKeys();
    this.#state = "closed";
  }

  /** Stores what was received, and wipes all keys. Safe more than once. */
  close(): void {
    if (this.#state !== "open") return;
    this.#state = "closed";
    this.#replay.close();
    this.closeKeys();
  }

  private takeRetained(retained: RetainedStore | undefined): {
    readonly counter: RetainedCounter | undefined;
    readonly replay: Uint8Array | undefined;
  } {
    const counter = SenderCounter.take(retained);
    const replay = ReplayStore.take(retained);
    this.#retained = retained;
    if (counter === undefined && replay === undefined) return { counter, replay };
    try {
      retained?.commit();
      return { counter, replay };
    } catch {
      // It is still there, and would be used again at the next start: it must not be used now.
      this.#retained = undefined;
      return { counter: counter && usedUp(counter), replay: undefined };
    }
  }

  private use(secrets: SecretSource, kept: RetainedCounter | undefined, secretIsNew: boolean): void {
    const { crypto } = this.#open;
    const { masterSalt, accepts, acceptOwn, sign: signing, maximumKeys = 8 } = this.#options;
    this.#opener = new Opener({
      crypto,
      algorithm: this.#algorithm,
      secrets,
      masterSalt,
      replay: this.#replay,
      own: acceptOwn === true ? undefined : this.#sender,
      accepts,
      signing,
      maximumKeys,
    });
    const { epoch } = secrets;
    if (epoch === undefined) return;
    secrets.with(this.#sender, epoch, (secret) => this.makeSealer(secret, epoch, kept, secretIsNew));
  }

  private makeSealer(masterSecret: Key, epoch: number, kept: RetainedCounter | undefined, secretIsNew: boolean): void {
    const { crypto, storage } = this.#open;
    const { masterSalt, blockSize = 64, atPowerOn = "continue", encoding, fullIV, sign: signing } = this.#options;
    const { idContextInterval } = this.#options;
    const common = { crypto, masterSecret, masterSalt, epoch, sender: this.#sender };
    this.#counter = new SenderCounter({
      ...common,
      storage,
      retained: this.#retained,
      kept,
      algorithm: this.#algorithm.id,
      blockSize,
      atPowerOn,
      secretIsNew,
    });
    const algorithm = this.#algorithm;
    const sequence = this.#counter;
    this.#sealer = new Sealer({ ...common, algorithm, sequence, encoding, fullIV, signing, idContextInterval });
  }

  private requireSealer(): Sealer {
    this.mustBeOpen();
    if (!this.#sealer)
      throw new SealwireError("SEALED_UNKNOWN_KEY", "There is no payload secret to seal with: provision one.");
    return this.#sealer;
  }

  private closeKeys(): void {
    this.#sealer?.close();
    this.#sealer = undefined;
    this.#counter = undefined;
    this.#opener.close();
  }

  private mustBeOpen(): void {
    if (this.#state === "new") throw new SealwireError("INVALID_STATE", "Sealing was not opened.");
    if (this.#state === "closed") throw new SealwireError("CLOSED", "Sealing was closed.");
  }
}

function toSource(secrets: ReadonlyMap<number, Key> | SecretSource, minimumEpoch: number | undefined): SecretSource {
  return secrets instanceof Map ? new EpochSecrets(secrets, minimumEpoch) : (secrets as SecretSource);
}
