/** What is published: the way of each message from `publish()` to its acknowledgement (MQTT 5.0 section 4.3). */
import { SealwireError, toSealwireError } from "../errors.js";
import { PUBLISH, PUBREL } from "./codec/constants.js";
import { NO_PROPERTIES } from "./codec/encode.js";
import type { OutgoingMessage } from "./outgoing-message.js";
import { Outbox } from "./outbox.js";
import { PayloadStream } from "./payload-stream.js";
import { costOf, createPublication, reopenSource } from "./publication.js";
import { TopicAliases, writePublication } from "./publication-writer.js";
import { writePublish } from "./publish-writer.js";
import type { SessionConnection } from "./session-connection.js";
import type { SessionCore } from "./session-core.js";
import { closed, expired, publicationRefused, withoutQoS2, wrongPacket } from "./session-errors.js";
import { DEFAULT } from "./session-options.js";
import type { PayloadSource, PublishOptions } from "./session-types.js";

/** Publications with QoS 0 that leave at once all share one promise. */
const DONE = Promise.resolve();
/** Bytes of a PUBLISH beside topic, properties and payload, at most: fixed header, two lengths, packet identifier, expiry, alias. */
const HEAD = 24;

export class Outbound extends Outbox {
  private readonly core: SessionCore;
  /** The payload that is being sent in parts. */
  private stream: PayloadStream | undefined;
  private inFlightCount = 0;
  private sequence = 1;
  private refused = false;
  /** Of this connection, when there are any. */
  declare aliases?: TopicAliases | undefined;

  constructor(core: SessionCore) {
    super();
    this.core = core;
  }

  /** Publications with QoS > 0 that wait for PUBACK or PUBREC on this connection. */
  get inFlight(): number {
    return this.inFlightCount + (this.releases?.length ?? 0);
  }

  /** Takes over what an earlier life left, in its order. */
  restore(messages: readonly OutgoingMessage[]): void {
    for (const message of messages) {
      if (!this.core.identifiers.reserve(message.id)) continue;
      this.sequence = message.sequence + 1;
      if (message.state === "release") this.appendRelease(message);
      else {
        message.cost = costOf(message);
        this.append(message);
        this.wakeAt(message.expiresAt, this.core.settings);
      }
    }
  }

  publish(topic: string, payload: Uint8Array | string | PayloadSource, options: PublishOptions): Promise<void> {
    const core = this.core;
    if (core.closed) return Promise.reject(closed());
    try {
      if (this.sendPlain(topic, payload, options)) return DONE;
      const message = createPublication(topic, payload, options, core.settings.ticks);
      const { qos } = message;
      if (this.sendAtOnce(message)) return DONE;
      this.makeRoom(message.cost);
      this.accept(message, payload);
      const promise = new Promise<void>((resolve, reject) => {
        message.resolve = resolve;
        message.reject = reject;
      });
      this.append(message);
      this.wakeAt(message.expiresAt, this.core.settings);
      // What stands behind others leaves with them, and what the window holds back with an acknowledgement.
      const { connection } = core;
      if (connection && this.cursor === message && !(qos > 0 && this.isFull(connection))) connection.schedule();
      return promise;
    } catch (error) {
      return Promise.reject(toSealwireError(error, "INVALID_ARGUMENT", "The message cannot be published."));
    }
  }

  /** The session is about to connect: everything is to be sent again. */
  begin(): void {
    this.rewind();
    if (this.aliases) this.aliases = undefined;
    this.inFlightCount = 0;
  }

  /** The server accepted the connection. */
  established(sessionPresent: boolean): void {
    const { settings, connection } = this.core;
    const aliases = Math.min(settings.topicAliases?.outgoing ?? 0, connection?.limits.topicAliasMaximum ?? 0);
    if (aliases > 0) this.aliases = new TopicAliases(aliases);
    if (sessionPresent) return;
    // What the server has forgotten is sent as if for the first time; what it had already received is not sent again.
    for (let message = this.publications.head; message; message = message.next)
      if (!message.inFlight) message.sent = false;
    for (let message = this.releases?.head; message;) {
      const next = message.next;
      this.settle(message);
      message = next;
    }
  }

  /** The connection ended. */
  end(error: SealwireError | undefined): void {
    const stream = this.stream;
    this.stream = undefined;
    if (stream?.started && stream.message.qos === 0)
      this.settle(
        stream.message,
        error ?? new SealwireError("CONNECTION_LOST", "The connection ended while the payload was being sent."),
      );
    this.begin();
    this.expire();
  }

  /** No more: everything that waits is rejected, and stays where it is stored. */
  close(): void {
    this.sleep(this.core.settings.timer);
    this.stream = undefined;
    this.rejectAll(closed());
  }

  /** Sends releases that wait. @returns whether none is left */
  flushReleases(connection: SessionConnection): boolean {
    for (let message = this.releaseCursor; message; message = this.releaseCursor) {
      if (!this.core.ready || connection.writable <= 0 || !this.core.send(connection, PUBREL, message.id)) return false;
      this.releaseCursor = message.next;
    }
    return true;
  }

  /** Sends the next publications, as many as window and connection take. `roomy` when the connection has just said that there is room. */
  flushPublications(roomy: boolean): void {
    const { core } = this;
    for (;;) {
      const { connection } = core;
      if (!connection || !core.ready) return;
      const { stream } = this;
      if (stream) {
        if (!stream.pump(connection)) {
          if (this.stream) return;
          continue;
        }
        this.stream = undefined;
        if (stream.message.qos > 0) this.inFlightCount--;
        this.left(stream.message);
        continue;
      }
      const message = this.cursor;
      if (!message || connection.writable <= 0) return;
      if (message.qos > 0 && this.isFull(connection)) return;
      if (!this.send(connection, message, roomy)) return;
    }
  }

  /**
   * Whether as many publications with QoS > 0 are in flight as may be. Each acknowledgement lets the next one leave at once: to wait for several
   * would save packets, but brokers that use Nagle's algorithm (Mosquitto does) then hold back all acknowledgements but the first for 40 ms.
   */
  private isFull({ limits }: SessionConnection): boolean {
    return this.inFlight >= Math.min(this.core.settings.window ?? DEFAULT.window, limits.receiveMaximum);
  }

  /** Whether there is nothing that more room in the transport would let leave. */
  sated(connection: SessionConnection): boolean {
    const { cursor } = this;
    if (this.stream || this.releaseCursor) return false;
    return cursor === undefined || (cursor.qos > 0 && this.isFull(connection));
  }

  /** PUBACK [MQTT-4.3.2]. */
  acknowledged(id: number, reasonCode: number): void {
    const message = this.publications.find(id);
    // Of a message that was dropped meanwhile.
    if (!message?.sent) return;
    if (message.qos !== 1) {
      // A server of 3.1.1 cannot say that it has no QoS 2: there are some that take such a message as one of QoS 1. To send it again at each
      // connection would never end, and block those behind it.
      if (this.core.connection?.version !== 4) this.core.fail(wrongPacket("PUBACK"));
      else {
        this.settle(message, withoutQoS2());
        this.drained();
      }
      return;
    }
    this.settle(message, reasonCode < 0x80 ? undefined : publicationRefused(reasonCode));
    this.drained();
  }

  /** PUBREC [MQTT-4.3.3]: the server has the message; it is stored that it must never be sent again, then PUBREL is sent. */
  received(id: number, reasonCode: number): void {
    const core = this.core;
    const message = this.publications.find(id);
    if (!message?.sent) {
      const known = this.releases?.find(id) !== undefined;
      if (reasonCode < 0x80) core.acknowledge(PUBREL, id, known ? 0 : 0x92);
      return;
    }
    if (message.qos !== 2) {
      core.fail(wrongPacket("PUBREC"));
      return;
    }
    if (reasonCode >= 0x80) {
      this.settle(message, publicationRefused(reasonCode));
      this.drained();
      return;
    }
    try {
      this.storeRelease(message);
    } catch (error) {
      core.fail(toSealwireError(error, "STORAGE_FAILED", "The storage failed."));
      return;
    }
    this.drained();
  }

  /** PUBCOMP [MQTT-4.3.3]. */
  completed(id: number): void {
    const message = this.releases?.find(id);
    if (!message) return;
    this.settle(message);
    this.drained();
  }

  /** Makes room for a message, as the policy says. */
  private makeRoom(cost: number): void {
    const { queue } = this.core.settings;
    const queueMessages = queue?.messages ?? DEFAULT.queueMessages;
    const queueBytes = queue?.bytes ?? DEFAULT.queueBytes;
    const queuePolicy = queue?.policy ?? "reject";
    if (this.length < queueMessages && this.bytes + cost <= queueBytes) return;
    // What can leave now need not make room.
    this.core.connection?.flush();
    while (this.length >= queueMessages || this.bytes + cost > queueBytes) {
      const victim = cost > queueBytes ? undefined : this.victim(queuePolicy);
      this.refused = true;
      if (!victim)
        throw new SealwireError("MQTT_QUEUE_FULL", "There is no room for the message; wait for acknowledgements.");
      this.discard(victim, new SealwireError("MQTT_QUEUE_FULL", "The message made room for another one."));
    }
  }

  /** Gives a message its identifier and stores it. The payload is copied: the caller may reuse its memory. */
  private accept(message: OutgoingMessage, payload: unknown): void {
    // Not slice(): that of a Buffer of Node, which is a Uint8Array, copies nothing.
    if (message.payload && typeof payload !== "string") message.payload = new Uint8Array(message.payload);
    if (message.qos === 0) return;
    message.sequence = this.sequence++;
    message.id = this.core.identifiers.allocate();
    try {
      this.core.store.writeMessage(message);
    } catch (error) {
      this.core.identifiers.release(message.id);
      throw error;
    }
  }

  /** Sends bytes with QoS 0 as {@link sendAtOnce} does, but makes no message of them first: that is most of what it would cost. */
  private sendPlain(topic: string, payload: unknown, options: PublishOptions): boolean {
    const { connection, ready } = this.core;
    if (!connection || !ready || this.cursor || this.stream || this.aliases || !(payload instanceof Uint8Array))
      return false;
    if (typeof options !== "object" || (options as unknown) === null) return false;
    for (const name in options) if (name !== "qos" || (options.qos !== 0 && options.qos !== undefined)) return false;
    const { output, limits } = connection;
    output.topic.set(topic, "The topic");
    if (connection.writable < output.topic.byteLength + payload.byteLength + HEAD) return false;
    const { busy } = connection;
    connection.busy = true;
    try {
      const properties = connection.version === 5 ? NO_PROPERTIES : undefined;
      return writePublish(output, PUBLISH << 4, 0, properties, payload, payload.byteLength, limits) === 0;
    } catch (error) {
      if (!output.broken) throw error;
      connection.transportFailed(error);
      return true;
    } finally {
      connection.busy = busy;
      connection.request();
    }
  }

  /** Sends a message with QoS 0 without further ado, if nothing is before it. */
  private sendAtOnce(message: OutgoingMessage): boolean {
    const { connection, ready } = this.core;
    const { payload } = message;
    if (message.qos > 0 || !payload || !connection || !ready || this.cursor || this.stream) return false;
    if (connection.writable < message.cost + HEAD) return false;
    const { busy } = connection;
    connection.busy = true;
    try {
      return writePublication(connection, message, payload, this.aliases);
    } finally {
      connection.busy = busy;
      connection.request();
    }
  }

  /** @returns false when there is no room for it now */
  private send(connection: SessionConnection, message: OutgoingMessage, roomy: boolean): boolean {
    const { store, settings } = this.core;
    let payload = message.payload;
    try {
      if (message.expiresAt !== undefined && message.expiresAt <= settings.ticks()) throw expired();
      if (!payload && !message.source) {
        if (message.reference === undefined && message.stored) payload = store.readPayload(message);
        else message.source = reopenSource(message, settings.openSource);
      }
      const head = message.cost - (message.source ? 0 : message.byteLength) + HEAD;
      const { writable } = connection;
      if (payload && writable >= head + payload.byteLength) {
        if (!writePublication(connection, message, payload, this.aliases)) return false;
        this.left(message);
        return true;
      }
      // Larger than the connection takes at once: in parts, but not for a few bytes only.
      if (payload && !roomy && writable < head + Math.min(payload.byteLength, 512)) return false;
      if (message.qos > 0) this.inFlightCount++;
      message.inFlight = true;
      this.stream = new PayloadStream(this, message, payload, head);
      return true;
    } catch (error) {
      const failure = toSealwireError(error, "STORAGE_FAILED", "The storage failed.");
      if (failure.code !== "STORAGE_FAILED") {
        this.discard(message, failure);
        return true;
      }
      // It may be readable again later; what comes after it must not overtake it.
      this.core.fail(failure);
      return false;
    }
  }

  /** The source of the payload under way failed, or its packet was refused. */
  streamFailed(stream: PayloadStream, error: SealwireError): void {
    if (this.stream !== stream) return;
    this.stream = undefined;
    this.discard(stream.message, error);
    // A packet that was begun cannot be taken back.
    if (stream.started) this.core.fail(error);
  }

  /** The source of the payload under way has answered. */
  resume(stream: PayloadStream): void {
    if (this.stream === stream) this.core.flush();
  }

  /** A message is on its way. */
  private left(message: OutgoingMessage): void {
    if (message.qos === 0) {
      this.settle(message);
      return;
    }
    message.sent = message.inFlight = true;
    this.inFlightCount++;
    // It can be read again from where it is stored.
    if (message.stored) message.payload = undefined;
    this.cursor = message.next;
  }

  /** A message has come to its end. */
  private settle(message: OutgoingMessage, error?: SealwireError): void {
    const core = this.core;
    if (message.inFlight && message.state === "publish" && message.qos > 0) this.inFlightCount--;
    message.inFlight = false;
    this.remove(message);
    if (!this.publications.head) this.sleep(this.core.settings.timer);
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
  private discard(message: OutgoingMessage, error: SealwireError): void {
    // The server may hold the first half of this QoS 2 exchange: its identifier is free only after the second.
    if (message.qos === 2 && message.sent && message.state === "publish") {
      try {
        const { reject } = message;
        message.resolve = message.reject = undefined;
        this.storeRelease(message);
        if (reject) reject(error);
        else this.core.report(error);
        this.core.flush();
      } catch (failure) {
        this.core.fail(toSealwireError(failure, "STORAGE_FAILED", "The storage failed."));
      }
      return;
    }
    this.settle(message, error);
  }

  /** Stores that the server has the message, and moves it to the releases. */
  private storeRelease(message: OutgoingMessage): void {
    const { sequence } = message;
    message.state = "release";
    message.sequence = this.sequence++;
    try {
      if (message.stored) this.core.store.writeMessage(message);
    } catch (error) {
      message.sequence = sequence;
      throw error;
    } finally {
      message.state = "publish";
    }
    if (message.inFlight) this.inFlightCount--;
    message.inFlight = false;
    this.release(message);
    this.releaseCursor ??= message;
  }

  protected override expire(): void {
    const now = this.core.settings.ticks();
    let earliest: number | undefined;
    for (let message = this.publications.head; message;) {
      const next = message.next;
      const { expiresAt } = message;
      if (expiresAt !== undefined && !message.inFlight) {
        if (expiresAt <= now) this.discard(message, expired());
        else earliest = Math.min(earliest ?? expiresAt, expiresAt);
      }
      message = next;
    }
    this.wakeAt(earliest, this.core.settings);
    this.drained();
  }

  private drained(): void {
    const { settings } = this.core;
    if (!this.refused || 2 * this.length > (settings.queue?.messages ?? DEFAULT.queueMessages)) return;
    if (2 * this.bytes > (settings.queue?.bytes ?? DEFAULT.queueBytes)) return;
    this.refused = false;
    try {
      if (!this.core.closed) settings.onDrain?.();
    } catch (error) {
      this.core.failed(error);
    }
  }
}
