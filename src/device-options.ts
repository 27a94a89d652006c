/** What a device is made with, and what it tells. */
import type { SealwireError } from "./errors.js";
import type { QoS, SessionMessage, Will } from "./mqtt/index.js";
import type { Platform, TLSNegotiated } from "./platform.js";
import type { Credentials, Vault } from "./vault/index.js";

export interface DeviceOptions {
  readonly platform: Platform;
  /** The broker's name or address and its TLS port (8883 when left out). What was provisioned, when left out. */
  readonly broker?: { readonly host: string; readonly port?: number } | undefined;
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
  /** Protocol level: 4 is MQTT 3.1.1, 5 is MQTT 5.0, `"auto"` tries 5 first. 4 when left out. */
  readonly mqttVersion?: 4 | 5 | "auto" | undefined;
  /** What the broker publishes when this device vanishes. `%c` in its topic is the client identifier. */
  readonly will?: Will | undefined;
  /** Names offered by ALPN, for brokers that need one: `mqtt` on port 443, say. */
  readonly applicationProtocols?: readonly string[] | undefined;
  /** See `ReconnectSchedule`. Milliseconds. */
  readonly reconnectSpread?: readonly number[] | undefined;
  /** Milliseconds after which the broker's certificate must be checked anew, instead of resuming. 7 days when left out. */
  readonly maximumAuthenticationAge?: number | undefined;
  /** Whether a TLS 1.3 ticket may be used again when the broker accepted it and gave no new one. True when left out. */
  readonly reuseTickets?: boolean | undefined;
  readonly onConnected?: ((info: DeviceConnected) => void) | undefined;
  readonly onDisconnected?: ((info: DeviceDisconnected) => void) | undefined;
  /** A failure that no promise tells of, such as an error thrown by a subscription's handler. */
  readonly onError?: ((error: SealwireError) => void) | undefined;
}

export interface DeviceConnected {
  readonly protocol: TLSNegotiated["protocol"];
  readonly cipherSuite: string;
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
}

/** A message as it is handed to the handler of a subscription. */
export type DeviceMessage = Pick<SessionMessage, "topic" | "payload" | "qos" | "retain" | "redelivered">;

export interface DevicePublishOptions {
  readonly qos?: QoS | undefined;
  readonly retain?: boolean | undefined;
}
