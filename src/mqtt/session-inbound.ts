/**
 * What arrives: from PUBLISH through the application's handling to PUBACK or PUBREC, and from PUBREL to PUBCOMP (MQTT 5.0 section 4.3).
 *
 * The order is fixed: the application has handled the message; identifier (QoS 2) and mark are stored; it is acknowledged. So a
 * crash repeats the handling at most, and never loses a message.
 */
import { equal } from "../bytes.js";
import { SealwireError, toSealwireError } from "../errors.js";
import { PUBACK, PUBCOMP, PUBREC } from "./codec/constants.js";
import { Delivery } from "./delivery.js";
import { IdentifierSet } from "./identifier-set.js";
import { Skip, Stream, Whole, type PayloadReceiver, type ReceiverOwner } from "./payload-receiver.js";
import type { SessionConnection } from "./session-connection.js";
import { callbackFailed, type SessionCore } from "./session-core.js";
import { DEFAULT } from "./session-options.js";
import { MAXIMUM_MARK } from "./session-records.js";
import type { MessageConsumer } from "./session-types.js";
import type { InboundMessage } from "./types.js";

/** Implementation specific error (MQTT 5.0 section 2.4): the application's callback failed. */
const REASON_FAILED = 0x83;
const REASON_NOT_FOUND = 0x92;
const REASON_RECEIVE_MAXIMUM = 0x93;
/** Most runs of identifiers in the set of handled ones: what a server can make it cost. */
const MAXIMUM_RUNS = 512;

export class Inbound implements ReceiverOwner {
  /** QoS 2: handled and acknowledged by PUBREC, waiting for PUBREL. Not there before the first one. */
  handled: IdentifierSet | undefined;
  mark: Uint8Array | undefined;
  private readonly core: SessionCore;
  /** Handed out and not yet acknowledged, in order. */
  private readonly deliveries: Delivery[] = [];
  /** QoS 1: handled while there was no connection to acknowledge on. */
  declare private owed?: Delivery[];
  private receiver: PayloadReceiver | undefined;
  /** While the application is asked for a mark. */
  declare private asking?: boolean;
  /** The server's session may be another one than ours. */
  private uncertain = false;

  constructor(core: SessionCore) {
    this.core = core;
  }

  /** Messages that are not acknowledged. */
  get pending(): number {
    return this.deliveries.length;
  }

  /**
   * The server accepted the connection.
   * @param uncertain it says that it has the session, but it may have made it anew in an attempt whose answer was lost
   * @throws SealwireError `STORAGE_FAILED`
   */
  established(sessionPresent: boolean, uncertain: boolean): void {
    this.uncertain = uncertain;
    if (sessionPresent) return;
    this.forget();
    if (!this.handled || this.handled.size === 0) return;
    // A new session of the server counts its identifiers anew: old ones would hide new messages.
    this.handled.clear();
    this.core.store.writeInbound(this.handled, this.mark);
  }

  /** The connection ended. */
  end(): void {
    this.receiver?.abort(false);
    this.receiver = undefined;
    for (const delivery of this.deliveries) delivery.state = "detached";
    // What is handled already need not wait for its turn on a next connection.
    this.advance();
  }

  close(): void {
    this.receiver?.abort(true);
    this.receiver = undefined;
    this.forget();
  }

  private forget(): void {
    for (const delivery of this.deliveries) delivery.state = "over";
    this.deliveries.length = 0;
    if (this.owed) this.owed.length = 0;
  }

  /** A part of a message can be read. */
  readable(connection: SessionConnection, count: number, head: InboundMessage): void {
    const receiver = (this.receiver ??= this.begin(connection, head));
    receiver?.read(connection, count, head.more);
  }

  /** The payload of a message was read to its end. */
  finished(): void {
    this.receiver = undefined;
  }

  /** PUBREL: the identifier may mean another message from now on. */
  released(id: number): void {
    const { store } = this.core;
    let reasonCode = REASON_NOT_FOUND;
    if (this.handled?.delete(id)) {
      reasonCode = 0;
      try {
        store.writeInbound(this.handled, this.mark);
      } catch (error) {
        // The server sends PUBREL again, and finds what is stored.
        this.handled.add(id);
        this.core.fail(toSealwireError(error, "STORAGE_FAILED", "The storage failed."));
        return;
      }
    }
    this.core.acknowledge(PUBCOMP, id, reasonCode);
  }

  /** Decides what becomes of a message before its payload is read. @returns what takes its parts, when it comes in several */
  private begin(connection: SessionConnection, head: InboundMessage): PayloadReceiver | undefined {
    const { settings } = this.core;
    if (head.QoS > 0) {
      const repeated = this.repeated(head);
      if (repeated) return new Skip(this, repeated);
      if (this.deliveries.length >= (settings.receiveMaximum ?? DEFAULT.receiveMaximum)) {
        this.core.fail(
          new SealwireError("MQTT_QUOTA_EXCEEDED", "The server sent more messages than may be unacknowledged.", {
            reasonCode: REASON_RECEIVE_MAXIMUM,
          }),
        );
        return undefined;
      }
    }
    const delivery = new Delivery(head, this.core.restored === true, this);
    if (head.byteLength > (settings.maximumMessageSize ?? DEFAULT.maximumMessageSize))
      return this.stream(connection, delivery);
    if (head.more) return new Whole(this, delivery);
    // All of it is there, as it mostly is.
    if (head.byteLength > 0) connection.read((delivery.payload = new Uint8Array(head.byteLength)));
    this.deliver(delivery);
    return undefined;
  }

  private stream(connection: SessionConnection, delivery: Delivery): PayloadReceiver | undefined {
    const { core } = this;
    let failure: unknown;
    let consumer: MessageConsumer | undefined;
    try {
      consumer = core.settings.onMessageStart?.(delivery);
    } catch (error) {
      failure = callbackFailed(error);
    }
    const receiver = consumer && new Stream(this, delivery, consumer);
    // The callback may have ended the connection.
    if (core.connection !== connection) {
      receiver?.abort(core.closed);
      return undefined;
    }
    if (receiver) return receiver;
    failure ??= new SealwireError(
      "MQTT_PACKET_TOO_LARGE",
      `A message of ${delivery.byteLength} bytes on ${delivery.topic} was skipped: it is larger than maximumMessageSize.`,
    );
    return new Skip(this, () => {
      // The application has no hand in it, in manual mode neither.
      if (delivery.qos > 0) this.deliveries.push(delivery);
      core.report(toSealwireError(failure, "CALLBACK_FAILED", "The application failed."));
      delivery.failed = true;
      this.finish(delivery);
    });
  }

  /** What a consumer threw when there is nothing to refuse any more. */
  failed(error: unknown): void {
    this.core.failed(error);
  }

  /** @returns what to do when the payload of a repeated PUBLISH was skipped; `undefined` when the message is not a repeated one */
  private repeated(head: InboundMessage): (() => void) | undefined {
    const { id } = head;
    const { owed, handled } = this;
    if (head.QoS === 2 && handled?.has(id)) {
      // A first transmission under a known identifier: the server's session is a new one [MQTT-3.3.1-1].
      if (!this.uncertain || head.duplicate) return () => this.core.acknowledge(PUBREC, id);
      handled.delete(id);
    }
    for (const delivery of this.deliveries) {
      if (delivery.id !== id) continue;
      if (!delivery.isRepeatedBy(head)) break;
      return () => {
        delivery.state = "attached";
      };
    }
    const index = owed ? owed.findIndex((delivery) => delivery.id === id) : -1;
    if (index < 0) return undefined;
    const [delivery] = owed!.splice(index, 1);
    if (!head.duplicate || !delivery!.isRepeatedBy(head)) return undefined;
    return () => this.core.acknowledge(PUBACK, id, delivery!.failed ? REASON_FAILED : 0);
  }

  /** Hands a message out. @param stream whose consumer has got all of it already */
  deliver(delivery: Delivery, stream?: Stream): void {
    if (delivery.qos > 0) this.deliveries.push(delivery);
    try {
      const result = stream ? stream.finish() : this.core.settings.onMessage?.(delivery);
      if (isPromise(result)) {
        result.then(
          () => this.handledBy(delivery),
          (error: unknown) => this.refuse(delivery, error),
        );
      } else this.handledBy(delivery);
    } catch (error) {
      this.refuse(delivery, error);
    }
  }

  /** The application says that it has handled a message. */
  acknowledge(delivery: Delivery): void {
    if (this.manual) this.finish(delivery);
  }

  private get manual(): boolean {
    return this.core.settings.acknowledge === "manual";
  }

  private handledBy(delivery: Delivery): void {
    if (!this.manual) this.finish(delivery);
  }

  private refuse(delivery: Delivery, error: unknown): void {
    this.core.report(error instanceof SealwireError ? error : callbackFailed(error));
    if (this.manual) return;
    delivery.failed = true;
    this.finish(delivery);
  }

  /** A message is handled; it is acknowledged when those before it are. */
  private finish(delivery: Delivery): void {
    if (delivery.qos === 0 || delivery.state === "over" || delivery.done) return;
    delivery.done = true;
    // Storage is written from shallow in the stack: between two packets, or in a turn of its own.
    if (this.core.connection) this.core.connection.request();
    else this.advance();
  }

  /** Stores and acknowledges what was handled, in its order. */
  advance(): void {
    if (this.asking) return;
    const deliveries = this.deliveries;
    for (let delivery = deliveries[0]; delivery?.done; delivery = deliveries[0]) {
      if (!this.complete(delivery)) return;
      deliveries.shift();
    }
  }

  /** Stores that a message was handled, then acknowledges it. @returns false when storage failed: it remains to be done */
  private complete(delivery: Delivery): boolean {
    const core = this.core;
    const { id, qos, failed } = delivery;
    const refuse = failed && delivery.state === "attached" && core.connection?.version === 5;
    if (!refuse && !this.store(delivery)) return false;
    if (delivery.state === "attached") core.acknowledge(qos === 1 ? PUBACK : PUBREC, id, refuse ? REASON_FAILED : 0);
    else if (qos === 1) {
      const owed = (this.owed ??= []);
      owed.push(delivery);
      if (owed.length > (core.settings.receiveMaximum ?? DEFAULT.receiveMaximum)) owed.shift();
    }
    delivery.state = "over";
    return true;
  }

  private markOf({ mark }: Delivery): Uint8Array | undefined {
    if (typeof mark !== "function") return mark?.slice();
    // Whatever it does to the session: nothing else is acknowledged before this message.
    this.asking = true;
    try {
      return mark()?.slice();
    } finally {
      this.asking = false;
    }
  }

  /** Stores identifier and mark, in one write; none for QoS 1 without a mark, or with that of before. */
  private store(delivery: Delivery): boolean {
    const { id, qos } = delivery;
    let added = false;
    let replaced = false;
    let earlier: Uint8Array | undefined;
    try {
      const mark = this.markOf(delivery);
      // It closed the session.
      if (this.core.closed) return false;
      // What is stored already need not be stored again.
      if (qos === 1 && (!mark || (this.mark && equal(mark, this.mark)))) return true;
      const handled = qos === 2 ? (this.handled ??= new IdentifierSet()) : this.handled;
      added = qos === 2 && handled!.add(id);
      if (mark && mark.byteLength > MAXIMUM_MARK)
        throw new SealwireError("INVALID_ARGUMENT", `The mark of a message is at most ${MAXIMUM_MARK} bytes.`);
      if (handled && handled.runs > MAXIMUM_RUNS)
        throw new SealwireError("MQTT_QUOTA_EXCEEDED", "The server leaves too many QoS 2 messages unreleased.");
      if (mark) {
        earlier = this.mark;
        replaced = true;
        this.mark = mark;
        this.core.store.writeMark(handled, mark);
      } else this.core.store.writeInbound(handled, this.mark);
      return true;
    } catch (error) {
      if (added) this.handled!.delete(id);
      if (replaced) this.mark = earlier;
      // Not acknowledged: the server sends it again, and then it is only stored, not handed out.
      const failure = toSealwireError(error, "STORAGE_FAILED", "The storage failed.");
      if (this.core.connection) this.core.fail(failure);
      else this.core.report(failure);
      return false;
    }
  }
}

function isPromise(value: unknown): value is Promise<unknown> {
  return typeof value === "object" && value !== null && typeof (value as Promise<unknown>).then === "function";
}
