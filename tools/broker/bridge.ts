/** Bridges of Mosquitto (mosquitto.conf(5), "Configuring bridges"): a gateway that speaks for the devices behind it. */
import type { Permissions } from "../../src/permissions/index.js";
import { usageFailure } from "../failure.js";

export interface BridgeOptions {
  readonly host: string;
  readonly port: number;
  /** Client identifier of the gateway at the remote broker; its session there is kept. */
  readonly clientIdentifier: string;
  /** Absolute paths: what the remote broker's certificate must chain to; certificate and key of the gateway. */
  readonly ca: string;
  readonly certificate: string;
  readonly key: string;
  /** Such as `x-amzn-mqtt-ca` for AWS IoT Core on port 443. */
  readonly applicationProtocol?: string | undefined;
  /** `mqttv50` when left out; AWS IoT Core wants `mqttv311`. */
  readonly protocol?: "mqttv311" | "mqttv50" | undefined;
  /** What is carried: what devices publish goes out, what they subscribe to comes in. */
  readonly permissions: Permissions;
  /** Bytes of the largest packet that the remote broker takes. */
  readonly maximumPacketSize?: number | undefined;
}

/** Lines for mosquitto.conf. */
export function bridgeLines(options: BridgeOptions): string[] {
  const { host, port, clientIdentifier, ca, certificate, key, permissions } = options;
  for (const text of [host, clientIdentifier, ca, certificate, key, options.applicationProtocol ?? "x"])
    if (text === "" || text !== text.trim() || /\p{Cc}/u.test(text))
      throw usageFailure(
        "The settings of a bridge must not be empty, nor hold control characters or blanks around them.",
      );
  if (/\s/.test(host + clientIdentifier))
    throw usageFailure("Host and client identifier of a bridge must not hold blanks.");
  if (!Number.isInteger(port) || port < 1 || port > 65_535) throw usageFailure("A port must be from 1 to 65535.");
  const topics = topicsOf(permissions);
  if (!topics.some((line) => line.startsWith("topic ")))
    throw usageFailure("There is no permission that a bridge could carry.");
  return [
    "# Bridge: settings are read at the start alone, not at SIGHUP.",
    `connection ${clientIdentifier}`,
    `address ${host.includes(":") ? `[${host}]` : host}:${port}`,
    `remote_clientid ${clientIdentifier}`,
    `bridge_cafile ${ca}`,
    `bridge_certfile ${certificate}`,
    `bridge_keyfile ${key}`,
    "bridge_insecure false",
    "bridge_tls_version tlsv1.2",
    ...(options.applicationProtocol === undefined ? [] : [`bridge_alpn ${options.applicationProtocol}`]),
    `bridge_protocol_version ${options.protocol ?? "mqttv50"}`,
    ...(options.maximumPacketSize === undefined ? [] : [`bridge_max_packet_size ${options.maximumPacketSize}`]),
    // What happens while the remote broker cannot be reached is queued there and here.
    "cleansession false",
    "local_cleansession false",
    "start_type automatic",
    // Seconds: from 5, twice as long each time, to 120; a little of it is random.
    "restart_timeout 5 120",
    "keepalive_interval 60",
    // Not every broker lets a bridge tell others that it is one.
    "try_private false",
    "notifications_local_only true",
    "bridge_attempt_unsubscribe false",
    "bridge_outgoing_retain false",
    ...topics,
  ];
}

/** A gateway speaks for all devices behind it: for `%c` and `%u` it carries every one. */
function topicsOf(permissions: Permissions): string[] {
  const lines = new Set<string>();
  for (const [i, { topic, operation, qos }] of permissions.entries.entries()) {
    const carried = topic
      .split("/")
      .map((level) => (level === "%c" || level === "%u" ? "+" : level))
      .join("/");
    // Whole patterns with blanks cannot be written; topics of the server itself stay where they are.
    if (/\s/.test(carried) || carried.startsWith("$")) {
      lines.add(
        `# Permission ${i + 1} is left out: ${carried.startsWith("$") ? "topics that begin with $ stay where they are" : "a topic with blanks cannot be written here"}.`,
      );
      continue;
    }
    const direction = operation === "both" ? "both" : operation === "publish" ? "out" : "in";
    lines.add(`topic ${carried} ${direction} ${Math.max(...(qos ?? [2]))}`);
  }
  return [...lines];
}
