/**
 * The shapes of MQTT as they appear at the edge of this room: packet types, properties, messages, options.
 *
 * Names are those of the standards: `QoS`, `id`, `items`, `duplicate` from ECMA-419 and its MQTT client class pattern, properties and reason codes
 * from MQTT 5.0. Durations are milliseconds, except within `properties`, which hold what is on the wire: there intervals are
 * seconds (MQTT 5.0 section 2.2.2.2).
 */
import type { SealwireError } from "../errors.js";
import type { BufferLike, PlatformTimer, ResolverDescriptor, TransportDescriptor } from "../platform.js";

/** Protocol level on the wire: 4 is MQTT 3.1.1, 5 is MQTT 5.0. */
export type ProtocolVersion = 4 | 5;

export type QoS = 0 | 1 | 2;

/** A name and its value. The order is kept and names may repeat (MQTT 5.0 section 3.1.2.11.8). */
export type UserProperty = readonly [name: string, value: string];

/**
 * Properties of a packet (MQTT 5.0 section 2.2.2.2). Which packet may carry which one is enforced both ways; a property that is
 * absent on the wire is absent here. Intervals are seconds.
 */
export interface Properties {
  /** 0x01: 1 when the payload is UTF-8 text. */
  readonly payloadFormatIndicator?: 0 | 1;
  /** 0x02: lifetime of the message, in seconds. */
  readonly messageExpiryInterval?: number;
  /** 0x03 */
  readonly contentType?: string;
  /** 0x08: a topic name without wildcards. */
  readonly responseTopic?: string;
  /** 0x09 */
  readonly correlationData?: BufferLike;
  /** 0x0B in SUBSCRIBE: 1 to 268,435,455. */
  readonly subscriptionIdentifier?: number;
  /** 0x0B in a received PUBLISH: one for each matching subscription that has one. */
  readonly subscriptionIdentifiers?: readonly number[];
  /** 0x11: seconds; 0xFFFFFFFF never expires. */
  readonly sessionExpiryInterval?: number;
  /** 0x12 */
  readonly assignedClientIdentifier?: string;
  /** 0x13: seconds. */
  readonly serverKeepAlive?: number;
  /** 0x15 */
  readonly authenticationMethod?: string;
  /** 0x16: may be secret. */
  readonly authenticationData?: BufferLike;
  /** 0x17 */
  readonly requestProblemInformation?: boolean;
  /** 0x18: seconds. */
  readonly willDelayInterval?: number;
  /** 0x19 */
  readonly requestResponseInformation?: boolean;
  /** 0x1A */
  readonly responseInformation?: string;
  /** 0x1C */
  readonly serverReference?: string;
  /** 0x1F: for people who read logs. */
  readonly reasonString?: string;
  /** 0x21: 1 to 65535. */
  readonly receiveMaximum?: number;
  /** 0x22 */
  readonly topicAliasMaximum?: number;
  /** 0x23: 1 to 65535. */
  readonly topicAlias?: number;
  /** 0x24 */
  readonly maximumQoS?: 0 | 1;
  /** 0x25 */
  readonly retainAvailable?: boolean;
  /** 0x26 */
  readonly userProperties?: readonly UserProperty[];
  /** 0x27: bytes, 1 to 4,294,967,295. */
  readonly maximumPacketSize?: number;
  /** 0x28 */
  readonly wildcardSubscriptionAvailable?: boolean;
  /** 0x29 */
  readonly subscriptionIdentifiersAvailable?: boolean;
  /** 0x2A */
  readonly sharedSubscriptionAvailable?: boolean;
}

/** Properties that came off the wire: binary ones are arrays of their own. */
export interface ReceivedProperties extends Properties {
  readonly correlationData?: Uint8Array;
  readonly authenticationData?: Uint8Array;
}

/** One entry of SUBSCRIBE, or with its `topic` alone of UNSUBSCRIBE. */
export interface SubscriptionItem {
  /** Topic filter; may be shared (`$share/name/filter`). */
  readonly topic: string;
  /** The highest QoS the server may use; 0 when left out. */
  readonly QoS?: QoS | undefined;
  /** MQTT 5.0: do not send back what this connection published. */
  readonly noLocal?: boolean | undefined;
  /** MQTT 5.0: keep the retain flag as the publisher set it. */
  readonly retainAsPublished?: boolean | undefined;
  /** MQTT 5.0: send retained messages at subscribe (0), only when the subscription is new (1), not at all (2). */
  readonly retainHandling?: 0 | 1 | 2 | undefined;
}

/** What the server shall publish when this connection ends without DISCONNECT. */
export interface Will {
  readonly topic: string;
  /** Payload; text is sent as UTF-8; empty when left out. */
  readonly message?: BufferLike | string | undefined;
  readonly QoS?: QoS | undefined;
  readonly retain?: boolean | number | undefined;
  /** MQTT 5.0: will delay, message expiry, content type, ... */
  readonly properties?: Properties | undefined;
}

/** What the server allows, from its CONNACK; the defaults of MQTT 5.0 section 3.2.2.3 until it said otherwise. */
export interface ServerLimits {
  /** Publications with QoS > 0 that may be unacknowledged at a time; 65535. */
  readonly receiveMaximum: number;
  readonly maximumQoS: QoS;
  readonly retainAvailable: boolean;
  /** Bytes; 268,435,460 (the largest packet there is) when the server gave no limit. */
  readonly maximumPacketSize: number;
  /** Highest topic alias; 0: none may be sent. */
  readonly topicAliasMaximum: number;
  readonly wildcardSubscriptionAvailable: boolean;
  readonly subscriptionIdentifiersAvailable: boolean;
  readonly sharedSubscriptionAvailable: boolean;
}

/** Bounds on what the client accepts from the network. They are checked before memory is spent. */
export interface ClientLimits {
  /** Longest topic name of an inbound PUBLISH, in bytes. 1024 when left out; at most 65535. */
  readonly topicLength?: number | undefined;
  /** Largest property section of an inbound packet, in bytes. 1024 when left out. */
  readonly propertiesLength?: number | undefined;
  /** Number of user properties in an inbound packet. 16 when left out. */
  readonly userProperties?: number | undefined;
  /**
   * Largest inbound packet other than PUBLISH, in bytes. 2048 when left out. PUBLISH payloads stream through: they are bounded by
   * `properties.maximumPacketSize` (MQTT 5.0) alone.
   */
  readonly controlPacketSize?: number | undefined;
}

// ---------------------------------------------------------------------------------------------------------------------
// What arrives

/** An inbound PUBLISH, as handed to `onReadable`: the same object for each part of one message. */
export interface InboundMessage {
  /** Topic name; topic aliases are resolved. */
  readonly topic: string;
  readonly QoS: QoS;
  readonly retain: boolean;
  /** The DUP flag: the server may have sent this message before. */
  readonly duplicate: boolean;
  /** Packet identifier; 0 for QoS 0. */
  readonly id: number;
  /** Bytes of the whole payload. */
  readonly byteLength: number;
  /** Whether more parts follow the present one. */
  readonly more: boolean;
  /** MQTT 5.0; `undefined` when there are none. Topic aliases are left out: they mean nothing beyond the connection. */
  readonly properties: ReceivedProperties | undefined;
}

/** CONNACK with reason code 0; a refused connection is an error. */
export interface ConnackMessage {
  readonly operation: 2;
  readonly sessionPresent: boolean;
  readonly returnCode: number;
  /** The same as `returnCode`. */
  readonly reasonCode: number;
  readonly properties: ReceivedProperties | undefined;
}

/** PUBACK, PUBREC, PUBREL, PUBCOMP. */
export interface AcknowledgementMessage {
  readonly operation: 4 | 5 | 6 | 7;
  readonly id: number;
  /** 0 when the packet has none. */
  readonly reasonCode: number;
  readonly properties: ReceivedProperties | undefined;
}

/** SUBACK, UNSUBACK. */
export interface SubscriptionMessage {
  readonly operation: 9 | 11;
  readonly id: number;
  /** One for each item of the request, in its order: granted QoS or failure. Empty for UNSUBACK of 3.1.1. */
  readonly reasonCodes: readonly number[];
  /** The same as `reasonCodes`. */
  readonly payload: readonly number[];
  readonly properties: ReceivedProperties | undefined;
}

export interface PingMessage {
  readonly operation: 13;
}

/** DISCONNECT by the server (MQTT 5.0); `onError` or `onClose` follows. AUTH (MQTT 5.0). */
export interface ReasonMessage {
  readonly operation: 14 | 15;
  readonly reasonCode: number;
  readonly properties: ReceivedProperties | undefined;
}

/** A packet other than PUBLISH, as handed to `onControl`. */
export type ControlMessage =
  ConnackMessage | AcknowledgementMessage | SubscriptionMessage | PingMessage | ReasonMessage;

/** One step of enhanced authentication (MQTT 5.0 section 4.12), as handed to `onAuth`. */
export interface AuthenticationStep {
  /** Authentication data of the server, or `undefined`. */
  readonly data: Uint8Array | undefined;
  /** 0x18: the server waits for an answer. 0x00: it is satisfied; what it proves about itself is in `data`. */
  readonly reasonCode: number;
}

// ---------------------------------------------------------------------------------------------------------------------
// What is sent

/** Options of {@link MQTTClient.write}. Which ones are allowed depends on the operation; others are `INVALID_ARGUMENT`. */
export interface WriteOptions {
  /** The packet type; PUBLISH when left out. */
  readonly operation?: number | undefined;
  /** PUBLISH: the topic name. May be empty with a topic alias that the server knows already (MQTT 5.0). */
  readonly topic?: string | undefined;
  readonly QoS?: QoS | undefined;
  readonly retain?: boolean | number | undefined;
  /** PUBLISH: sets DUP, for a message sent before. */
  readonly duplicate?: boolean | number | undefined;
  /**
   * Packet identifier, 1 to 65535. Acknowledgements need it; PUBLISH with QoS > 0, SUBSCRIBE and UNSUBSCRIBE get the next one of
   * a simple counter when it is left out: give your own where several requests may be unanswered for long.
   */
  readonly id?: number | undefined;
  /** PUBLISH: bytes of the whole payload, when it is more than `data`: the rest follows in calls without options. */
  readonly byteLength?: number | undefined;
  /** SUBSCRIBE and UNSUBSCRIBE: at least one. */
  readonly items?: readonly SubscriptionItem[] | undefined;
  /** MQTT 5.0. */
  readonly properties?: Properties | undefined;
  /** MQTT 5.0: of an acknowledgement, DISCONNECT or AUTH. 0 when left out (AUTH: 0x18). */
  readonly reasonCode?: number | undefined;
}

/** Callbacks of a client. `this` is the client. What they throw ends the connection and is reported to `onError`. */
export interface ClientCallbacks<Client> {
  /**
   * A part of an inbound PUBLISH can be read: `count` bytes, 0 for an empty payload. Further packets wait until it was read,
   * in the callback or later.
   */
  readonly onReadable?: ((this: Client, count: number, message: InboundMessage) => void) | undefined;
  /** `count` bytes can be written. First called when the server accepted the connection (see `pipeline`). */
  readonly onWritable?: ((this: Client, count: number) => void) | undefined;
  /** A packet other than PUBLISH arrived. */
  readonly onControl?: ((this: Client, message: ControlMessage) => void) | undefined;
  /** The connection ended without an error: the server closed it, or DISCONNECT was sent. Nothing is called after it. */
  readonly onClose?: ((this: Client) => void) | undefined;
  /**
   * The connection failed; it is closed already. Nothing is called after it. `properties` are those of the CONNACK or DISCONNECT that
   * refused (MQTT 5.0), where there are any: server reference, reason string, user properties.
   */
  readonly onError?: ((this: Client, error: SealwireError, properties?: ReceivedProperties) => void) | undefined;
}

/** Options of {@link MQTTClient}. An option that is not named here is refused with `INVALID_ARGUMENT`. */
export interface MQTTClientOptions<Client = unknown> extends ClientCallbacks<Client> {
  // Where to
  /** Name of the server; also handed to the transport. Needed unless there is an `address`. */
  readonly host?: string | undefined;
  /** Numeric address of the server: no name is resolved. */
  readonly address?: string | undefined;
  /** 1883 when left out. */
  readonly port?: number | undefined;
  /** Resolver class and its options. Needed unless there is an `address`. */
  readonly dns?: ResolverDescriptor | undefined;
  /** Transport class and its options. Callbacks, `address`, `host` and `port` are added to them. */
  readonly socket: TransportDescriptor;

  // Who
  /** 4 (MQTT 3.1.1) when left out, or 5. */
  readonly version?: ProtocolVersion | undefined;
  /** Client identifier; when empty the server chooses one, which 3.1.1 allows with `clean` only [MQTT-3.1.3-7]. */
  readonly id?: string | undefined;
  /** Whether the server shall forget an earlier session (5.0: Clean Start). True when left out. */
  readonly clean?: boolean | undefined;
  readonly user?: string | undefined;
  /** Secret. Text is sent as UTF-8. */
  readonly password?: BufferLike | string | undefined;
  readonly will?: Will | undefined;
  /** MQTT 5.0: properties of CONNECT. `topicAliasMaximum` lets the server use topic aliases; the client resolves them. */
  readonly properties?: Properties | undefined;

  // How
  /**
   * Milliseconds after which a connection in which nothing was sent gets a PINGREQ; sent to the server as seconds, rounded up;
   * 0 (when left out): never. The server's own value comes first (`serverKeepAlive`, MQTT 5.0). At most 65,535,000.
   */
  readonly keepAlive?: number | undefined;
  /** The same in the spelling of older clients. */
  readonly keepalive?: number | undefined;
  /** Milliseconds to wait for the PINGRESP. Half of `keepAlive` when left out, at most 30,000. */
  readonly pingTimeout?: number | undefined;
  /** Milliseconds from the constructor to CONNACK. 30,000 when left out. */
  readonly connectTimeout?: number | undefined;
  /** Of the platform. */
  readonly timer: PlatformTimer;
  /** Of the platform: monotonic milliseconds. */
  readonly ticks: () => number;
  /**
   * `"automatic"` (when left out): PUBLISH, PUBREC and PUBREL are answered by the client, a PUBLISH after its payload was read.
   * `"manual"`: the caller writes PUBACK, PUBREC, PUBREL and PUBCOMP.
   */
  readonly acknowledge?: "automatic" | "manual" | undefined;
  /**
   * Allows writing before CONNACK: `onWritable` is then first called when CONNECT was sent. `true`, or what is known of the server's limits
   * from an earlier connection. With `authenticationMethod` it is refused [MQTT-3.1.2-30].
   */
  readonly pipeline?: boolean | Partial<ServerLimits> | undefined;
  /** MQTT 5.0: answers the server's steps of enhanced authentication with data. What it throws ends the connection. */
  readonly onAuth?: ((this: Client, step: AuthenticationStep) => BufferLike | undefined) | undefined;

  // Bounds
  readonly limits?: ClientLimits | undefined;
  /** Bytes of the input buffer: what is read from the transport at once. 1024 when left out, at least 64. */
  readonly inputBuffer?: number | undefined;
  /** Bytes of the output buffer, in which small packets are joined to one transport write. 1024 when left out, at least 64. */
  readonly outputBuffer?: number | undefined;

  /** For drop-in use: only `"buffer"`. */
  readonly format?: "buffer" | undefined;
  /** For drop-in use: kept as the property `target`. */
  readonly target?: unknown;
  /** For drop-in use, where options of a device's `network.mqtt` are spread: ignored. */
  readonly io?: unknown;
}
