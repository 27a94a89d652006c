/** What is published and not yet acknowledged, in its order. */
import type { SealwireError } from "../errors.js";
import type { OutgoingMessage } from "./outgoing-message.js";
import type { PlatformTimer, TimerHandle } from "../platform.js";
import type { QueuePolicy } from "./session-types.js";

/** Longest wait of one timer: hosts count milliseconds in 31 bits. */
const LONGEST = 0x3fff_ffff;

/**
 * A list whose members know their neighbours: a message is found from its head, where acknowledgements come in order, and leaves without
 * moving others. A message is in one list at most.
 */
export class MessageList {
  head: OutgoingMessage | undefined;
  tail: OutgoingMessage | undefined;
  length = 0;

  append(message: OutgoingMessage): void {
    message.previous = this.tail;
    message.next = undefined;
    if (this.tail) this.tail.next = message;
    else this.head = message;
    this.tail = message;
    this.length++;
  }

  remove(message: OutgoingMessage): void {
    if (message.previous) message.previous.next = message.next;
    else this.head = message.next;
    if (message.next) message.next.previous = message.previous;
    else this.tail = message.previous;
    message.previous = message.next = undefined;
    this.length--;
  }

  find(id: number): OutgoingMessage | undefined {
    for (let message = this.head; message; message = message.next) if (message.id === id) return message;
    return undefined;
  }
}

/**
 * Two lists: publications in the order in which they were made, and those of QoS 2 that the server has received, in the order of their PUBRECs.
 * Both orders are those in which packets must be sent again [MQTT-4.6.0-1, MQTT-4.6.0-4].
 */
export abstract class Outbox {
  readonly publications = new MessageList();
  /** Not there before the first one: many devices never publish with QoS 2. */
  declare releases?: MessageList;
  /** The publication to send next; those before it are in flight. */
  cursor: OutgoingMessage | undefined;
  /** The release to send next on this connection. */
  releaseCursor: OutgoingMessage | undefined;
  /** The sum of the costs. */
  bytes = 0;
  /** When the message that expires first is due, in ticks, and the timer for it. */
  declare private due?: number | undefined;
  declare private timer?: TimerHandle;

  /** Something may have expired; {@link wakeAt} is to be called for what is left. */
  protected abstract expire(): void;

  /** Something expires at `ticks`, if that is known: one timer is set, for what expires first. */
  protected wakeAt(
    ticks: number | undefined,
    clock: { readonly timer: PlatformTimer; readonly ticks: () => number },
  ): void {
    if (ticks === undefined || (this.due !== undefined && this.due <= ticks)) return;
    this.sleep(clock.timer);
    this.due = ticks;
    const wait = Math.min(Math.max(ticks - clock.ticks(), 1), LONGEST);
    this.timer = clock.timer.set(() => {
      this.timer = this.due = undefined;
      this.expire();
    }, wait);
  }

  /** Nothing expires any more. */
  protected sleep(timer: PlatformTimer): void {
    if (this.due === undefined) return;
    timer.clear(this.timer);
    this.timer = this.due = undefined;
  }

  get length(): number {
    return this.publications.length + (this.releases?.length ?? 0);
  }

  append(message: OutgoingMessage): void {
    this.publications.append(message);
    this.bytes += message.cost;
    this.cursor ??= message;
  }

  /** Takes a message out, whatever its state. */
  remove(message: OutgoingMessage): void {
    this.bytes -= message.cost;
    if (message.state === "release") {
      if (this.releaseCursor === message) this.releaseCursor = message.next;
      this.releases?.remove(message);
    } else {
      if (this.cursor === message) this.cursor = message.next;
      this.publications.remove(message);
    }
  }

  /** The server has it: only its identifier is needed from now on. */
  release(message: OutgoingMessage): void {
    this.remove(message);
    message.state = "release";
    message.payload = undefined;
    if (message.source) message.source = undefined;
    if (message.reference !== undefined) message.reference = undefined;
    if (message.properties) message.properties = undefined;
    message.cost = 0;
    (this.releases ??= new MessageList()).append(message);
  }

  /** Appends a message that is already in the state `release`. */
  appendRelease(message: OutgoingMessage): void {
    (this.releases ??= new MessageList()).append(message);
    this.releaseCursor ??= message;
  }

  /** Every message: releases first. */
  *all(): Generator<OutgoingMessage> {
    for (let message = this.releases?.head; message; message = message.next) yield message;
    for (let message = this.publications.head; message; message = message.next) yield message;
  }

  /** A new connection: everything is to be sent again. */
  rewind(): void {
    this.cursor = this.publications.head;
    this.releaseCursor = this.releases?.head;
    for (let message = this.publications.head; message; message = message.next) message.inFlight = false;
    for (let message = this.releases?.head; message; message = message.next) message.inFlight = false;
  }

  /** Tells whoever waits. The messages stay. */
  protected rejectAll(error: SealwireError): void {
    for (const message of this.all()) {
      message.reject?.(error);
      if (message.reject) message.resolve = message.reject = undefined;
    }
  }

  /** The message that makes room for another one. */
  victim(policy: QueuePolicy): OutgoingMessage | undefined {
    if (policy === "reject") return undefined;
    return policy === "dropOldest" ? this.oldestWaiting : this.newestWaiting;
  }

  /** The oldest publication that never left the device. */
  private get oldestWaiting(): OutgoingMessage | undefined {
    let message = this.cursor;
    while (message && !message.waiting) message = message.next;
    return message;
  }

  /** The newest one. */
  private get newestWaiting(): OutgoingMessage | undefined {
    let message = this.publications.tail;
    while (message && !message.waiting) message = message.previous;
    return message;
  }
}
