/** What the simulator needs of a broker, whichever it is. */
import type { TLSVersion } from "../../src/platform.js";
import type { Credentials } from "../pki/index.js";

/** TLS versions that are allowed, both ends included. */
export interface TLSVersionRange {
  readonly minimum: TLSVersion;
  readonly maximum: TLSVersion;
}

/** Options of a broker that the tool starts itself. */
export interface LocalBrokerOptions {
  /** The broker's own certificate. */
  readonly server: Credentials;
  /** DER of the certificate that the certificates of clients must chain to. */
  readonly root: Uint8Array;
  /** Clients with a certificate on one of these lists are refused. DER; nothing is checked when left out. */
  readonly revocationLists?: readonly Uint8Array[];
  readonly versions: TLSVersionRange;
  /** A free one is chosen when left out. */
  readonly port?: number | undefined;
  /** Takes each line of the broker's log. */
  readonly onLog?: ((line: string) => void) | undefined;
  /** The broker ended though `stop()` was not called. */
  readonly onExit?: ((reason: string) => void) | undefined;
}

/** An MQTT broker that speaks TLS and wants a certificate of its clients. */
export interface Broker {
  /** For people: name and version. The version may be known only once it was started. */
  readonly name: string;
  /** The name that its certificate carries. */
  readonly host: string;
  /** Where it is reached: an IP address or a name. */
  readonly address: string;
  /** 0 until it was started. */
  readonly port: number;
  /** Resolves once connections are accepted. Rejects with a `CommandFailure` that says why it cannot be used. */
  start(): Promise<void>;
  /** Resolves once nothing of it is left. Safe more than once, and when it was never started. */
  stop(): Promise<void>;
  /**
   * Whether the broker itself says that it resumed the TLS session of the connection that came from this TCP port;
   * `undefined` when it does not tell, or there was no such connection.
   */
  resumed(remotePort: number): boolean | undefined;
}

/** The one address on which brokers that the tool starts listen: nobody else can reach them. */
export const loopback = "127.0.0.1";

/** The name that the development PKI gives them. */
export const localHost = "localhost";
