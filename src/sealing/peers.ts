/** The keys of senders that were heard of: derived once, kept for as many as there is room for. Only senders that proved to hold the secret get in. */
import { concat, equal } from "../bytes.js";
import type { ContentAlgorithm } from "../cose/index.js";
import type { Crypto } from "../platform.js";
import { deriveSenderKeys, deriveStreamKeys, randomPartOf, referenceOf, type SenderKeys } from "./key-schedule.js";
import type { ReplayEntry } from "./replay-table.js";
import type { SecretSource } from "./secrets.js";

export interface Peer {
  readonly sender: Uint8Array;
  readonly idContext: Uint8Array;
  readonly epoch: number;
  readonly keys: SenderKeys;
  /** Once something of it was received. */
  entry: ReplayEntry | undefined;
  /** Whether it is the one that its sender refers to, see {@link Peers.refer}. */
  referred: boolean;
}

export interface PeersOptions {
  readonly crypto: Pick<Crypto, "deriveKey" | "deriveBytes" | "sha256">;
  readonly algorithm: ContentAlgorithm;
  readonly masterSalt?: Uint8Array | undefined;
  /** How many are kept. */
  readonly maximum: number;
}

export class Peers {
  readonly #options: PeersOptions;
  readonly #secrets: SecretSource;
  /** In the order of their last use. */
  readonly #peers = new Map<string, Peer>();
  /** The one that was found last: most often the next one too. */
  #last: Peer | undefined;
  /** By sender and reference, whose ID Context was heard last. All of them are in `#peers` too. */
  readonly #referred = new Map<string, Peer>();

  constructor(options: PeersOptions, secrets: SecretSource) {
    this.#options = options;
    this.#secrets = secrets;
  }

  find(sender: Uint8Array, idContext: Uint8Array): Peer | undefined {
    const last = this.#last;
    if (last && equal(last.sender, sender) && equal(last.idContext, idContext)) return last;
    return (this.#last = this.#peers.get(nameOf(sender, idContext)));
  }

  /** Whose ID Context a sender refers to, if it is known here. */
  findReferred(sender: Uint8Array, reference: Uint8Array): Peer | undefined {
    return this.#referred.get(nameOf(sender, reference));
  }

  /** The sender refers to this one from now on. It must be kept. */
  refer(peer: Peer): void {
    peer.referred = true;
    const random = randomPartOf(peer.idContext);
    if (random.byteLength === 0) return;
    const name = nameOf(peer.sender, referenceOf(random));
    const before = this.#referred.get(name);
    if (before && before !== peer) before.referred = false;
    this.#referred.set(name, peer);
  }

  /** Derives the keys of a sender. @returns `undefined` when no secret is held; else the caller hands it to {@link keep}, or closes its key */
  derive(sender: Uint8Array, idContext: Uint8Array, epoch: number): Peer | undefined {
    const { crypto, algorithm, masterSalt } = this.#options;
    return this.#secrets.with(sender, epoch, (masterSecret) => ({
      sender: sender.slice(),
      idContext: idContext.slice(),
      epoch,
      keys: deriveSenderKeys({ crypto, masterSecret, masterSalt, algorithm, sender, idContext }),
      entry: undefined,
      referred: false,
    }));
  }

  /** The keys of one stream. The caller closes them. */
  deriveStream(
    sender: Uint8Array,
    idContext: Uint8Array,
    epoch: number,
    sequence: number,
    chunkSize: number,
  ): SenderKeys | undefined {
    const { crypto, algorithm, masterSalt } = this.#options;
    return this.#secrets.with(sender, epoch, (masterSecret) =>
      deriveStreamKeys({ crypto, masterSecret, masterSalt, algorithm, sender, idContext }, sequence, chunkSize),
    );
  }

  /** Keeps a sender that proved itself, in place of the one that was not heard of for longest. */
  keep(peer: Peer): void {
    const name = nameOf(peer.sender, peer.idContext);
    if (this.#peers.size >= this.#options.maximum && !this.#peers.has(name)) {
      const [oldest] = this.#peers.keys();
      const forgotten = this.#peers.get(oldest!)!;
      forgotten.keys.key.close();
      this.#last = undefined;
      this.#peers.delete(oldest!);
      for (const [reference, each] of this.#referred) if (each === forgotten) this.#referred.delete(reference);
    }
    this.#peers.set(name, peer);
  }

  /** It was heard of again. */
  touch(peer: Peer): void {
    if (this.#peers.size < this.#options.maximum) return;
    const name = nameOf(peer.sender, peer.idContext);
    this.#peers.delete(name);
    this.#peers.set(name, peer);
  }

  /** What a sender and its ID Context are stored under: 8 bytes. */
  digest(sender: Uint8Array, idContext: Uint8Array): Uint8Array {
    const input = concat(Uint8Array.of(sender.byteLength), sender, idContext);
    return this.#options.crypto.sha256().update(input).digest().subarray(0, 8);
  }

  close(): void {
    for (const { keys } of this.#peers.values()) keys.key.close();
    this.#peers.clear();
    this.#referred.clear();
    this.#last = undefined;
  }
}

/** Bytes as characters, one each: cheap, and different for different pairs. */
function nameOf(sender: Uint8Array, idContext: Uint8Array): string {
  let name = String.fromCharCode(sender.byteLength);
  for (let i = 0; i < sender.byteLength; i++) name += String.fromCharCode(sender[i]!);
  for (let i = 0; i < idContext.byteLength; i++) name += String.fromCharCode(idContext[i]!);
  return name;
}
