/** What the suite needs of a broker: a port, its versions, and the rules that every one of them is configured with. */
import type { ProtocolVersion } from "../../src/mqtt/index.js";

export interface BrokerUnderTest {
  /** 0 while it does not run. */
  readonly port: number;
  start(): Promise<void>;
  /** Resolves once nothing of it is left. Safe when it was never started. */
  stop(): Promise<void>;
}

/** Everybody may connect but who uses this name. */
export const WRONG_USER = "wrong@elsewhere";

/** Everybody may subscribe to everything but this topic. */
export const FORBIDDEN_TOPIC = "forbidden/three/levels";

/** A broker in one version, as the cases see it. */
export interface Subject {
  readonly version: ProtocolVersion;
  /** All that it speaks, the highest last. */
  readonly versions: readonly ProtocolVersion[];
  /** Known once it runs. */
  readonly port: () => number;
  readonly traits: Traits;
  /** Whom devices say they are, where the broker wants to know. */
  readonly login: Login | undefined;
}

export interface Login {
  readonly user: string;
  readonly password: string;
}

/** The error with which a connection or an attempt at one ends. */
export interface Refusal {
  readonly code: string;
  readonly reasonCode?: number;
}

/** Where brokers differ, be it that the standard leaves them the choice or that they deviate from it. */
export interface Traits {
  /** The QoS that it grants for 0, 1 and 2, and with which it delivers. */
  readonly granted: readonly [0, 1, 2] | readonly [0, 1, 1];
  /** The highest QoS with which it takes publications. */
  readonly publishQoS: 1 | 2;
  /** Whether a session without subscriptions is present at the next connection, as it should be [MQTT-3.2.2-2]. */
  readonly keepsBareSessions: boolean;
  /** Over 5.0: whether the session that Clean Start began is present at the next connection. */
  readonly keepsCleanSessions: boolean;
  /** Whether each QoS 2 message comes once and in order though the connections of both ends break. */
  readonly exactlyOnce: boolean;
  readonly wrongUser: Refusal;
  /** Its return or reason code for a subscription that is forbidden, or the end of the connection. */
  readonly forbidden: number | Refusal;
  /** What a 3.1.1 server does with version 5.0. */
  readonly version5?: Refusal;
  /** How the older of two connections with one client identifier ends. */
  readonly takeover: Refusal;
}
