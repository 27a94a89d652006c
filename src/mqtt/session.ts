/** An MQTT session that outlives connections, sleep and loss of power. */
import { SealwireError } from "../errors.js";
import { MQTTClient } from "./client.js";
import { checkConnectionSettings, clientOptions } from "./session-connection.js";
import { SessionCore } from "./session-core.js";
import { closed } from "./session-errors.js";
import { Inbound } from "./session-inbound.js";
import { checkSessionOptions } from "./session-options.js";
import { Outbound } from "./session-outbound.js";
import type { StoredSession } from "./session-records.js";
import { SessionStore, emptyState } from "./session-store.js";
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
import type { ConnackMessage, ControlMessage, InboundMessage, ProtocolVersion, ReceivedProperties } from "./types.js";

/** Milliseconds that the server is given to close after DISCONNECT. */
const GOODBYE = 5000;
/** Failures before CONNECT can have left: the server knows nothing of them. */
const BEFORE_CONNECT = " NAME_NOT_RESOLVED CONNECTION_REFUSED NETWORK_DOWN ";

/**
 * A durable session of MQTT 3.1.1 or 5.0 over one connection at a time. It keeps what must outlive connections: packet identifiers, the state of
 * QoS 1 and 2 both ways, subscriptions, the queue. When to connect again is the caller's decision.
 *
 * Every promise settles: at the latest `close()` rejects it. All methods may be called within every callback.
 */
export class MQTTSession {
  readonly #core: SessionCore;
  readonly #outbound: Outbound;
  readonly #inbound: Inbound;
  readonly #subscriptions: Subscriptions;
  readonly #state: StoredSession;
  /** Records of an earlier life that were damaged or did not fit. */
  readonly #lost: { readonly damaged: number; readonly surplus: number };
  /** Whether the state was uncertain before this attempt to connect. */
  #wasUncertain = false;
  #flushing = false;
  #goodbye: { promise: Promise<void>; resolve: () => void; timer: unknown } | undefined;
  /** The server did not say that it refuses the version, but something was wrong with the answer: the other one is tried next. */
  #tryOther = false;

  /** @throws SealwireError `INVALID_ARGUMENT` naming the option; `STORAGE_FAILED` when storage cannot be read */
  constructor(options: SessionOptions) {
    const settings = checkSessionOptions(options);
    checkConnectionSettings(settings);
    const { durability, ticks } = settings;
    const store = new SessionStore(durability === "power" ? settings.storage : undefined, {
      ticks,
      time: settings.time ?? ((): undefined => undefined),
    });
    const core = (this.#core = new SessionCore(settings, store));
    let restored = store.load(settings.queueMessages, settings.savedState);
    const found = restored.session;
    const damaged = restored.damaged;
    const foreign = found !== undefined && found.clientIdentifier !== settings.clientIdentifier;
    if (foreign) {
      // What another identity left is neither sent nor answered for under this one.
      store.erase(restored);
      restored = emptyState();
    }
    this.#lost = { damaged: damaged + (foreign ? 1 : 0), surplus: restored.surplus };
    this.#state =
      found && !foreign
        ? found
        : {
            clientIdentifier: settings.clientIdentifier,
            assignedIdentifier: "",
            version: 0,
            uncertain: false,
            limits: undefined,
          };
    // Records without the session's own one: it was damaged, and what the server holds is unknown.
    if (!found && restored.subscriptions.length + restored.messages.length + restored.handled.size > 0)
      this.#state.uncertain = true;
    this.#outbound = new Outbound(core);
    this.#inbound = new Inbound(core, restored.handled, restored.mark, found !== undefined && !foreign);
    this.#subscriptions = new Subscriptions(core, restored.subscriptions);
    this.#outbound.restore(restored.messages);
    this.#outbound.flush = () => this.#flush(false);
    core.fail = (error) => this.#fail(error);
  }

  /** Whether the server has accepted the present connection. */
  get connected(): boolean {
    return this.#core.connected;
  }

  /** Whether there is a connection, or an attempt at one. */
  get connecting(): boolean {
    return this.#core.client !== undefined && !this.#core.connected;
  }

  /** The version of the present connection, or else that of the next. */
  get version(): ProtocolVersion {
    return this.#core.client?.version ?? this.#nextVersion();
  }

  /** The client identifier in use; the server's, once it assigned one. */
  get clientIdentifier(): string {
    return this.#state.assignedIdentifier || this.#state.clientIdentifier;
  }

  /** The mark of the message that was handled last, see {@link SessionMessage.mark}. The caller must not change it. */
  get mark(): Uint8Array | undefined {
    return this.#inbound.mark;
  }

  /** What is under way. */
  get pending(): SessionPending {
    const { outbox, inFlight } = this.#outbound;
    return {
      messages: outbox.length,
      bytes: outbox.bytes,
      inFlight,
      inbound: this.#inbound.pending,
      requests: this.#subscriptions.pending,
    };
  }

  /** How many records of an earlier life were dropped: damaged ones, and messages beyond `queue.messages`. */
  get lost(): { readonly damaged: number; readonly surplus: number } {
    return this.#lost;
  }

  /**
   * Makes one attempt to connect. `onConnected` tells of success, `onDisconnected` of the end.
   * @throws SealwireError `INVALID_STATE` while there is a connection; `CLOSED`; `INVALID_ARGUMENT` naming the option
   */
  connect(connection: ConnectionOptions): void {
    const core = this.#core;
    if (core.closed) throw closed();
    if (core.client) throw new SealwireError("INVALID_STATE", "The session is connected, or about to be.");
    const options = clientOptions(core.settings, connection, this.#nextVersion(), this.clientIdentifier);
    const pipeline = connection.pipeline === true && !core.settings.authentication && this.#state.limits !== undefined;
    const client: MQTTClient = new MQTTClient({
      ...options,
      ...(pipeline ? { pipeline: this.#state.limits! } : {}),
      onReadable: (count: number, message: InboundMessage) => this.#inbound.readable(client, count, message),
      onWritable: () => this.#flush(true),
      onControl: (message: ControlMessage) => this.#control(message),
      onClose: () => this.#ended(this.#goodbye ? undefined : lost()),
      onError: (error: SealwireError, properties?: ReceivedProperties) => this.#ended(error, properties),
    });
    this.#wasUncertain = this.#state.uncertain;
    this.#state.uncertain = true;
    core.client = client;
    core.ready = pipeline;
    this.#outbound.begin();
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
    return this.#outbound.publish(topic, payload, options);
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
    return this.#subscriptions.subscribe(filters, options);
  }

  /** Ends subscriptions. Rejected as {@link subscribe} is. */
  unsubscribe(filters: string | readonly string[]): Promise<void> {
    return this.#subscriptions.unsubscribe(filters);
  }

  /** The whole state, for `savedState` of a later life. QoS 0 is not in it. Nothing may happen in the session after it. */
  save(): Uint8Array {
    const { outbox } = this.#outbound;
    return this.#core.store.save({
      messages: outbox.all(),
      handled: this.#inbound.handled,
      mark: this.#inbound.mark,
      subscriptions: this.#subscriptions.held,
      session: this.#state,
    });
  }

  /**
   * Ends the connection cleanly: the server drops the will. What is not acknowledged stays in the session.
   * @returns fulfilled when the connection has ended, after `onDisconnected`
   */
  disconnect(): Promise<void> {
    const { client, connected, settings } = this.#core;
    if (!client) return Promise.resolve();
    if (this.#goodbye) return this.#goodbye.promise;
    let resolve = (): void => undefined;
    const promise = new Promise<void>((fulfilled) => (resolve = fulfilled));
    this.#goodbye = { promise, resolve, timer: settings.timer.set(() => this.#ended(undefined), GOODBYE) };
    try {
      if (!connected) throw new SealwireError("INVALID_STATE", "Not connected yet.");
      this.#core.ready = false;
      client.write(null, { operation: MQTTClient.DISCONNECT });
    } catch {
      // No DISCONNECT can be sent in the middle of another packet, or before CONNACK.
      this.#ended(undefined);
    }
    return promise;
  }

  /** Drops the connection without DISCONNECT: the server publishes the will. `onDisconnected` is called before it returns. */
  abort(): void {
    if (this.#core.client) this.#ended(undefined);
  }

  /** Ends the session in this program. Promises are rejected with `CLOSED`, no callback follows; what is stored stays. */
  close(): void {
    const core = this.#core;
    if (core.closed) return;
    core.closed = true;
    core.client?.close();
    core.reset();
    this.#outbound.close();
    this.#inbound.close();
    this.#subscriptions.close();
    this.#sayGoodbye();
  }

  #nextVersion(): ProtocolVersion {
    const { version } = this.#core.settings;
    if (version !== "auto") return version;
    const known = this.#state.version || 5;
    return this.#tryOther ? otherThan(known) : known;
  }

  #control(message: ControlMessage): void {
    switch (message.operation) {
      case 2:
        this.#established(message);
        break;
      case 4:
        this.#outbound.acknowledged(message.id, message.reasonCode);
        break;
      case 5:
        this.#outbound.received(message.id, message.reasonCode);
        break;
      case 6:
        this.#inbound.released(message.id);
        break;
      case 7:
        this.#outbound.completed(message.id);
        break;
      case 9:
      case 11:
        this.#subscriptions.answered(message.operation, message.id, message.reasonCodes);
        break;
      default:
        return;
    }
    this.#flush(false);
  }

  #established(message: ConnackMessage): void {
    const core = this.#core;
    const { client, settings } = core;
    if (!client) return;
    const { sessionPresent, properties } = message;
    const state = this.#state;
    const changed = settings.version === "auto" && state.version !== client.version;
    state.version = client.version;
    state.limits = client.limits;
    if (properties?.assignedClientIdentifier) state.assignedIdentifier = properties.assignedClientIdentifier;
    this.#tryOther = false;
    const uncertain = sessionPresent && this.#wasUncertain;
    core.connected = core.ready = true;
    try {
      this.#inbound.established(sessionPresent, uncertain);
      core.store.writeSession(state);
    } catch (error) {
      this.#fail(error as SealwireError);
      return;
    }
    // From here on what was granted is known one by one.
    state.uncertain = false;
    this.#subscriptions.established(sessionPresent, uncertain);
    this.#outbound.established(sessionPresent);
    const { version } = client;
    if (changed) core.call(() => settings.onVersion?.(version));
    const info = { version, sessionPresent, clientIdentifier: this.clientIdentifier, properties };
    if (core.client === client) core.call(() => settings.onConnected?.(info));
  }

  /** Sends what can be sent: acknowledgements, releases, requests, publications. */
  #flush(roomy: boolean): void {
    const core = this.#core;
    if (this.#flushing || !core.client) return;
    this.#flushing = true;
    try {
      if (core.flushAcknowledgements() && this.#outbound.flushReleases()) {
        if (core.connected) this.#subscriptions.flush();
        this.#outbound.flushPublications(roomy);
      }
    } finally {
      this.#flushing = false;
    }
  }

  /** Ends the connection because of an error of either side. */
  #fail(error: SealwireError): void {
    const { client, connected } = this.#core;
    if (!client) return;
    if (connected && client.version === 5 && error.reasonCode !== undefined) {
      try {
        client.write(null, { operation: MQTTClient.DISCONNECT, reasonCode: error.reasonCode });
      } catch {
        // There is no room for a reason.
      }
    }
    this.#ended(error);
  }

  /** The connection has ended, or is to end now. */
  #ended(error: SealwireError | undefined, properties?: ReceivedProperties): void {
    const core = this.#core;
    const { client, connected, settings } = core;
    if (!client) return;
    core.reset();
    client.close();
    if (!connected) this.#attemptFailed(error, client.version);
    this.#outbound.end(error);
    this.#inbound.end();
    this.#subscriptions.end();
    core.call(() => settings.onDisconnected?.(this.#goodbye ? undefined : error, properties));
    this.#sayGoodbye();
  }

  /** Draws the conclusions from an attempt that did not lead to a connection. */
  #attemptFailed(error: SealwireError | undefined, version: ProtocolVersion): void {
    const { settings } = this.#core;
    // A refusal, or no CONNECT at all, leaves the server's session as it was.
    if (error && (error.reasonCode !== undefined || BEFORE_CONNECT.includes(` ${error.code} `)))
      this.#state.uncertain = this.#wasUncertain;
    if (settings.version !== "auto" || settings.authentication) return;
    if (error?.code === "MQTT_VERSION_REFUSED") {
      this.#state.version = otherThan(version);
      this.#tryOther = false;
      this.#core.call(() => settings.onVersion?.(this.#nextVersion()));
    } else if (error && this.#isMisunderstood(error)) this.#tryOther = !this.#tryOther;
  }

  /** Whether the server answered CONNECT as one that does not know the version may: in another format, or by hanging up. */
  #isMisunderstood({ code }: SealwireError): boolean {
    if (code === "MQTT_MALFORMED_PACKET" || code === "MQTT_PROTOCOL_ERROR") return true;
    return code === "CONNECTION_LOST" && this.#state.version === 0;
  }

  #sayGoodbye(): void {
    const goodbye = this.#goodbye;
    this.#goodbye = undefined;
    if (!goodbye) return;
    this.#core.settings.timer.clear(goodbye.timer);
    goodbye.resolve();
  }
}

function otherThan(version: ProtocolVersion): ProtocolVersion {
  return version === 5 ? 4 : 5;
}

function lost(): SealwireError {
  return new SealwireError("CONNECTION_LOST", "The server closed the connection.");
}
