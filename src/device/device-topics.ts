/** What a device's messages pass on their way out and in: placeholders, permissions, sealing, handlers. */
import type { DeviceCore } from "./device-core.js";
import type { DeviceMessage } from "./device-options.js";
import { SealwireError } from "../errors.js";
import { matchesTopic, type SessionMessage } from "../mqtt/index.js";

export type MessageHandler = (message: DeviceMessage) => void | Promise<void>;

interface Subscription {
  readonly filter: string;
  readonly handler: MessageHandler;
  readonly sealed: boolean;
  /** The device's own: nobody else is given its messages. */
  readonly reserved: boolean;
}

export class DeviceTopics {
  readonly #core: DeviceCore;
  #subscriptions: Subscription[] = [];

  constructor(core: DeviceCore) {
    this.#core = core;
  }

  /** `%c` is the client identifier. @throws SealwireError `INVALID_ARGUMENT` */
  expand(topic: string): string {
    const { clientIdentifier } = this.#core;
    if (!topic.includes("%c")) return topic;
    if (/[+#/\0]/.test(clientIdentifier))
      throw new SealwireError("INVALID_ARGUMENT", "%c in a topic needs a client identifier without + # / and U+0000.");
    // A function, because `$` in a replacement text has a meaning of its own.
    return topic.replaceAll("%c", () => clientIdentifier);
  }

  /** @returns a function that takes the subscription away again. @throws SealwireError `UNSUPPORTED` */
  add(filter: string, handler: MessageHandler, sealed = false): () => void {
    const { sealing } = this.#core;
    if (sealed && !sealing.isThere)
      throw new SealwireError("UNSUPPORTED", "To open sealed payloads the device needs the option sealing.");
    this.mustNotBeReserved(filter);
    const subscription = { filter, handler, sealed: sealed || sealing.always, reserved: false };
    this.#subscriptions.push(subscription);
    return () => {
      this.#subscriptions = this.#subscriptions.filter((other) => other !== subscription);
    };
  }

  /** A topic of the device's own, whose messages must come sealed, and are handed to `handler` alone. */
  reserve(filter: string, handler: MessageHandler): void {
    this.#subscriptions.push({ filter, handler, sealed: true, reserved: true });
  }

  /** @throws SealwireError `INVALID_ARGUMENT` */
  mustNotBeReserved(filter: string): void {
    if (this.#subscriptions.some((other) => other.reserved && other.filter === filter))
      throw new SealwireError("INVALID_ARGUMENT", "By this topic the device itself receives its permissions.");
  }

  /** Takes away all subscriptions with this filter. @throws SealwireError `INVALID_ARGUMENT` */
  remove(filter: string): void {
    this.mustNotBeReserved(filter);
    this.#subscriptions = this.#subscriptions.filter((other) => other.filter !== filter);
  }

  /** Hands a message to its handlers. Rejected with what the first of them that failed threw. */
  async dispatch(message: SessionMessage): Promise<void> {
    let subscriptions = this.#subscriptions.filter(({ filter }) => matchesTopic(filter, message.topic));
    const reserved = subscriptions.filter((each) => each.reserved);
    if (reserved.length > 0) subscriptions = reserved;
    const { sealing, options } = this.#core;
    const sealed = sealing.always || subscriptions.some((each) => each.sealed);
    const { topic, qos, retain, redelivered } = message;
    let { payload } = message;
    let settle: (() => void) | undefined;
    if (sealed) {
      const opened = sealing.open(message);
      // What is not delivered is acknowledged all the same: it would come again for ever.
      if (opened === undefined) return;
      ({ payload, settle } = opened);
    }
    const delivered = { topic, payload, qos, retain, redelivered, sealed };
    if (subscriptions.length === 0) await options.onMessage?.(delivered);
    // All of them at once, and one that fails must not keep the message from the others.
    const results = await Promise.allSettled(subscriptions.map(async ({ handler }) => handler(delivered)));
    const failed = results.find((result) => result.status === "rejected");
    if (failed) throw failed.reason;
    settle?.();
  }
}
