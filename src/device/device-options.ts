/** What a device is made with, and what it tells. */
import type { SealwireError } from "../errors.js";
import type { Monitor, SecurityEvent } from "../monitor/index.js";
import type { QoS, QueueOptions, SessionMessage, Will } from "../mqtt/index.js";
import type { Permissions } from "../permissions/index.js";
import type { Platform, TLSNegotiated, TransportDescriptor } from "../platform.js";
import type { Sealing } from "../sealing/index.js";
import type { Credentials, Vault } from "../vault/index.js";
import type { WebSocketClientConstructor } from "../websocket/index.js";

/** A name or address, and a port: 8883 when left out, 443 over WebSocket. */
export interface DeviceBroker {
  readonly host: string;
  readonly port?: number | undefined;
}

export interface DeviceOptions {
  readonly platform: Platform;
  /** What was provisioned, when left out. */
  readonly broker?: DeviceBroker | undefined;
  /** What was provisioned, when left out. The private key stays the caller's, who closes it. */
  readonly credentials?: Credentials | undefined;
  /**
   * Where the credentials are kept, when `credentials` is left out; the caller opens and closes it. What was provisioned is imported into it. Without a
   * vault the device reads its provisioning record at each start, and cannot replace its credentials.
   */
  readonly vault?: Vault | undefined;
  /** What was provisioned, else derived from the MAC address, when left out. */
  readonly clientIdentifier?: string | undefined;
  /** Milliseconds without traffic after which the broker is asked for a sign of life. 60,000 when left out. */
  readonly keepAlive?: number | undefined;
  /** Milliseconds from the start of a connection to the CONNACK. 30,000 when left out. */
  readonly connectTimeout?: number | undefined;
  /** Protocol level: 4 is MQTT 3.1.1, 5 is MQTT 5.0, `"auto"` tries 5 first. 4 when left out. */
  readonly mqttVersion?: 4 | 5 | "auto" | undefined;
  /** What the broker publishes when this device vanishes. `%c` in its topic is the client identifier. */
  readonly will?: Will | undefined;
  /** Bounds of what is published and not acknowledged yet. */
  readonly queue?: QueueOptions | undefined;
  /**
   * Names offered by ALPN. When left out: on port 443 `mqtt`, or `x-amzn-mqtt-ca` for a host of AWS IoT Core; over WebSocket `http/1.1`; else none.
   */
  readonly applicationProtocols?: readonly string[] | undefined;
  /**
   * MQTT over WebSocket over TLS, for networks that let nothing else through: `{ io: WebSocketTransport }` from `sealwire/websocket`, or another class of
   * transports that takes the same options; `{ io: WebSocketClientTransport, client }` for the WebSocket client class of the host (ECMA-419). Port 443 when none is
   * given; `path` is `/mqtt` when left out.
   */
  readonly webSocket?: DeviceWebSocket | undefined;
  /**
   * No TLS: for links that carry their own security, or none. Needs `sealing`; every payload is sealed then, and a device that has a password refuses to
   * start, since it would travel in the clear, unless `login` says how it is proved instead. Port 1883 when none is given.
   */
  readonly unencrypted?: boolean | undefined;
  /** How the password is proved; sent as it is, in CONNECT, when left out. See {@link DeviceLoginOption}. */
  readonly login?: DeviceLoginOption | undefined;
  /** End-to-end encryption of payloads, with the payload secrets that were provisioned. The device opens and closes it. */
  readonly sealing?: Sealing | undefined;
  /**
   * What this device may publish and subscribe to. Everything, when left out. A function, such as `Permissions.parse`, reads those that were provisioned, or
   * changed and kept in the vault since; everything is allowed while there are none. See {@link Device.permissions}.
   */
  readonly permissions?: DevicePermissionsOption | undefined;
  /**
   * A topic by which new permissions may come, as the JSON of a permissions file with a version: in sealed messages only, and with a higher version only. Off when left
   * out. Needs `sealing`, `vault`, and `permissions` as a function. `%c` is the client identifier. The device always subscribes to it, whatever the permissions say, and
   * hands its messages to nobody else. Who holds the device's payload secret may send them: with a secret that is shared, set `accepts` of `Sealing`.
   */
  readonly permissionsTopic?: string | undefined;
  /** Counts, keeps a log, and reports: see `Monitor`. */
  readonly monitor?: Monitor | undefined;
  /** See `ReconnectSchedule`. Milliseconds. */
  readonly reconnectSpread?: readonly number[] | undefined;
  /** A connection that lasted so many milliseconds makes the waits begin anew. 60,000 when left out. */
  readonly stablePeriod?: number | undefined;
  /**
   * After power-on the first connection waits for a time from 0 to this, milliseconds: for fleets whose power comes back all at once. 0 when left out. It
   * does not hold back a wake from deep sleep.
   */
  readonly startSpread?: number | undefined;
  /** Whether CONNECT and what waits leave together, without waiting for the broker's answer in between. `"auto"` when left out. */
  readonly pipeline?: "auto" | "off" | undefined;
  /** Milliseconds for which the broker's last address is used after a wake, without asking DNS. 3,600,000 when left out, 0: never. */
  readonly addressLifetime?: number | undefined;
  /** Milliseconds after which the broker's certificate must be checked anew, instead of resuming. 7 days when left out. */
  readonly maximumAuthenticationAge?: number | undefined;
  /** Whether a TLS 1.3 ticket may be used again when the broker accepted it and gave no new one. True when left out. */
  readonly reuseTickets?: boolean | undefined;
  /**
   * Whether a TLS session may lie in flash: for the start after a power cut, and for a wake when its ticket is too large for retained memory. One write for each full
   * handshake. True when left out. Without, nothing of TLS is written to flash, and where a ticket is too large the broker is asked to keep the session itself, under an ID (TLS
   * 1.2): brokers on OpenSSL 3 forget it when the device vanishes without a goodbye.
   */
  readonly sessionsInFlash?: boolean | undefined;
  readonly onConnected?: ((info: DeviceConnected) => void) | undefined;
  readonly onDisconnected?: ((info: DeviceDisconnected) => void) | undefined;
  /** A message that no subscription of this life asked for: the broker kept a subscription of an earlier one. */
  readonly onMessage?: ((message: DeviceMessage) => void | Promise<void>) | undefined;
  /** Something that may be an attack. Also told to the monitor. */
  readonly onSecurity?: ((event: SecurityEvent) => void) | undefined;
  /**
   * The broker says that another server is to be used. What is returned is connected to next, with the same credentials and trust anchors, until the device
   * starts again; `undefined`, or no handler: the device stays, and tries slowly.
   */
  readonly onServerMoved?: ((moved: ServerMoved) => DeviceBroker | undefined) | undefined;
  /**
   * The device certificate should be renewed: two thirds of its life are over, and a jitter of its own (see `VaultOptions.renewal`). Told once per certificate
   * and start, while connected. Pass what comes to a certificate authority of yours, or set `issueCertificate`.
   */
  readonly onRenewalDue?: ((due: RenewalDue) => void) | undefined;
  /**
   * Has a certificate request (PKCS#10, DER) signed; gives the chain (DER), the device's own certificate first. When it is there, the device renews by itself,
   * and tries again each hour when that failed. Needs `vault`.
   */
  readonly issueCertificate?: ((request: Uint8Array) => Promise<readonly Uint8Array[]>) | undefined;
  /** A failure that no promise tells of, such as an error thrown by a subscription's handler. */
  readonly onError?: ((error: SealwireError) => void) | undefined;
}

/**
 * How a device proves that it knows its password without sending it, over TLS or without.
 *
 * - `"SCRAM-SHA-256"`: enhanced authentication of MQTT 5.0 (RFC 7677); needs `mqttVersion: 5`, and a broker that knows it. A nonce of the broker makes each proof
 *   good once, and the broker proves that it knows the password too.
 * - `{ token: "HMAC-SHA-256", allowReplayWindow }`: a token in the place of the password, for a broker whose authentication can be extended. Whoever sees it on the wire
 *   can log in with it for `allowReplayWindow` milliseconds (1,000 to 86,400,000), which is why that must be stated. Needs a wall clock.
 */
export type DeviceLoginOption =
  "SCRAM-SHA-256" | { readonly token: "HMAC-SHA-256"; readonly allowReplayWindow: number };

export interface DeviceWebSocket {
  readonly io: TransportDescriptor["io"];
  readonly path?: string | undefined;
  /** The host's own class, for `WebSocketClientTransport`. */
  readonly client?: WebSocketClientConstructor | undefined;
}

export interface DeviceConnected {
  /** `undefined` without TLS. */
  readonly protocol: TLSNegotiated["protocol"] | undefined;
  readonly cipherSuite: string | undefined;
  /** Whether a TLS session was resumed. */
  readonly resumed: boolean;
  /** Whether the broker still had the MQTT session. */
  readonly sessionPresent: boolean;
  /** Why no TLS session could be offered; `undefined` when one was. */
  readonly noSessionReason: string | undefined;
  /** From the start of the connection to the CONNACK. */
  readonly milliseconds: number;
  /** Whether the device presented its bootstrap certificate, because its own has expired: it should be renewed now. */
  readonly bootstrap: boolean;
}

/** How credentials are replaced. */
export interface DeviceRotationLimits {
  /** Milliseconds that the broker has to accept them: 60,000 when left out. */
  readonly timeout?: number | undefined;
}

export interface DeviceDisconnected {
  readonly cause: SealwireError | undefined;
  /** Milliseconds; `undefined` when the network is down: as soon as it is up. */
  readonly willRetryIn: number | undefined;
  /** The cause `MQTT_TAKEN_OVER` is inferred: three connections ended within 10 s of being accepted, and the broker did not say why. */
  readonly suspected: boolean;
}

/** A redirection (MQTT 5.0 section 4.11). */
export interface ServerMoved {
  /** What the server named, as it wrote it: `undefined` when it named none. Not checked in any way. */
  readonly reference: string | undefined;
  /** For good (reason code 0x9D), or for now (0x9C). */
  readonly permanent: boolean;
}

export interface RenewalDue {
  /** Milliseconds since 1970. */
  readonly certificateExpires: number | undefined;
}

/** A message as it is handed to the handler of a subscription. */
export type DeviceMessage = Pick<SessionMessage, "topic" | "payload" | "qos" | "retain" | "redelivered"> & {
  /** Whether the payload came sealed, and was opened. */
  readonly sealed: boolean;
};

export interface DevicePublishOptions {
  readonly qos?: QoS | undefined;
  readonly retain?: boolean | undefined;
  /** Milliseconds after which the message is of no use. */
  readonly expiry?: number | undefined;
  /** Whether the payload is encrypted end to end. Needs the option `sealing`. Without TLS always so. */
  readonly seal?: boolean | undefined;
}

export interface DeviceSubscribeOptions {
  /** The highest QoS at which messages come; 0 when left out. */
  readonly qos?: QoS | undefined;
  /**
   * Whether messages must come sealed: others, and those that were tampered with or replayed, are not delivered, and told to `onSecurity`. Needs the option
   * `sealing`. Without TLS always so.
   */
  readonly sealed?: boolean | undefined;
}

/** What a device says of itself. */
export interface DeviceStatus {
  readonly state: "new" | "waiting" | "connecting" | "connected" | "stopped";
  readonly clientIdentifier: string;
  readonly broker: { readonly host: string; readonly port: number };
  /** Publications that are not acknowledged, and their bytes. */
  readonly pending: { readonly messages: number; readonly bytes: number };
  /** Why there is no connection. */
  readonly lastError: SealwireError | undefined;
}

export type DevicePermissionsOption = Permissions | ((json: Uint8Array) => Permissions);
