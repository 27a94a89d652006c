/** An MQTT session that outlives connections, sleep and loss of power. */
import { wipe } from "../bytes.js";
import { SealwireError } from "../errors.js";
import { checkClientOptions, connectPacket } from "./client-options.js";
import { clientOptions, NOWHERE, SessionConnection } from "./session-connection.js";
import { SessionCore } from "./session-core.js";
import { closed } from "./session-errors.js";
import { Inbound } from "./session-inbound.js";
import { checkSessionOptions, DEFAULT, type SessionSettings } from "./session-options.js";
import { Outbound } from "./session-outbound.js";
import { SessionStore, emptyState, type RestoredState } from "./session-store.js";
import { Subscriptions } from "./session-subscriptions.js";
import type {
  ConnectionOptions,
  PayloadSource,
  PublishOptions,
  SessionOptions,
  SessionPending,
  SubscribeOptions,
  SubscriptionRequest,
} from "./session-types.js";
import type { ProtocolVersion } from "./types.js";

/**
 * A durable session of MQTT 3.1.1 or 5.0 over one connection at a time. It keeps what must outlive connections: packet identifiers, the state of
 * QoS 1 and 2 both ways, subscriptions, the queue. When to connect again is the caller's decision.
 *
 * Every promise settles: at the latest `close()` rejects it. All methods may be called within every callback.
 */
export class MQTTSession {
  readonly #core: SessionCore;

  /** @throws SealwireError `INVALID_ARGUMENT` naming the option; `STORAGE_FAILED` when storage cannot be read */
  constructor(options: SessionOptions) {
    const settings = checkSessionOptions(options);
    // What each connect() would refuse fails here. An exchange of authentication is begun by connect() alone.
    const complete = clientOptions(settings, NOWHERE, settings.version === 4 ? 4 : 5, settings.clientIdentifier, false);
    checkClientOptions(complete);
    wipe(connectPacket(complete));
    const { durability, storage } = settings;
    const store = new SessionStore(durability === "none" ? undefined : storage, settings, durability === "power");
    const restored = store.load(settings.queue?.messages ?? DEFAULT.queueMessages, options.savedState);
    this.#core = createCore(settings, store, restored);
  }

  /** Whether the server has accepted the present connection. */
  get connected(): boolean {
    return this.#core.connected;
  }

  /** Whether there is a connection, or an attempt at one. */
  get connecting(): boolean {
    return this.#core.connection !== undefined && !this.#core.connected;
  }

  /** The version of the present connection, or else that of the next. */
  get version(): ProtocolVersion {
    return this.#core.version;
  }

  /** The client identifier in use; the server's, once it assigned one. */
  get clientIdentifier(): string {
    const { state } = this.#core;
    return state.assignedIdentifier || state.clientIdentifier;
  }

  /** The mark of the message that was handled last, see {@link SessionMessage.mark}. The caller must not change it. */
  get mark(): Uint8Array | undefined {
    return this.#core.inbound?.mark;
  }

  /** Whether an earlier life left a mark that is damaged: what it said is not known. So it is found at each start, until another mark or {@link forgetMark}. */
  get markLost(): boolean {
    return this.#core.markLost === true;
  }

  /** Removes the mark, damaged or not, also where it is stored. @throws SealwireError `STORAGE_FAILED` */
  forgetMark(): void {
    const { store, inbound } = this.#core;
    store.deleteMark(inbound?.handled);
    if (inbound) inbound.mark = undefined;
    delete this.#core.markLost;
  }

  /** What is under way. */
  get pending(): SessionPending {
    const { outbound, inbound, subscriptions } = this.#core;
    return {
      messages: outbound.length,
      bytes: outbound.bytes,
      inFlight: outbound.inFlight,
      inbound: inbound?.pending ?? 0,
      requests: subscriptions.pending,
    };
  }

  /** How many records of an earlier life were dropped: damaged ones, and messages beyond `queue.messages`. */
  get lost(): { readonly damaged: number; readonly surplus: number } {
    return this.#core.lost;
  }

  /**
   * Makes one attempt to connect. `onConnected` tells of success, `onDisconnected` of the end.
   * @throws SealwireError `INVALID_STATE` while there is a connection; `CLOSED`; `INVALID_ARGUMENT` naming the option
   */
  connect(connection: ConnectionOptions): void {
    const core = this.#core;
    checkOffline(core);
    const { settings, state } = core;
    const options = clientOptions(settings, connection, core.nextVersion, this.clientIdentifier, true);
    // The method of authentication was asked how it begins: it may have closed the session, or connected it.
    if (settings.authentication) checkOffline(core);
    const pipeline = connection.pipeline === true && !settings.authentication && state.limits !== undefined;
    const complete = pipeline ? { ...options, pipeline: state.limits } : options;
    checkClientOptions(complete);
    core.connection = new SessionConnection(core, complete, connectPacket(complete));
    core.wasUncertain = state.uncertain;
    state.uncertain = true;
    core.ready = pipeline;
    core.outbound.begin();
  }

  /**
   * Publishes a message, now or when there is a connection. For `durability: "power"` a message with QoS 1 or 2 is stored when the call returns.
   * @param payload bytes (copied), text (sent as UTF-8), or a source that is read when the payload is sent
   * @returns a promise for the acknowledgement that the QoS promises: PUBACK, or PUBCOMP; for QoS 0, that the connection took it.
   * Rejected with `INVALID_ARGUMENT`, `MQTT_QUEUE_FULL`, `MQTT_MESSAGE_EXPIRED`, `MQTT_REQUEST_REFUSED` (the server's reason code in `reasonCode`),
   * `MQTT_PACKET_TOO_LARGE` or `UNSUPPORTED` (what the server does not offer), `STORAGE_FAILED`, `STORAGE_VALUE_TOO_LARGE`,
   * `PAYLOAD_NOT_REPLAYABLE`, `CLOSED`
   */
  publish(topic: string, payload: Uint8Array | string | PayloadSource, options: PublishOptions = {}): Promise<void> {
    return this.#core.outbound.publish(topic, payload, options);
  }

  /**
   * Subscribes, now or when there is a connection. When the server holds the same subscription already it is not asked again.
   * @returns the granted QoS of each filter. Rejected with `MQTT_REQUEST_REFUSED` when the server refused one of them (the others stand),
   * `INVALID_ARGUMENT`, `MQTT_QUEUE_FULL`, `UNSUPPORTED`, `CLOSED`
   */
  subscribe(
    filters: string | readonly (string | SubscriptionRequest)[],
    options: SubscribeOptions = {},
  ): Promise<number[]> {
    return this.#core.subscriptions.subscribe(filters, options);
  }

  /** Ends subscriptions. Rejected as {@link subscribe} is. */
  unsubscribe(filters: string | readonly string[]): Promise<void> {
    return this.#core.subscriptions.unsubscribe(filters);
  }

  /** The whole state, for `savedState` of a later life. QoS 0 is not in it. Nothing may happen in the session after it. */
  save(): Uint8Array {
    const { store, outbound, inbound, subscriptions, state } = this.#core;
    return store.save({
      messages: outbound.all(),
      handled: inbound?.handled,
      mark: inbound?.mark,
      subscriptions: subscriptions.held,
      session: state,
    });
  }

  /**
   * Ends the connection cleanly: the server drops the will. What is not acknowledged stays in the session.
   * @returns fulfilled when the connection has ended, after `onDisconnected`
   */
  disconnect(): Promise<void> {
    return this.#core.disconnect();
  }

  /** Drops the connection without DISCONNECT: the server publishes the will. `onDisconnected` is called before it returns. */
  abort(): void {
    this.#core.leave();
  }

  /** Ends the session in this program. Promises are rejected with `CLOSED`, no callback follows; what is stored stays. */
  close(): void {
    this.#core.close();
  }
}

/** @throws SealwireError `CLOSED`; `INVALID_STATE` while there is a connection */
function checkOffline(core: SessionCore): void {
  if (core.closed) throw closed();
  if (core.connection) throw new SealwireError("INVALID_STATE", "The session is connected, or about to be.");
}

/** Puts the parts of a session together from what an earlier life left. */
function createCore(settings: SessionSettings, store: SessionStore, found: RestoredState): SessionCore {
  const { clientIdentifier } = settings;
  const foreign = found.session !== undefined && found.session.clientIdentifier !== clientIdentifier;
  // What another identity left is neither sent nor answered for under this one.
  if (foreign) store.erase(found);
  const restored = foreign ? emptyState() : found;
  const { subscriptions, messages, handled } = restored;
  const state = restored.session ?? {
    clientIdentifier,
    assignedIdentifier: "",
    version: 0,
    // Records without the session's own one: it was damaged, and what the server holds is unknown.
    uncertain: subscriptions.length + messages.length + handled.size > 0,
    limits: undefined,
  };
  const core = new SessionCore(settings, store, state);
  const damaged = found.damaged + (foreign ? 1 : 0);
  if (damaged + restored.surplus > 0) core.lost = { damaged, surplus: restored.surplus };
  if (found.markLost) core.markLost = true;
  core.outbound = new Outbound(core);
  if (restored.session !== undefined) core.restored = true;
  if (handled.size > 0 || restored.mark) {
    core.inbound = new Inbound(core);
    if (handled.size > 0) core.inbound.handled = handled;
    core.inbound.mark = restored.mark;
  }
  core.subscriptions = new Subscriptions(core, subscriptions);
  core.outbound.restore(messages);
  return core;
}
