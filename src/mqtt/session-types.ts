/** The shapes of `MQTTSession`: its options, what it sends, what it hands out. */
import type { SealwireError } from "../errors.js";
import type {
  BufferLike,
  KeyValueStorage,
  PlatformTimer,
  ResolverDescriptor,
  TransportDescriptor,
} from "../platform.js";
import type {
  AuthenticationStep,
  ClientLimits,
  Properties,
  ProtocolVersion,
  QoS,
  ReceivedProperties,
  SubscriptionItem,
  Will,
} from "./types.js";

/**
 * What outlives what. `"none"`: connections. `"sleep"`: also a restart, through {@link MQTTSession.save}. `"power"`: also a loss of power at any moment, through `storage`.
 */
export type Durability = "none" | "sleep" | "power";

/**
 * What happens to a publication for which there is no room. `"reject"`: it is refused. `"dropOldest"`: the oldest message that was not
 * sent yet makes room. `"dropNewest"`: the newest that was not sent yet makes room. A dropped one is rejected with `MQTT_QUEUE_FULL`.
 */
export type QueuePolicy = "reject" | "dropOldest" | "dropNewest";

/** Bounds of what is published and not yet acknowledged, what is in flight included. */
export interface QueueOptions {
  /** 64 when left out, at most 65,535. */
  readonly messages?: number | undefined;
  /** Bytes of topics, payloads and properties together; 16,384 when left out. */
  readonly bytes?: number | undefined;
  /** `"reject"` when left out. */
  readonly policy?: QueuePolicy | undefined;
}

/** A payload that is read when it is sent, and again when it must be sent again. */
export interface PayloadSource {
  /** Bytes of the whole payload. */
  readonly byteLength: number;
  /**
   * Gives at least one and at most `length` bytes from `offset` on. The bytes must be the same each time they are read.
   * What it throws ends the publication, not the program.
   */
  read(offset: number, length: number): Uint8Array | Promise<Uint8Array>;
  /**
   * Names the source to {@link SessionOptions.openSource} after a restart (a file name, say): at most 255 bytes of UTF-8. Without it a
   * publication with QoS 1 or 2 ends with `PAYLOAD_NOT_REPLAYABLE` when the device restarts before it was acknowledged.
   */
  readonly reference?: string | undefined;
}

export interface PublishOptions {
  /** 0 when left out. */
  readonly qos?: QoS | undefined;
  readonly retain?: boolean | undefined;
  /**
   * Milliseconds after which the message is of no use: it then leaves the queue unsent, with `MQTT_MESSAGE_EXPIRED`. In MQTT 5.0 the server
   * is told what is left of it. At most 4,294,967,295,000.
   */
  readonly expiry?: number | undefined;
  /** MQTT 5.0; not sent in 3.1.1. `messageExpiryInterval` and `topicAlias` are set by the session. */
  readonly properties?: Properties | undefined;
}

/** Options of a subscription (MQTT 5.0 section 3.8.3.1). */
export interface SubscribeOptions {
  /** The highest QoS at which messages come; 0 when left out. */
  readonly qos?: QoS | undefined;
  /** MQTT 5.0, ignored in 3.1.1, as are the next three. */
  readonly noLocal?: boolean | undefined;
  readonly retainAsPublished?: boolean | undefined;
  readonly retainHandling?: 0 | 1 | 2 | undefined;
  /** 1 to 268,435,455: comes back with each message, in `properties.subscriptionIdentifiers`. */
  readonly subscriptionIdentifier?: number | undefined;
  /** Asks the server even when it holds this subscription already: it then sends the retained messages again. */
  readonly renew?: boolean | undefined;
}

/** A message from the server. */
export interface SessionMessage {
  readonly topic: string;
  /** The application's own: the session keeps no copy. */
  readonly payload: Uint8Array;
  readonly qos: QoS;
  readonly retain: boolean;
  /** The DUP flag of the packet. */
  readonly duplicate: boolean;
  /**
   * The message may have been handed out before: QoS 1 when the server repeats it; QoS 2 only when the device restarted while it was
   * being handled.
   */
  readonly redelivered: boolean;
  readonly properties: ReceivedProperties | undefined;
  /**
   * At most 255 bytes that are stored together with the acknowledgement, in the same write, and are {@link MQTTSession.mark} from then on; or a function
   * that is asked for them right before they are stored. For QoS 1 and 2; set it before the callback ends or `acknowledge()` is called. Marks are kept, and asked
   * for, in the order of the messages. Without bytes the mark before stays. What a function throws is reported as `STORAGE_FAILED`, and ends the connection: the
   * message is not acknowledged, and when the server repeats it, it is not handed out, and the function asked again.
   */
  mark: Uint8Array | (() => Uint8Array | undefined) | undefined;
  /**
   * With `acknowledge: "manual"`: the message is handled and need not come again. Does nothing for QoS 0, in automatic mode, the second time,
   * and when the server's session has ended since.
   */
  acknowledge(): void;
}

/** What is known of a message before its payload is read. */
export type MessageHead = Omit<SessionMessage, "payload"> & { readonly byteLength: number };

/** Takes the payload of one message in parts. What it throws counts as a failed callback. */
export interface MessageConsumer {
  /** The bytes are the consumer's own. While a returned promise is pending nothing more is read from the connection. */
  write(bytes: Uint8Array): void | Promise<void>;
  /** All bytes were written. Counts as the end of the callback: see {@link SessionOptions.onMessage}. */
  end(): void | Promise<void>;
  /** The connection ended before all bytes were there; the server will send the message again, from its beginning, unless QoS is 0. */
  abort(): void;
}

/** What came with the server's CONNACK. */
export interface ConnectedInfo {
  readonly version: ProtocolVersion;
  /** Whether the server still had the session. */
  readonly sessionPresent: boolean;
  /** The client identifier in use: the server's, when it assigned one. */
  readonly clientIdentifier: string;
  /** MQTT 5.0: server keep-alive, server reference, reason string, response information, user properties, ... */
  readonly properties: ReceivedProperties | undefined;
}

/** A method of enhanced authentication (MQTT 5.0 section 4.12), such as `ScramSHA256`. */
export interface Authentication {
  readonly method: string;
  /** Begins an exchange. @returns the data for CONNECT */
  start(): Uint8Array | undefined;
  /** Answers one step; for the last one (`reasonCode` 0) the answer is not sent. What it throws ends the connection. */
  step(step: AuthenticationStep): BufferLike | undefined;
}

/** Where and how to connect, once. */
export interface ConnectionOptions {
  readonly host?: string | undefined;
  readonly address?: string | undefined;
  readonly port?: number | undefined;
  readonly dns?: ResolverDescriptor | undefined;
  readonly socket: TransportDescriptor;
  /** Milliseconds until CONNACK; 30,000 when left out. */
  readonly connectTimeout?: number | undefined;
  /**
   * Sends what waits together with CONNECT, within the limits that the server stated last time (3.1.1: always). Off when left out, when nothing
   * is known of the server, and with {@link SessionOptions.authentication}.
   */
  readonly pipeline?: boolean | undefined;
  /** In place of the session's own, for credentials that are replaced while the session lives on. */
  readonly user?: string | undefined;
  readonly password?: BufferLike | string | undefined;
}

/** Options of `MQTTSession`. One that is not named here is refused with `INVALID_ARGUMENT`. */
export interface SessionOptions {
  readonly clientIdentifier: string;
  /** Of the platform. */
  readonly timer: PlatformTimer;
  /** Of the platform: monotonic milliseconds. */
  readonly ticks: () => number;
  /** Wall clock, milliseconds since 1970, or `undefined` while not set. With it, message expiry counts through restarts. */
  readonly time?: (() => number | undefined) | undefined;

  // Protocol
  /** `"auto"` (when left out): 5, and 4 (3.1.1) for a server that refuses it; see {@link SessionOptions.onVersion}. */
  readonly version?: ProtocolVersion | "auto" | undefined;
  /** Whether every connection shall begin a new session. False when left out. */
  readonly cleanStart?: boolean | undefined;
  /** MQTT 5.0: seconds for which the server keeps the session without a connection. 604,800 (a week) when left out. */
  readonly sessionExpiryInterval?: number | undefined;
  /** Milliseconds; 60,000 when left out; 0: off. */
  readonly keepAlive?: number | undefined;
  /** Milliseconds to wait for the answer to a ping. */
  readonly pingTimeout?: number | undefined;
  readonly user?: string | undefined;
  readonly password?: BufferLike | string | undefined;
  readonly will?: Will | undefined;
  /** MQTT 5.0: further properties of CONNECT, such as user properties. */
  readonly properties?: Properties | undefined;
  readonly authentication?: Authentication | undefined;

  // What survives
  /** `"none"` when left out. */
  readonly durability?: Durability | undefined;
  /**
   * Needed for `"power"`. For `"sleep"` the marks of messages are stored there, and nothing else: one write for each message that has one. One
   * session per storage.
   */
  readonly storage?: KeyValueStorage | undefined;
  /** For `"sleep"`: what {@link MQTTSession.save} returned before. Whoever keeps it authenticates it. */
  readonly savedState?: Uint8Array | undefined;
  /** Finds a payload source again after a restart. */
  readonly openSource?: ((reference: string) => PayloadSource | undefined) | undefined;

  // Bounds
  readonly queue?: QueueOptions | undefined;
  /**
   * Publications with QoS > 0 that may be unacknowledged at a time, if the server allows as many. 20 when left out: over 3.1.1, where a server
   * cannot say how many it takes, Mosquitto 2.0.11 drops QoS 2 messages beyond 20 without a word.
   */
  readonly window?: number | undefined;
  /**
   * Inbound messages with QoS > 0 that may be unacknowledged at a time: announced in MQTT 5.0; a server that exceeds it in either
   * version loses the connection. 64 when left out.
   */
  readonly receiveMaximum?: number | undefined;
  /** MQTT 5.0: bytes of the largest packet that the server may send. */
  readonly maximumPacketSize?: number | undefined;
  /** Bytes of the largest payload that is handed out in one piece; 16,384 when left out. See {@link SessionOptions.onMessageStart}. */
  readonly maximumMessageSize?: number | undefined;
  /** Subscriptions and requests for them; 64 when left out. */
  readonly maximumSubscriptions?: number | undefined;
  /** MQTT 5.0: how many topic aliases either side may use; 0 when left out. */
  readonly topicAliases?:
    { readonly outgoing?: number | undefined; readonly incoming?: number | undefined } | undefined;
  /** Bounds and buffers of the connection, see {@link MQTTClientOptions}. */
  readonly limits?: ClientLimits | undefined;
  readonly inputBuffer?: number | undefined;
  readonly outputBuffer?: number | undefined;

  // Callbacks. What they throw is reported to `onError` and does no further harm.
  /** `"auto"` (when left out) or `"manual"`, see {@link SessionMessage.acknowledge}. */
  readonly acknowledge?: "auto" | "manual" | undefined;
  /**
   * A message arrived. Called in the order of arrival, at once, even while promises of earlier calls are pending.
   *
   * In automatic mode a message with QoS > 0 counts as handled when the callback returned or its promise was fulfilled: identifier and
   * mark are stored then, and after that it is acknowledged, in the order of arrival. When the callback throws or its promise is rejected,
   * that is reported, and the message is refused with reason code 0x83 (MQTT 5.0) or acknowledged all the same (3.1.1): a message that
   * always fails must not come for ever. In manual mode nothing is acknowledged before `acknowledge()`.
   */
  readonly onMessage?: ((message: SessionMessage) => void | Promise<void>) | undefined;
  /**
   * A message larger than `maximumMessageSize` begins. Without a consumer it is skipped, reported as `MQTT_PACKET_TOO_LARGE` and
   * refused or acknowledged as one whose callback failed.
   */
  readonly onMessageStart?: ((head: MessageHead) => MessageConsumer | undefined) | undefined;
  readonly onConnected?: ((info: ConnectedInfo) => void) | undefined;
  /**
   * Once for each `connect()` that returned, unless `close()` was called. Without an error: `disconnect()` or `abort()`. `properties` are those of
   * the server's refusal or DISCONNECT (MQTT 5.0): reason string, server reference.
   */
  readonly onDisconnected?:
    ((error: SealwireError | undefined, properties: ReceivedProperties | undefined) => void) | undefined;
  /** `"auto"` has settled on, or changed to, another version; the next `connect()` uses it. Kept in the session's state. */
  readonly onVersion?: ((version: ProtocolVersion) => void) | undefined;
  /** There is room in the queue again, after a message was refused or dropped. */
  readonly onDrain?: (() => void) | undefined;
  /**
   * A failure that no promise tells of: a callback that threw, a stored message that could not be sent after a restart, damaged records,
   * storage that fails, a subscription that the server refuses to renew.
   */
  readonly onError?: ((error: SealwireError) => void) | undefined;
}

/** A request of {@link MQTTSession.subscribe} with options of its own for each filter. */
export type SubscriptionRequest = { readonly filter: string } & SubscribeOptions;

/** How much is under way. */
export interface SessionPending {
  /** Publications that are not acknowledged, waiting ones included. */
  readonly messages: number;
  /** Their bytes, as counted against `queue.bytes`. */
  readonly bytes: number;
  /** Those of them with QoS > 0 that were sent on this connection and wait for an answer. */
  readonly inFlight: number;
  /** Inbound messages that are not acknowledged. */
  readonly inbound: number;
  /** Requests to subscribe or unsubscribe that wait for an answer. */
  readonly requests: number;
}

export type { SubscriptionItem };
