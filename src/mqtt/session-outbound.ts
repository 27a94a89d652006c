/** What is published: the way of each message from `publish()` to its acknowledgement (MQTT 5.0 section 4.3). */
import { SealwireError, toSealwireError } from "../errors.js";
import { MQTTClient } from "./client.js";
import { ExpiryTimer } from "./expiry-timer.js";
import type { OutgoingMessage } from "./outgoing-message.js";
import { Outbox } from "./outbox.js";
import { PayloadStream } from "./payload-stream.js";
import { HEAD, PublishWriter } from "./publish-writer.js";
import { costOf, createPublication, reopenSource } from "./publication.js";
import type { SessionCore } from "./session-core.js";
import { closed, expired, publicationRefused, withoutQoS2, wrongPacket } from "./session-errors.js";
import type { PayloadSource, PublishOptions } from "./session-types.js";

/** Publications with QoS 0 that leave at once all share one promise. */
const DONE = Promise.resolve();

export class Outbound {
  readonly outbox = new Outbox();
  readonly #core: SessionCore;
  readonly #expiry: ExpiryTimer;
  readonly #writer: PublishWriter;
  /** The payload that is being sent in parts. */
  #stream: PayloadStream | undefined;
  #inFlight = 0;
  #sequence = 1;
  #refused = false;

  constructor(core: SessionCore) {
    this.#core = core;
    this.#expiry = new ExpiryTimer(core.settings, () => this.#expire());
    this.#writer = new PublishWriter(core.settings.ticks);
  }

  /** Publications with QoS > 0 that wait for PUBACK or PUBREC on this connection. */
  get inFlight(): number {
    return this.#inFlight + this.outbox.releases.length;
  }

  /** Takes over what an earlier life left, in its order. */
  restore(messages: readonly OutgoingMessage[]): void {
    for (const message of messages) {
      if (!this.#core.identifiers.reserve(message.id)) continue;
      this.#sequence = message.sequence + 1;
      if (message.state === "release") this.outbox.appendRelease(message);
      else {
        message.cost = costOf(message);
        this.outbox.append(message);
        this.#expiry.add(message.expiresAt);
      }
    }
  }

  publish(topic: string, payload: Uint8Array | string | PayloadSource, options: PublishOptions): Promise<void> {
    const core = this.#core;
    if (core.closed) return Promise.reject(closed());
    try {
      const message = createPublication(topic, payload, options, core.settings.ticks);
      if (this.#sendAtOnce(message)) return DONE;
      this.#makeRoom(message.cost);
      this.#accept(message, payload);
      const promise = new Promise<void>((resolve, reject) => {
        message.resolve = resolve;
        message.reject = reject;
      });
      this.outbox.append(message);
      this.#expiry.add(message.expiresAt);
      // Within a callback of the client what follows is sent when the callback is done.
      this.flush();
      return promise;
    } catch (error) {
      return Promise.reject(toSealwireError(error, "INVALID_ARGUMENT", "The message cannot be published."));
    }
  }

  /** The session is about to connect: everything is to be sent again. */
  begin(): void {
    this.outbox.rewind();
    this.#writer.open(0);
    this.#inFlight = 0;
  }

  /** The server accepted the connection. */
  established(sessionPresent: boolean): void {
    const { client, settings } = this.#core;
    if (client) this.#writer.open(Math.min(settings.outgoingAliases, client.limits.topicAliasMaximum));
    if (sessionPresent) return;
    // What the server has forgotten is sent as if for the first time; what it had already received is not sent again.
    for (let message = this.outbox.publications.head; message; message = message.next)
      if (!message.inFlight) message.sent = false;
    for (let message = this.outbox.releases.head; message;) {
      const next = message.next;
      this.#settle(message);
      message = next;
    }
  }

  /** The connection ended. */
  end(error: SealwireError | undefined): void {
    const stream = this.#stream;
    this.#stream = undefined;
    if (stream?.started && stream.message.qos === 0)
      this.#settle(
        stream.message,
        error ?? new SealwireError("CONNECTION_LOST", "The connection ended while the payload was being sent."),
      );
    this.begin();
    this.#expire();
  }

  /** No more: everything that waits is rejected, and stays where it is stored. */
  close(): void {
    this.#expiry.clear();
    this.#stream = undefined;
    const error = closed();
    for (const list of [this.outbox.publications, this.outbox.releases]) {
      for (let message = list.head; message; message = message.next) {
        message.reject?.(error);
        message.resolve = message.reject = undefined;
      }
    }
  }

  /** Sends releases that wait. @returns whether none is left */
  flushReleases(): boolean {
    const { outbox } = this;
    for (let message = outbox.releaseCursor; message; message = outbox.releaseCursor) {
      if (!this.#core.ready || !this.#core.client || this.#core.client.writable <= 0) return false;
      this.#core.acknowledge(MQTTClient.PUBREL, message.id);
      outbox.releaseCursor = message.next;
    }
    return true;
  }

  /** Sends what may leave now. */
  flush: () => void = () => undefined;

  /** Sends the next publications, as many as window and connection take. `roomy` when the connection has just said that there is room. */
  flushPublications(roomy: boolean): void {
    const core = this.#core;
    for (;;) {
      const client = core.client;
      if (!client || !core.ready) return;
      if (this.#stream) {
        if (!this.#stream.pump(client)) return;
        continue;
      }
      const message = this.outbox.cursor;
      if (!message || client.writable <= 0) return;
      if (message.qos > 0 && this.inFlight >= Math.min(core.settings.window, client.limits.receiveMaximum)) return;
      if (!this.#send(client, message, roomy)) return;
    }
  }

  /** PUBACK [MQTT-4.3.2]. */
  acknowledged(id: number, reasonCode: number): void {
    const message = this.outbox.publications.find(id);
    // Of a message that was dropped meanwhile.
    if (!message?.sent) return;
    if (message.qos !== 1) {
      // A server of 3.1.1 cannot say that it has no QoS 2: there are some that take such a message as one of QoS 1. To send it again at each
      // connection would never end, and block those behind it.
      if (this.#core.client?.version !== 4) this.#core.fail(wrongPacket("PUBACK"));
      else {
        this.#settle(message, withoutQoS2());
        this.#drained();
      }
      return;
    }
    this.#settle(message, reasonCode < 0x80 ? undefined : publicationRefused(reasonCode));
    this.#drained();
  }

  /** PUBREC [MQTT-4.3.3]: the server has the message; it is stored that it must never be sent again, then PUBREL is sent. */
  received(id: number, reasonCode: number): void {
    const core = this.#core;
    const message = this.outbox.publications.find(id);
    if (!message?.sent) {
      const known = this.outbox.releases.find(id) !== undefined;
      if (reasonCode < 0x80) core.acknowledge(MQTTClient.PUBREL, id, known ? 0 : 0x92);
      return;
    }
    if (message.qos !== 2) {
      core.fail(wrongPacket("PUBREC"));
      return;
    }
    if (reasonCode >= 0x80) {
      this.#settle(message, publicationRefused(reasonCode));
      this.#drained();
      return;
    }
    try {
      this.#release(message);
    } catch (error) {
      core.fail(toSealwireError(error, "STORAGE_FAILED", "The storage failed."));
      return;
    }
    this.flushReleases();
    this.#drained();
  }

  /** PUBCOMP [MQTT-4.3.3]. */
  completed(id: number): void {
    const message = this.outbox.releases.find(id);
    if (!message) return;
    this.#settle(message);
    this.#drained();
  }

  /** Makes room for a message, as the policy says. */
  #makeRoom(cost: number): void {
    const { queueMessages, queueBytes, queuePolicy } = this.#core.settings;
    const { outbox } = this;
    while (outbox.length >= queueMessages || outbox.bytes + cost > queueBytes) {
      const victim =
        queuePolicy === "reject" || cost > queueBytes
          ? undefined
          : queuePolicy === "dropOldest"
            ? outbox.oldestWaiting
            : outbox.newestWaiting;
      this.#refused = true;
      if (!victim)
        throw new SealwireError("MQTT_QUEUE_FULL", "There is no room for the message; wait for acknowledgements.");
      this.#discard(victim, new SealwireError("MQTT_QUEUE_FULL", "The message made room for another one."));
    }
  }

  /** Gives a message its identifier and stores it. The payload is copied: the caller may reuse its memory. */
  #accept(message: OutgoingMessage, payload: unknown): void {
    if (message.payload && typeof payload !== "string") message.payload = message.payload.slice();
    if (message.qos === 0) return;
    message.sequence = this.#sequence++;
    message.id = this.#core.identifiers.allocate();
    try {
      this.#core.store.writeMessage(message);
    } catch (error) {
      this.#core.identifiers.release(message.id);
      throw error;
    }
  }

  /** Sends a message with QoS 0 without further ado, if nothing is before it. */
  #sendAtOnce(message: OutgoingMessage): boolean {
    const { client, ready } = this.#core;
    const payload = message.payload;
    if (message.qos > 0 || !payload || !client || !ready || this.outbox.cursor || this.#stream) return false;
    if (client.writable < message.cost + HEAD) return false;
    return this.#writer.write(client, message, payload);
  }

  /** @returns false when there is no room for it now */
  #send(client: MQTTClient, message: OutgoingMessage, roomy: boolean): boolean {
    const { store, settings } = this.#core;
    let payload = message.payload;
    try {
      if (message.expiresAt !== undefined && message.expiresAt <= settings.ticks()) throw expired();
      if (!payload && !message.source) {
        if (message.reference === undefined && message.stored) payload = store.readPayload(message);
        else message.source = reopenSource(message, settings.openSource);
      }
      const head = message.cost - (message.source ? 0 : message.byteLength) + HEAD;
      if (payload && client.writable >= head + payload.byteLength) {
        if (!this.#writer.write(client, message, payload)) return false;
        this.#left(message);
        return true;
      }
      // Larger than the connection takes at once: in parts, but not for a few bytes only.
      if (payload && !roomy && client.writable < head + Math.min(payload.byteLength, 512)) return false;
      this.#stream = this.#open(message, head, payload);
      return true;
    } catch (error) {
      const failure = toSealwireError(error, "STORAGE_FAILED", "The storage failed.");
      if (failure.code !== "STORAGE_FAILED") {
        this.#discard(message, failure);
        return true;
      }
      // It may be readable again later; what comes after it must not overtake it.
      this.#core.fail(failure);
      return false;
    }
  }

  #open(message: OutgoingMessage, head: number, payload: Uint8Array | undefined): PayloadStream {
    const source = message.source ?? {
      byteLength: message.byteLength,
      read: (offset: number, length: number) => payload!.subarray(offset, offset + length),
    };
    if (message.qos > 0) this.#inFlight++;
    message.inFlight = true;
    const stream: PayloadStream = new PayloadStream(message, source, head, {
      begin: (client, part) => this.#writer.write(client, message, part),
      done: () => {
        this.#stream = undefined;
        if (message.qos > 0) this.#inFlight--;
        this.#left(message);
      },
      failed: (error) => {
        this.#stream = undefined;
        this.#discard(message, error);
        // A packet that was begun cannot be taken back.
        if (stream.started) this.#core.fail(error);
      },
      resume: () => {
        if (this.#stream === stream) this.flush();
      },
    });
    return stream;
  }

  /** A message is on its way. */
  #left(message: OutgoingMessage): void {
    if (message.qos === 0) {
      this.#settle(message);
      return;
    }
    message.sent = message.inFlight = true;
    this.#inFlight++;
    // It can be read again from where it is stored.
    if (message.stored) message.payload = undefined;
    this.outbox.cursor = message.next;
  }

  /** A message has come to its end. */
  #settle(message: OutgoingMessage, error?: SealwireError): void {
    const core = this.#core;
    if (message.inFlight && message.state === "publish" && message.qos > 0) this.#inFlight--;
    message.inFlight = false;
    this.outbox.remove(message);
    if (!this.outbox.publications.head) this.#expiry.clear();
    try {
      core.store.deleteMessage(message);
    } catch (failure) {
      // After a restart it is sent again, as a duplicate of what the server has acknowledged.
      core.report(toSealwireError(failure, "STORAGE_FAILED", "The storage failed."));
    }
    if (message.id !== 0) core.identifiers.release(message.id);
    if (error === undefined) message.resolve?.();
    else if (message.reject) message.reject(error);
    else core.report(error);
  }

  /** Takes a message out that is not in flight. */
  #discard(message: OutgoingMessage, error: SealwireError): void {
    // The server may hold the first half of this QoS 2 exchange: its identifier is free only after the second.
    if (message.qos === 2 && message.sent && message.state === "publish") {
      try {
        const { reject } = message;
        message.resolve = message.reject = undefined;
        this.#release(message);
        if (reject) reject(error);
        else this.#core.report(error);
        this.flushReleases();
      } catch (failure) {
        this.#core.fail(toSealwireError(failure, "STORAGE_FAILED", "The storage failed."));
      }
      return;
    }
    this.#settle(message, error);
  }

  /** Stores that the server has the message, and moves it to the releases. */
  #release(message: OutgoingMessage): void {
    const { sequence } = message;
    message.state = "release";
    message.sequence = this.#sequence++;
    try {
      if (message.stored) this.#core.store.writeMessage(message);
    } catch (error) {
      message.sequence = sequence;
      throw error;
    } finally {
      message.state = "publish";
    }
    if (message.inFlight) this.#inFlight--;
    message.inFlight = false;
    this.outbox.release(message);
    this.outbox.releaseCursor ??= message;
  }

  #expire(): void {
    const now = this.#core.settings.ticks();
    let earliest: number | undefined;
    for (let message = this.outbox.publications.head; message;) {
      const next = message.next;
      const { expiresAt } = message;
      if (expiresAt !== undefined && !message.inFlight) {
        if (expiresAt <= now) this.#discard(message, expired());
        else earliest = Math.min(earliest ?? expiresAt, expiresAt);
      }
      message = next;
    }
    this.#expiry.add(earliest);
    this.#drained();
  }

  #drained(): void {
    const { settings } = this.#core;
    if (!this.#refused || 2 * this.outbox.length > settings.queueMessages) return;
    if (2 * this.outbox.bytes > settings.queueBytes) return;
    this.#refused = false;
    this.#core.call(() => settings.onDrain?.());
  }
}
