/**
 * Opens sealed payloads: finds the key, authenticates, and lets each message through once.
 *
 * A message is authenticated before its sequence number is looked at: nobody without the secret can make a genuine message count as a
 * repeat, and a forged one is never taken for a harmless one.
 */
import { equal } from "../bytes.js";
import type { ContentAlgorithm } from "../cose/index.js";
import { SealwireError, toSealwireError } from "../errors.js";
import type { Crypto } from "../platform.js";
import { AdditionalData, signedData } from "./additional-data.js";
import { malformed, protectedHeader, readEnvelope, readPartialIV, type Envelope } from "./envelope.js";
import { encodeIDContext, epochOf, isReference, randomPartOf } from "./key-schedule.js";
import { Peers, type Peer } from "./peers.js";
import type { ReplayEntry } from "./replay-table.js";
import type { ReplayStore } from "./replay-store.js";
import type { SecretSource } from "./secrets.js";
import { unsignedStream, verify, type Signing } from "./signature.js";

/** How MQTT delivered a message. */
export interface DeliveryFlags {
  /** DUP: it may have been delivered before. */
  readonly duplicate?: boolean | undefined;
  /** RETAIN: it was stored at the broker, and comes at each subscription. */
  readonly retain?: boolean | undefined;
  /** 0 when left out. */
  readonly qos?: 0 | 1 | 2 | undefined;
}

/** Who sealed a message that is authentic. */
export interface SealedBy {
  readonly sender: Uint8Array;
  readonly epoch: number;
  readonly sequence: number;
}

/** It is authentic and new. */
export interface Delivered extends SealedBy {
  readonly outcome: "delivered";
  /** A view of the message that was given. */
  readonly payload: Uint8Array;
  /**
   * QoS 1 and 2: for `message.mark`. Called when the message is about to be acknowledged, in the order of arrival: it counts as received from then on, and
   * what is returned, at most 255 bytes, must be stored before the acknowledgement. `undefined`: nothing need be.
   * @throws SealwireError `CLOSED`; what storage throws: it must not be acknowledged, so that it comes again
   */
  readonly mark: (() => Uint8Array | undefined) | undefined;
  /**
   * QoS 1 and 2: to be called once the message was handled. It then counts as received even if it cannot be acknowledged any more; one that never is, because
   * its handling failed, counts as not received after a restart. Safe more than once.
   */
  readonly settle: () => void;
}

/** It is authentic, was received before, and MQTT says that it is a repeat. It is acknowledged and not delivered: no event of security. */
export interface Duplicate extends SealedBy {
  readonly outcome: "duplicate";
  /** As in {@link Delivered}: acknowledging the repeat must not forget the message. */
  readonly mark: (() => Uint8Array | undefined) | undefined;
}

/** It must not be delivered. It is acknowledged all the same, like any other: whoever is on the wire learns nothing. */
export interface Refused extends Partial<SealedBy> {
  readonly outcome: "refused";
  readonly error: SealwireError;
  /** Whether somebody may have tampered, rather than something been lost. */
  readonly security: boolean;
}

export type Unsealed = Delivered | Duplicate | Refused;

export interface OpenerOptions {
  readonly crypto: Pick<Crypto, "decrypt" | "deriveKey" | "deriveBytes" | "sha256" | "verify">;
  readonly algorithm: ContentAlgorithm;
  readonly secrets: SecretSource;
  readonly masterSalt?: Uint8Array | undefined;
  /** What keeps track of received messages. */
  readonly replay: ReplayStore;
  /** This sender's own messages are refused: a broker could send them back. Left out: none is its own. */
  readonly own?: Uint8Array | undefined;
  /** Which senders may be heard; all that hold the secret when left out. */
  readonly accepts?: ((sender: Uint8Array) => boolean) | undefined;
  readonly signing?: Signing | undefined;
  /** Senders whose keys are kept ready; 16 when left out. */
  readonly maximumKeys?: number | undefined;
}

/** What the opener of a stream shares with the opener of messages. */
export interface StreamContext extends Pick<OpenerOptions, "algorithm" | "crypto" | "replay" | "secrets"> {
  readonly peers: Peers;
}

/** What becomes of a message that was received. @param acknowledged whether it is acknowledged */
export function receiptOf(
  replay: ReplayStore,
  entry: ReplayEntry,
  sequence: number,
  acknowledged: boolean,
): Pick<Delivered, "mark" | "settle"> {
  if (!acknowledged) return { mark: undefined, settle: settled };
  return { mark: () => replay.acknowledge(entry, sequence), settle: () => replay.settle(entry, sequence) };
}

/** Of messages that nobody acknowledges. */
function settled(): void {
  // There is nothing to settle.
}

/** Failures that bytes from elsewhere can bring about without anybody's ill will. */
const HARMLESS: readonly string[] = [
  "SEALED_CONTEXT_UNKNOWN",
  "SEALED_UNCERTAIN",
  "SEALED_TOO_MANY_SENDERS",
  "STORAGE_FAILED",
  "CLOSED",
];

export class Opener {
  readonly #options: OpenerOptions;
  readonly #peers: Peers;
  readonly #additionalData: AdditionalData;
  readonly #nonce: Uint8Array;
  #closed = false;

  constructor(options: OpenerOptions) {
    const { crypto, algorithm, masterSalt, maximumKeys: maximum = 16 } = options;
    this.#options = options;
    this.#peers = new Peers({ crypto, algorithm, masterSalt, maximum }, options.secrets);
    this.#additionalData = new AdditionalData(protectedHeader(algorithm));
    this.#nonce = new Uint8Array(algorithm.nonceLength);
  }

  /** For the opener of a stream. @throws SealwireError `UNSUPPORTED` with signatures */
  get forStreams(): StreamContext {
    const { algorithm, crypto, replay, secrets, signing } = this.#options;
    if (signing) throw unsignedStream();
    return { algorithm, crypto, replay, secrets, peers: this.#peers };
  }

  /**
   * Opens a message, in place: its bytes are changed.
   * @param context what it must be bound to: the topic that it came by
   */
  open(context: string, message: Uint8Array, flags: DeliveryFlags = {}): Unsealed {
    let by: SealedBy | undefined;
    try {
      if (this.#closed) throw new SealwireError("CLOSED", "The opener was closed.");
      const envelope = readEnvelope(message, this.#options.algorithm);
      const { sender } = envelope;
      const refers = isReference(envelope.idContext);
      const idContext = refers ? this.referredContext(sender, envelope.idContext) : envelope.idContext;
      const epoch = this.checkSender(sender, idContext);
      const known = this.#peers.find(sender, idContext);
      const peer = known ?? this.#peers.derive(sender, idContext, epoch);
      if (!peer) throw unknownKey();
      let sequence: number;
      let payload: Uint8Array;
      try {
        sequence = this.sequenceOf(envelope, peer);
        payload = this.decrypt(context, envelope.ciphertext, peer, sequence);
      } catch (error) {
        if (!known) peer.keys.key.close();
        throw error;
      }
      if (known) this.#peers.touch(peer);
      else this.#peers.keep(peer);
      by = { sender: peer.sender, epoch, sequence };
      const result = this.accept(by, payload, peer, flags);
      // What is old and comes again says nothing of what the sender refers to now.
      if (result.outcome === "delivered") this.heardOf(peer, refers);
      return result;
    } catch (error) {
      const refused = toSealwireError(error, "SEALED_MALFORMED", "The sealed payload could not be opened.");
      // What a broker retained of an epoch that has ended is nobody's attack.
      const harmless =
        refused.code === "SEALED_EPOCH_EXPIRED" ? flags.retain === true : HARMLESS.includes(refused.code);
      return { ...by, outcome: "refused", error: refused, security: !harmless };
    }
  }

  /**
   * Whether a sender may be heard, before anything is derived or decrypted.
   * @returns the epoch
   * @throws SealwireError `SEALED_MALFORMED`, `SEALED_EPOCH_EXPIRED`, `SEALED_UNKNOWN_KEY`, `SEALED_REPLAYED`
   */
  checkSender(sender: Uint8Array, idContext: Uint8Array): number {
    const { secrets, accepts, own, replay } = this.#options;
    const epoch = epochOf(idContext);
    if (epoch === undefined) throw malformed();
    if (epoch < secrets.minimumEpoch)
      throw new SealwireError("SEALED_EPOCH_EXPIRED", `The payload is sealed in epoch ${epoch}, which has ended.`);
    if (epoch < replay.lowestEpoch)
      throw new SealwireError(
        "SEALED_EPOCH_EXPIRED",
        `What was received in epoch ${epoch} is not known any more: rotate to a new payload secret.`,
      );
    if (own && equal(own, sender))
      throw new SealwireError(
        "SEALED_REPLAYED",
        "The payload is one that this device sealed itself: it was sent back.",
      );
    if (accepts && !accepts(sender)) throw unknownKey();
    return epoch;
  }

  /** Wipes all keys. Safe more than once. */
  close(): void {
    this.#closed = true;
    this.#peers.close();
  }

  /** The ID Context that a sender refers to. @throws SealwireError `SEALED_CONTEXT_UNKNOWN` */
  private referredContext(sender: Uint8Array, reference: Uint8Array): Uint8Array {
    const known = this.#peers.findReferred(sender, reference);
    if (known) return known.idContext;
    const entry = this.#options.replay.referredBy(reference, ({ digest, epoch, random }) =>
      equal(digest, this.#peers.digest(sender, encodeIDContext(epoch, random))),
    );
    if (entry) return encodeIDContext(entry.epoch, entry.random);
    throw new SealwireError(
      "SEALED_CONTEXT_UNKNOWN",
      "The payload refers to an ID Context that was not heard of its sender, which repeats it from time to time.",
    );
  }

  /** Of two ID Contexts that share a reference, the one that was heard last in full is meant. */
  private heardOf(peer: Peer, refers: boolean): void {
    if (!refers) this.#options.replay.hear(peer.entry!);
    if (!peer.referred) this.#peers.refer(peer);
  }

  /** The sequence number, and the nonce, which is left in `#nonce`. */
  private sequenceOf({ iv, partialIV }: Envelope, { keys: { contextIV } }: Peer): number {
    const nonce = this.#nonce;
    if (iv) {
      // The whole IV is the padded Partial IV, XOR the Context IV: what is in front of the five bytes must be zero.
      nonce.set(iv);
      for (let i = 0; i < nonce.byteLength; i++) nonce[i]! ^= contextIV[i]!;
      let sequence = 0;
      for (const byte of nonce) {
        sequence = sequence * 256 + byte;
        if (sequence > 0xff_ffff_ffff) throw tampered();
      }
      nonce.set(iv);
      return sequence;
    }
    const sequence = readPartialIV(partialIV!);
    if (sequence === undefined) throw malformed();
    nonce.set(contextIV);
    const shift = nonce.byteLength - partialIV!.byteLength;
    for (let i = 0; i < partialIV!.byteLength; i++) nonce[shift + i]! ^= partialIV![i]!;
    return sequence;
  }

  private decrypt(context: string, ciphertext: Uint8Array, peer: Peer, sequence: number): Uint8Array {
    const { crypto, algorithm, signing } = this.#options;
    const data = ciphertext.subarray(0, ciphertext.byteLength - algorithm.tagLength);
    try {
      crypto.decrypt(
        {
          algorithm: algorithm.aead,
          key: peer.keys.key,
          nonce: this.#nonce,
          additionalData: this.#additionalData.build(signing ? "signed" : "message", peer.sender, context),
          data,
        },
        ciphertext.subarray(data.byteLength),
      );
    } catch (error) {
      throw tampered(error);
    }
    if (!signing) return data;
    return verify(crypto, signing, peer.sender, data, signedData(peer.sender, context, peer.idContext, sequence));
  }

  private accept(by: SealedBy, payload: Uint8Array, peer: Peer, flags: DeliveryFlags): Unsealed {
    const { replay } = this.#options;
    const digest = peer.entry ? undefined : this.#peers.digest(peer.sender, peer.idContext);
    const entry = peer.entry ?? (digest && replay.find(digest));
    const acknowledged = (flags.qos ?? 0) > 0;
    if (entry) {
      peer.entry = entry;
      const repeated = this.repeated(by, entry, flags);
      if (repeated) return repeated;
    }
    const mine = (peer.entry ??= replay.add(
      digest!,
      randomPartOf(peer.idContext),
      by.epoch,
      this.#options.secrets.minimumEpoch,
    ));
    replay.receive(mine, by.sequence, acknowledged);
    return { outcome: "delivered", ...by, payload, ...receiptOf(replay, mine, by.sequence, acknowledged) };
  }

  private repeated(
    by: SealedBy,
    entry: ReplayEntry,
    { duplicate, retain, qos = 0 }: DeliveryFlags,
  ): Duplicate | undefined {
    const { replay } = this.#options;
    const seen = replay.check(entry, by.sequence);
    if (seen === "new") return undefined;
    if (duplicate === true || retain === true)
      return { ...by, outcome: "duplicate", mark: qos > 0 ? () => replay.mark() : undefined };
    if (seen === "uncertain")
      throw new SealwireError(
        "SEALED_UNCERTAIN",
        "The payload may have been delivered before the restart: it is not delivered again.",
      );
    throw new SealwireError(
      "SEALED_REPLAYED",
      seen === "seen"
        ? "The payload was delivered before: it was replayed, sent again by its sender, or comes by a second subscription."
        : "The payload is older than the 64 last ones of its sender: it was replayed, or held back for long.",
    );
  }
}

function unknownKey(): SealwireError {
  return new SealwireError("SEALED_UNKNOWN_KEY", "No key is held for the sender, or the epoch, of the payload.");
}

export function tampered(cause?: unknown): SealwireError {
  return new SealwireError(
    "SEALED_TAMPERED",
    "The payload does not authenticate: it was changed, moved from another topic, or sealed by another.",
    { cause },
  );
}
