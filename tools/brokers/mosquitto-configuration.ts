/** The files with which Mosquitto is started (mosquitto.conf(5)). */
import * as fs from "node:fs";
import * as path from "node:path";
import { toPEM } from "../pki/index.js";
import { type LocalBrokerOptions, loopback } from "./broker.js";

/** What {@link writeConfiguration} wrote. */
export interface MosquittoConfiguration {
  readonly file: string;
  /** Variables that Mosquitto must be started with. */
  readonly environment: Readonly<Record<string, string>>;
}

/**
 * Writes the configuration, certificates and key into a folder.
 * @param folder an empty one that only we can read
 */
export function writeConfiguration(
  folder: string,
  port: number,
  options: LocalBrokerOptions & MosquittoSettings,
): MosquittoConfiguration {
  const { server, root, revocationLists, versions, tickets = true, webSocketPort, settings = [] } = options;
  const write = (name: string, content: string): string => {
    const file = path.join(folder, name);
    fs.writeFileSync(file, content, { mode: 0o600 });
    return file;
  };
  const secure = [
    `cafile ${write("ca.pem", toPEM("CERTIFICATE", root))}`,
    `certfile ${write("server.pem", server.certificateChain.map((der) => toPEM("CERTIFICATE", der)).join(""))}`,
    `keyfile ${write("server.key", toPEM("PRIVATE KEY", server.privateKey))}`,
    "require_certificate true",
    "use_identity_as_username true",
    // For Mosquitto this is the lowest version.
    `tls_version ${versions.minimum === "TLSv1.3" ? "tlsv1.3" : "tlsv1.2"}`,
  ];
  if (revocationLists) {
    const lists = revocationLists.map((der) => toPEM("X509 CRL", der)).join("");
    secure.push(`crlfile ${write("revoked.pem", lists)}`);
  }
  const lines = [
    "persistence false",
    "log_dest stderr",
    "log_type all",
    "log_timestamp false",
    // Nothing that a test or a story publishes is dropped.
    "max_queued_messages 0",
    "allow_anonymous false",
    ...settings,
    `listener ${port} ${loopback}`,
    ...secure,
  ];
  if (webSocketPort !== undefined)
    lines.push(`listener ${webSocketPort} ${loopback}`, "protocol websockets", ...secure);
  const environment: Record<string, string> = {};
  // Mosquitto has no setting for the highest version and for tickets, OpenSSL has.
  const defaults = [
    ...(versions.maximum === "TLSv1.2" ? ["MaxProtocol = TLSv1.2"] : []),
    ...(tickets ? [] : ["Options = -SessionTicket"]),
  ];
  if (defaults.length > 0) environment["OPENSSL_CONF"] = write("openssl.cnf", openSSLDefaults(defaults));
  return { file: write("mosquitto.conf", `${[...asUser(), ...lines].join("\n")}\n`), environment };
}

export interface MosquittoSettings {
  /** Whether it issues tickets: true when left out. Without them it keeps the sessions of TLS 1.2 itself, each under its identifier. */
  readonly tickets?: boolean | undefined;
  /** A second listener, for WebSockets over TLS. */
  readonly webSocketPort?: number | undefined;
  /** Further lines of mosquitto.conf(5), for the whole broker. */
  readonly settings?: readonly string[] | undefined;
}

export interface PlainMosquittoSettings {
  /** Whether it keeps sessions and retained messages in a file, written at its end. */
  readonly persistence: boolean;
  /** Further lines of mosquitto.conf(5). */
  readonly settings: readonly string[];
}

/**
 * Writes the configuration of a listener without TLS into a folder.
 * @param folder an empty one that only we can read
 */
export function writePlainConfiguration(
  folder: string,
  port: number,
  { persistence, settings }: PlainMosquittoSettings,
): MosquittoConfiguration {
  const lines = [
    ...asUser(),
    `persistence ${persistence}`,
    `persistence_location ${folder}${path.sep}`,
    "log_dest stderr",
    "log_timestamp false",
    // Notices and no more: writing a line per packet would be part of what is measured.
    "log_type error",
    "log_type warning",
    "log_type notice",
    "log_type information",
    "max_queued_messages 0",
    "allow_anonymous true",
    ...settings,
    `listener ${port} ${loopback}`,
  ];
  const file = path.join(folder, "mosquitto.conf");
  fs.writeFileSync(file, `${lines.join("\n")}\n`, { mode: 0o600 });
  return { file, environment: {} };
}

/** Started by root it would become a user who cannot read the folder. */
function asUser(): string[] {
  return process.getuid?.() === 0 ? ["user root"] : [];
}

/** @param lines commands of SSL_CONF_cmd(3) */
function openSSLDefaults(lines: readonly string[]): string {
  return [
    "openssl_conf = settings",
    "[settings]",
    "ssl_conf = modules",
    "[modules]",
    "system_default = defaults",
    "[defaults]",
    ...lines,
    "",
  ].join("\n");
}
