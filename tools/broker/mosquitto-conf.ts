/** A hardened mosquitto.conf(5) for Mosquitto 2.0. */
import * as net from "node:net";
import * as path from "node:path";
import { usageFailure } from "../failure.js";

/** Files are absolute paths. */
export interface TLSFiles {
  /** The authorities whose certificates clients may use. */
  readonly ca: string;
  /** The broker's own certificate and those above it. */
  readonly certificate: string;
  readonly key: string;
  /** Revocation lists. Mosquitto checks the client's own certificate alone, and refuses everybody once the list is past its next update. */
  readonly revocationList?: string | undefined;
}

/** How clients show who they are. */
export type Authentication = "certificate" | "password";

export interface Listener {
  readonly port: number;
  readonly authentication: Authentication;
}

export interface BrokerLimits {
  /** Connections of one listener. */
  readonly maximumConnections: number;
  /** Bytes of one MQTT packet. */
  readonly maximumPacketSize: number;
  /** Unacknowledged QoS 1 and 2 messages to one client. */
  readonly maximumInflight: number;
  /** Messages that wait for one client that is away. */
  readonly maximumQueued: number;
  /** Seconds; a longer keep-alive is cut by MQTT 5, and not admitted by MQTT 3.1.1. */
  readonly maximumKeepAlive: number;
  readonly maximumQoS: 0 | 1 | 2;
  /** Days after which the session of a client that stays away is dropped. */
  readonly sessionExpiry: number;
}

export const defaultLimits: BrokerLimits = {
  maximumConnections: 10_000,
  maximumPacketSize: 131_072,
  maximumInflight: 20,
  maximumQueued: 1_000,
  maximumKeepAlive: 3_600,
  maximumQoS: 2,
  sessionExpiry: 14,
};

export interface MosquittoConfOptions {
  readonly listeners: readonly Listener[];
  /** Address to listen on; loopback when left out, so that nobody else can reach it. */
  readonly bind?: string | undefined;
  readonly tls: TLSFiles;
  readonly passwordFile?: string | undefined;
  /** One of the two. */
  readonly aclFile?: string | undefined;
  readonly dynamicSecurity?: { readonly plugin: string; readonly file: string } | undefined;
  /** Client identifiers must begin so. */
  readonly clientIdentifierPrefix?: string | undefined;
  /** Whether a client keeps the identifier that it says it has; otherwise it is its user name, which it proved. */
  readonly claimedClientIdentifiers?: boolean | undefined;
  readonly limits?: Partial<BrokerLimits> | undefined;
  /** Folder for sessions and retained messages; they live in memory alone when left out. */
  readonly persistence?: string | undefined;
  /** Whom the broker becomes when root starts it. */
  readonly user?: string | undefined;
  /** Lines of bridges, from `bridgeLines()`. */
  readonly bridge?: readonly string[] | undefined;
}

/** Forward secrecy and authenticated encryption only (RFC 9325 section 4.2). */
const ciphers = [
  "ECDHE-ECDSA-AES128-GCM-SHA256",
  "ECDHE-RSA-AES128-GCM-SHA256",
  "ECDHE-ECDSA-CHACHA20-POLY1305",
  "ECDHE-RSA-CHACHA20-POLY1305",
  "ECDHE-ECDSA-AES256-GCM-SHA384",
  "ECDHE-RSA-AES256-GCM-SHA384",
  "ECDHE-ECDSA-AES128-CCM",
  "ECDHE-ECDSA-AES128-CCM8",
];

/** @throws CommandFailure for what cannot stand in the file, or would leave it open */
export function mosquittoConf(options: MosquittoConfOptions): string {
  const {
    listeners,
    bind = "127.0.0.1",
    tls,
    passwordFile,
    aclFile,
    dynamicSecurity,
    limits: given,
    persistence,
    user,
  } = options;
  const limits = { ...defaultLimits, ...given };
  check(options, bind);
  const lines = [
    "# Made by `sealwire broker config`.",
    "per_listener_settings false",
    "allow_anonymous false",
    "allow_zero_length_clientid false",
    ...(user === undefined ? [] : [`user ${user}`]),
    "",
    "log_dest stderr",
    "log_timestamp false",
    "log_type error",
    "log_type warning",
    "log_type notice",
    "log_type information",
    "connection_messages true",
    "",
    ...(persistence === undefined
      ? ["persistence false"]
      : ["persistence true", `persistence_location ${persistence}${path.sep}`, "autosave_interval 300"]),
    `persistent_client_expiration ${limits.sessionExpiry}d`,
    `max_packet_size ${limits.maximumPacketSize}`,
    `max_inflight_messages ${limits.maximumInflight}`,
    `max_queued_messages ${limits.maximumQueued}`,
    `max_keepalive ${limits.maximumKeepAlive}`,
    "set_tcp_nodelay true",
    "",
    // Who may come in, and what he may do. Read again at SIGHUP.
    ...(passwordFile === undefined ? [] : [`password_file ${passwordFile}`]),
    ...(aclFile === undefined ? [] : [`acl_file ${aclFile}`]),
    ...(dynamicSecurity === undefined
      ? []
      : [`plugin ${dynamicSecurity.plugin}`, `plugin_opt_config_file ${dynamicSecurity.file}`]),
    ...(options.clientIdentifierPrefix === undefined ? [] : [`clientid_prefixes ${options.clientIdentifierPrefix}`]),
  ];
  for (const { port, authentication } of listeners) {
    const certificates = authentication === "certificate";
    lines.push(
      "",
      `listener ${port} ${bind}`,
      "protocol mqtt",
      `max_connections ${limits.maximumConnections}`,
      `max_qos ${limits.maximumQoS}`,
      "max_topic_alias 10",
      "tls_version tlsv1.2",
      `ciphers ${ciphers.join(":")}`,
      `certfile ${tls.certificate}`,
      `keyfile ${tls.key}`,
      `require_certificate ${certificates}`,
    );
    if (certificates) {
      lines.push(`cafile ${tls.ca}`, "use_identity_as_username true");
      if (tls.revocationList !== undefined) lines.push(`crlfile ${tls.revocationList}`);
    }
    // A client identifier that anybody may claim lets him take over sessions, and be whom he likes for %c.
    lines.push(`use_username_as_clientid ${options.claimedClientIdentifiers !== true}`);
  }
  if (options.bridge && options.bridge.length > 0) lines.push("", ...options.bridge);
  return `${lines.join("\n")}\n`;
}

function check(options: MosquittoConfOptions, bind: string): void {
  const { listeners, tls, passwordFile, aclFile, dynamicSecurity, clientIdentifierPrefix, persistence, user } = options;
  const texts = { bind, passwordFile, aclFile, clientIdentifierPrefix, persistence, user, ...tls, ...dynamicSecurity };
  for (const [name, text] of Object.entries(texts))
    if (text !== undefined && (text === "" || text !== text.trim() || /\p{Cc}/u.test(text)))
      throw usageFailure(`The setting ${name} must not be empty, nor hold control characters or blanks around it.`);
  if (net.isIP(bind) === 0 && !/^[A-Za-z0-9.-]+$/.test(bind)) throw usageFailure(`${bind} is no address to listen on.`);
  if (listeners.length === 0) throw usageFailure("There is no listener.");
  if (new Set(listeners.map(({ port }) => port)).size < listeners.length)
    throw usageFailure("Two listeners have the same port.");
  for (const { port } of listeners)
    if (!Number.isInteger(port) || port < 1 || port > 65_535) throw usageFailure("A port must be from 1 to 65535.");
  const passwords = listeners.some(({ authentication }) => authentication === "password");
  if (passwords && passwordFile === undefined && dynamicSecurity === undefined)
    throw usageFailure("A listener for passwords needs a password file, or dynamic security.");
  if (aclFile !== undefined && dynamicSecurity !== undefined)
    throw usageFailure("An ACL file and dynamic security do not go together: what one allows, the other would refuse.");
  if (aclFile === undefined && dynamicSecurity === undefined)
    throw usageFailure(
      "Without permissions every client could do everything: give a permissions file, an ACL or dynamic security.",
    );
}
