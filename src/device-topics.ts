/** What a device's messages pass on their way out and in: placeholders, permissions, sealing, handlers. */
import { toUTF8 } from "./bytes.js";
import type { DeviceMessage, DeviceSealing } from "./device-options.js";
import { SealwireError, toSealwireError } from "./errors.js";
import { matchesTopic, type SessionMessage } from "./mqtt/index.js";

export type MessageHandler = (message: DeviceMessage) => void | Promise<void>;

export interface DeviceTopicsOptions {
  readonly clientIdentifier: string;
  readonly sealing: DeviceSealing | undefined;
  /** Every payload must be sealed, both ways. */
  readonly sealedOnly: boolean;
  /** For messages that no subscription of this life asked for. */
  readonly onMessage: MessageHandler | undefined;
  /** A payload was not what it should be. */
  readonly onRejected: (error: SealwireError) => void;
}

interface Subscription {
  readonly filter: string;
  readonly handler: MessageHandler;
}

export class DeviceTopics {
  readonly #options: DeviceTopicsOptions;
  #subscriptions: Subscription[] = [];

  constructor(options: DeviceTopicsOptions) {
    this.#options = options;
  }

  /** `%c` is the client identifier. @throws SealwireError `INVALID_ARGUMENT` */
  expand(topic: string): string {
    const { clientIdentifier } = this.#options;
    if (!topic.includes("%c")) return topic;
    if (/[+#/\0]/.test(clientIdentifier))
      throw new SealwireError("INVALID_ARGUMENT", "%c in a topic needs a client identifier without + # / and U+0000.");
    // A function, because `$` in a replacement text has a meaning of its own.
    return topic.replaceAll("%c", () => clientIdentifier);
  }

  /** @returns the payload as it goes to the broker. @throws SealwireError `UNSUPPORTED` */
  seal(topic: string, payload: Uint8Array | string, wanted: boolean | undefined): SealedPayload {
    const { sealing, sealedOnly } = this.#options;
    const needed = wanted ?? sealedOnly;
    if (!needed && sealedOnly) throw new SealwireError("INVALID_ARGUMENT", "Without TLS every payload is sealed.");
    if (!needed) return payload;
    if (sealing === undefined)
      throw new SealwireError("UNSUPPORTED", "To seal a payload the device needs the option sealing.");
    return sealing.seal(topic, typeof payload === "string" ? toUTF8(payload) : payload);
  }

  /** @returns a function that takes the subscription away again */
  add(filter: string, handler: MessageHandler): () => void {
    const subscription = { filter, handler };
    this.#subscriptions.push(subscription);
    return () => {
      this.#subscriptions = this.#subscriptions.filter((other) => other !== subscription);
    };
  }

  /** Takes away all subscriptions with this filter. */
  remove(filter: string): void {
    this.#subscriptions = this.#subscriptions.filter((other) => other.filter !== filter);
  }

  /** Hands a message to its handlers. Rejected with what the first of them that failed threw. */
  async dispatch(message: SessionMessage): Promise<void> {
    const opening = this.#open(message);
    const opened = opening instanceof Promise ? await opening : opening;
    if (opened === undefined) return;
    // All of them at once, and one that fails must not keep the message from the others.
    const handlers = this.#subscriptions.filter(({ filter }) => matchesTopic(filter, message.topic));
    const { onMessage } = this.#options;
    if (handlers.length === 0) return onMessage?.(opened);
    const results = await Promise.allSettled(handlers.map(async ({ handler }) => handler(opened)));
    const failed = results.find((result) => result.status === "rejected");
    if (failed) throw failed.reason;
  }

  /** @returns `undefined` for a message that is not to be delivered, but acknowledged: it would come again for ever */
  #open(message: SessionMessage): DeviceMessage | Promise<DeviceMessage | undefined> | undefined {
    const { sealing } = this.#options;
    const { topic, payload, qos, retain, redelivered } = message;
    if (sealing === undefined) return { topic, payload, qos, retain, redelivered, sealed: false };
    return this.#unseal(sealing, message);
  }

  async #unseal(sealing: DeviceSealing, message: SessionMessage): Promise<DeviceMessage | undefined> {
    const { sealedOnly, onRejected } = this.#options;
    const { topic, qos, retain, redelivered } = message;
    try {
      const payload = await sealing.unseal(message);
      if (payload === "duplicate") return undefined;
      if (payload === undefined && sealedOnly)
        throw new SealwireError("CRYPTO_AUTHENTICATION_FAILED", "A payload came unsealed over a link without TLS.");
      return { topic, payload: payload ?? message.payload, qos, retain, redelivered, sealed: payload !== undefined };
    } catch (error) {
      onRejected(toSealwireError(error, "CRYPTO_AUTHENTICATION_FAILED", "A sealed payload could not be opened."));
      return undefined;
    }
  }
}

type SealedPayload = Uint8Array | string | Promise<Uint8Array>;
