/** What is subscribed to: requests under way, and the subscriptions that the server shall hold. */
import { SealwireError, toSealwireError } from "../errors.js";
import { SUBSCRIBE, UNSUBACK, UNSUBSCRIBE } from "./codec/constants.js";
import { encodeEntries, type RequestEntry } from "./codec/encode.js";
import { checkString, faultOfTopicFilter, isShared } from "./codec/topic.js";
import { writePacket } from "./control-writer.js";
import type { SessionConnection } from "./session-connection.js";
import { isOverflow, type SessionCore } from "./session-core.js";
import { closed } from "./session-errors.js";
import { checkFlag, checkNames, checkQoS, DEFAULT, integer, invalid } from "./session-options.js";
import type { StoredSubscription } from "./session-records.js";
import type { SubscribeOptions, SubscriptionRequest } from "./session-types.js";
import { checkSubscriptionsOffered } from "./write-options.js";

/** Filters in one SUBSCRIBE that renews what the server forgot. */
const BATCH = 8;

const OPTION_NAMES = " filter qos noLocal retainAsPublished retainHandling subscriptionIdentifier renew ";

interface Subscription extends StoredSubscription {
  /** Place in storage; `undefined` while it is not there. */
  index: number | undefined;
  /** What storage says was granted. */
  stored: number | undefined;
}

interface Request {
  readonly subscriptions: readonly Subscription[];
  /** Unsubscribe instead. */
  readonly remove: boolean;
  /** Ask the server even if it holds the subscriptions. */
  readonly renew: boolean;
  /** The server may hold them: it shall not send retained messages again if so. */
  readonly perhapsHeld: boolean;
  /** Packet identifier while it is unanswered. */
  id: number;
  readonly resolve: ((granted: number[]) => void) | undefined;
  readonly reject: ((error: SealwireError) => void) | undefined;
}

export class Subscriptions {
  private readonly core: SessionCore;
  /** Those that the server holds, or shall hold again. */
  readonly held: Subscription[] = [];
  /** In the order in which they were made. */
  private readonly requests: Request[] = [];

  constructor(core: SessionCore, restored: readonly { index: number; subscription: StoredSubscription }[]) {
    this.core = core;
    for (const { index, subscription } of restored.slice(0, this.maximum))
      this.held.push({ ...subscription, index, stored: subscription.granted });
  }

  private get maximum(): number {
    return this.core.settings.maximumSubscriptions ?? DEFAULT.maximumSubscriptions;
  }

  /** Requests that wait for an answer. */
  get pending(): number {
    return this.requests.length;
  }

  subscribe(filters: string | readonly (string | SubscriptionRequest)[], options: SubscribeOptions): Promise<number[]> {
    return this.request(false, filters, options);
  }

  async unsubscribe(filters: string | readonly string[]): Promise<void> {
    await this.request(true, filters, undefined);
  }

  /**
   * The server accepted the connection.
   * @param sessionPresent whether it says that it has the session
   * @param uncertain it may have made that session anew, in an attempt whose answer was lost
   */
  established(sessionPresent: boolean, uncertain: boolean): void {
    const requested = new Set<string>();
    for (const request of this.requests) {
      this.forgetIdentifier(request);
      for (const { filter } of request.subscriptions) requested.add(filter);
    }
    const lost: Subscription[] = [];
    for (const subscription of this.held) {
      if (!sessionPresent || uncertain) subscription.granted = undefined;
      if (subscription.granted === undefined && !requested.has(subscription.filter)) lost.push(subscription);
    }
    let renewals = 0;
    for (let i = 0; i < lost.length;) {
      const start = i;
      const { identifier } = lost[i]!;
      // One SUBSCRIBE carries one subscription identifier for all its filters.
      while (i < lost.length && i - start < BATCH && lost[i]!.identifier === identifier) i++;
      const subscriptions = lost.slice(start, i);
      this.requests.splice(renewals++, 0, {
        subscriptions,
        remove: false,
        renew: true,
        perhapsHeld: sessionPresent,
        id: 0,
        resolve: undefined,
        reject: undefined,
      });
    }
  }

  /** The connection ended. */
  end(): void {
    for (let i = this.requests.length - 1; i >= 0; i--) {
      const request = this.requests[i]!;
      this.forgetIdentifier(request);
      // A renewal that nobody waits for is made up again from what is held, if it is needed.
      if (!request.resolve) this.requests.splice(i, 1);
    }
  }

  close(): void {
    const error = closed();
    for (const request of this.requests.splice(0)) request.reject?.(error);
  }

  /** Sends requests. @returns whether none is left unsent */
  flush(): boolean {
    const core = this.core;
    for (let i = 0; i < this.requests.length; i++) {
      const request = this.requests[i]!;
      if (request.id !== 0) continue;
      const { connection } = core;
      if (!connection || !core.connected || connection.writable <= 0) return false;
      if (this.isSettled(request)) {
        this.requests.splice(i--, 1);
        request.resolve?.(request.subscriptions.map(({ filter }) => this.find(filter)!.granted!));
        continue;
      }
      try {
        request.id = core.identifiers.allocate();
        this.write(connection, request);
      } catch (error) {
        this.forgetIdentifier(request);
        if (isOverflow(error)) return false;
        this.requests.splice(i--, 1);
        const failure = toSealwireError(error, "INVALID_ARGUMENT", "The subscription cannot be requested.");
        if (request.reject) request.reject(failure);
        else core.report(failure);
      }
    }
    return true;
  }

  /** SUBACK or UNSUBACK. */
  answered(operation: number, id: number, reasonCodes: readonly number[]): void {
    const core = this.core;
    const index = this.requests.findIndex((request) => request.id === id);
    const request = this.requests[index];
    if (request?.remove !== (operation === UNSUBACK)) {
      core.fail(new SealwireError("MQTT_PROTOCOL_ERROR", "The server answered a subscription that was not requested."));
      return;
    }
    const count = request.subscriptions.length;
    if (reasonCodes.length !== count && !(request.remove && reasonCodes.length === 0)) {
      core.fail(
        new SealwireError(
          "MQTT_PROTOCOL_ERROR",
          "The server answered with another number of reason codes than asked for.",
        ),
      );
      return;
    }
    this.requests.splice(index, 1);
    this.forgetIdentifier(request);
    let refusal: SealwireError | undefined;
    for (let i = 0; i < count; i++) {
      const subscription = request.subscriptions[i]!;
      const reasonCode = reasonCodes[i] ?? 0;
      const isRefused = reasonCode >= 0x80;
      if (isRefused) refusal ??= refused(subscription.filter, reasonCode, request.remove);
      try {
        if (isRefused !== request.remove) this.drop(subscription.filter);
        else if (!isRefused) this.hold(subscription, reasonCode as 0 | 1 | 2);
      } catch (error) {
        core.report(toSealwireError(error, "STORAGE_FAILED", "The storage failed."));
      }
    }
    if (!refusal) request.resolve?.([...reasonCodes]);
    else if (request.reject) request.reject(refusal);
    else core.report(refusal);
  }

  /** In one function, without helpers of its own: the application calls it from its callbacks, and the stack of a chip is small. */
  private request(
    remove: boolean,
    filters: string | readonly (string | SubscriptionRequest)[],
    options: SubscribeOptions | undefined,
  ): Promise<number[]> {
    try {
      if (this.core.closed) throw closed();
      const list: unknown = typeof filters === "string" ? [filters] : filters;
      if (!Array.isArray(list))
        throw new SealwireError("INVALID_ARGUMENT", "The topic filter must be a string or an array.");
      const subscriptions: Subscription[] = [];
      let renew = false;
      for (let i = 0; i < list.length; i++) {
        const entry = list[i] as string | SubscriptionRequest;
        const request: SubscriptionRequest =
          typeof entry === "string" || remove ? { ...options, filter: entry as string } : { ...options, ...entry };
        checkNames(request, OPTION_NAMES, "subscribe() has no option");
        checkString(request.filter, "The topic filter");
        const fault = faultOfTopicFilter(request.filter, true);
        if (fault !== undefined) throw new SealwireError("INVALID_ARGUMENT", `The topic filter ${fault}.`);
        subscriptions.push(subscriptionOf(request));
        if (request.renew === true) renew = true;
        if (subscriptions[i]!.identifier !== subscriptions[0]!.identifier)
          throw invalid("subscriptionIdentifier", "must be the same for all filters of one request");
      }
      if (subscriptions.length === 0)
        throw new SealwireError("INVALID_ARGUMENT", "There is no topic filter in the request.");
      if (this.requests.length >= this.maximum)
        throw new SealwireError("MQTT_QUEUE_FULL", "Too many subscriptions are being requested; wait for the answers.");
      if (!remove) this.checkCount(subscriptions);
      const promise = new Promise<number[]>((resolve, reject) => {
        this.requests.push({ subscriptions, remove, renew, perhapsHeld: false, id: 0, resolve, reject });
      });
      this.core.connection?.schedule();
      return promise;
    } catch (error) {
      return Promise.reject(toSealwireError(error, "INVALID_ARGUMENT", "The request is not valid."));
    }
  }

  private checkCount(added: readonly Subscription[]): void {
    let most = added.length + this.held.length;
    for (const request of this.requests) most += request.subscriptions.length;
    if (most <= this.maximum) return;
    const all = new Set<string>();
    for (const { filter } of added) all.add(filter);
    for (const { filter } of this.held) all.add(filter);
    for (const request of this.requests) for (const { filter } of request.subscriptions) all.add(filter);
    if (all.size > this.maximum)
      throw new SealwireError("MQTT_QUEUE_FULL", "There are as many subscriptions as maximumSubscriptions allows.");
  }

  /** Whether the server holds all of it already, with the same options: then there is nothing to ask. */
  private isSettled(request: Request): boolean {
    if (request.remove || request.renew) return false;
    // Two requests for one filter are answered in their order.
    return request.subscriptions.every((wanted) => {
      const held = this.find(wanted.filter);
      return held?.granted !== undefined && sameOptions(held, wanted);
    });
  }

  private write({ output, version, limits }: SessionConnection, request: Request): void {
    const { id, subscriptions, remove } = request;
    const identifier = version === 4 ? 0 : subscriptions[0]!.identifier;
    const properties = remove || identifier === 0 ? undefined : { subscriptionIdentifier: identifier };
    if (!remove) {
      checkSubscriptionsOffered(limits, subscriptions, identifier !== 0);
      // [MQTT-3.8.3-4]
      if (version === 5 && subscriptions.some(({ filter, options }) => (options & 4) !== 0 && isShared(filter)))
        throw invalid("noLocal", "is not for shared subscriptions");
    }
    const entries = request.perhapsHeld ? subscriptions.map(withoutRetained) : subscriptions;
    const packet = encodeEntries(remove ? UNSUBSCRIBE : SUBSCRIBE, version, id, entries, properties);
    writePacket(output, packet, limits);
  }

  private forgetIdentifier(request: Request): void {
    if (request.id !== 0) this.core.identifiers.release(request.id);
    request.id = 0;
  }

  private find(filter: string): Subscription | undefined {
    return this.held.find((subscription) => subscription.filter === filter);
  }

  /** The server holds it. One write. */
  private hold(subscription: Subscription, granted: 0 | 1 | 2): void {
    const present = this.find(subscription.filter);
    const changed = !present || !sameOptions(present, subscription) || present.stored !== granted;
    const index = present?.index ?? this.freeIndex();
    const held: Subscription = { ...subscription, granted, index, stored: present?.stored };
    if (present) Object.assign(present, held);
    else this.held.push(held);
    if (!changed || index === undefined) return;
    this.core.store.writeSubscription(index, held);
    (present ?? held).stored = granted;
  }

  /** The first place in storage that is free; `undefined` when nothing is stored. */
  private freeIndex(): number | undefined {
    if (!this.core.store.durable) return undefined;
    let index = 0;
    while (this.held.some((subscription) => subscription.index === index)) index++;
    return index;
  }

  private drop(filter: string): void {
    const index = this.held.findIndex((subscription) => subscription.filter === filter);
    if (index < 0) return;
    const [dropped] = this.held.splice(index, 1);
    if (dropped?.index === undefined) return;
    this.core.store.deleteSubscription(dropped.index);
  }
}

/** The server shall send retained messages only when the subscription is new to it. */
function withoutRetained({ filter, options }: StoredSubscription): RequestEntry {
  return { filter, options: options < 0x10 ? options | 0x10 : options };
}

function sameOptions(a: StoredSubscription, b: StoredSubscription): boolean {
  return a.options === b.options && a.identifier === b.identifier;
}

/** Checks the options; the filter was checked. */
function subscriptionOf(request: SubscriptionRequest): Subscription {
  const qos = checkQoS(request.qos);
  checkFlag("noLocal", request.noLocal);
  checkFlag("retainAsPublished", request.retainAsPublished);
  checkFlag("renew", request.renew);
  const { retainHandling = 0, subscriptionIdentifier: identifier } = request;
  integer("retainHandling", retainHandling, 0, 2);
  if (identifier !== undefined) integer("subscriptionIdentifier", identifier, 1, 0x0fffffff);
  return {
    filter: request.filter,
    options: qos | (request.noLocal ? 4 : 0) | (request.retainAsPublished ? 8 : 0) | (retainHandling << 4),
    identifier: identifier ?? 0,
    granted: undefined,
    index: undefined,
    stored: undefined,
  };
}

function refused(filter: string, reasonCode: number, remove: boolean): SealwireError {
  const what = remove ? "to end the subscription" : "the subscription";
  return new SealwireError(
    "MQTT_REQUEST_REFUSED",
    `The server refused ${what} to ${filter} with reason code 0x${reasonCode.toString(16)}.`,
    { reasonCode },
  );
}
