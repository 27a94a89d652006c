/** What an MQTT session does with sealed messages, and no more: hands them out, stores what must be, and acknowledges them in the order of arrival. */
import { equal } from "../../src/bytes.js";
import type { Sealing, Unsealed, UnsealOptions } from "../../src/sealing/index.js";
import { STORAGE_KEY } from "../../src/storage/index.js";
import { PowerCut, type MemoryStorage } from "./memory-storage.js";

interface Waiting<T> {
  readonly message: T;
  readonly mark: (() => Uint8Array | undefined) | undefined;
  readonly settle: (() => void) | undefined;
  /** A copy that was refused is nobody's repeat: that it is acknowledged says nothing of the message that the broker holds. */
  readonly isCopy: boolean;
  /** `refused`: MQTT 5.0 tells the server that it was not handled, and nothing is stored. */
  state: "being handled" | "handled" | "failed" | "refused";
}

export class SealedInbox<T> {
  readonly sealing: Sealing;
  readonly #storage: MemoryStorage;
  readonly #acknowledged: (message: T) => void;
  readonly #waiting: Waiting<T>[] = [];
  #stored: Uint8Array | undefined;

  /** @param acknowledged called when the server learns of it */
  constructor(sealing: Sealing, storage: MemoryStorage, acknowledged: (message: T) => void) {
    this.sealing = sealing;
    this.#storage = storage;
    this.#acknowledged = acknowledged;
    const mark = storage.read(STORAGE_KEY.mqttInbound);
    this.#stored = mark && new Uint8Array(mark);
    sealing.loadMark(this.#stored);
  }

  /** Those that were handed out and whose handling has not ended. */
  get handling(): T[] {
    return this.#waiting.flatMap(({ message, state }) => (state === "being handled" ? [message] : []));
  }

  /** A PUBLISH. @throws PowerCut: the application never sees it */
  receive(message: T, topic: string, sealed: Uint8Array, options: UnsealOptions): Unsealed {
    const result = this.sealing.unseal(topic, sealed.slice(), options);
    this.#mustHavePower();
    if ((options.qos ?? 0) === 0) return result;
    const { mark } = result.outcome === "refused" ? { mark: undefined } : result;
    const delivered = result.outcome === "delivered" ? result : undefined;
    const isCopy = result.outcome === "refused";
    const state = delivered ? "being handled" : "handled";
    this.#waiting.push({ message, mark, settle: delivered?.settle, isCopy, state });
    return result;
  }

  /** The application's handler has ended. */
  finish(message: T, state: "handled" | "failed" | "refused" = "handled"): void {
    const waiting = this.#waiting.find((each) => each.message === message && each.state === "being handled")!;
    waiting.state = state;
    if (state === "handled") waiting.settle?.();
  }

  /** Acknowledges what has ended and has nothing before it that has not: so many at most. */
  acknowledge(count = Infinity): void {
    for (; count > 0 && this.#waiting.length > 0; count--) {
      const { message, mark, isCopy, state } = this.#waiting[0]!;
      if (state === "being handled") return;
      const bytes = state === "refused" ? undefined : mark?.();
      if (bytes && !(this.#stored && equal(bytes, this.#stored))) {
        this.#storage.write(STORAGE_KEY.mqttInbound, bytes);
        this.#stored = bytes;
      }
      this.#mustHavePower();
      this.#waiting.shift();
      if (!isCopy) this.#acknowledged(message);
    }
  }

  #mustHavePower(): void {
    if (this.#storage.dead) throw new PowerCut();
  }
}
