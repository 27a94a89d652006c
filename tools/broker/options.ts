/** Options that `sealwire broker config` and `sealwire broker run` share. */
import * as fs from "node:fs";
import * as path from "node:path";
import { type Command, Option } from "commander";
import { usageFailure } from "../failure.js";
import { readPermissions } from "../permissions/file.js";
import { bridgeLines } from "./bridge.js";
import { parseBrokerURL } from "./broker-url.js";
import type { ManagedMosquittoOptions } from "./managed-mosquitto.js";
import type { Authentication, BrokerLimits, TLSFiles } from "./mosquitto-conf.js";

export interface BrokerArguments {
  readonly pki?: string;
  readonly server?: string;
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly crl?: string;
  readonly permissions?: string;
  readonly userPermissions?: readonly string[];
  readonly acl?: string;
  readonly dynamicSecurity?: string;
  readonly passwords?: string;
  readonly auth: "certificate" | "password" | "both";
  readonly port: string;
  readonly bind: string;
  readonly clientIdPrefix?: string;
  readonly claimedClientIds?: boolean;
  readonly maxConnections?: string;
  readonly maxPacketSize?: string;
  readonly maxQos?: string;
  readonly maxKeepAlive?: string;
  readonly maxInflight?: string;
  readonly maxQueued?: string;
  readonly bridge?: string;
  readonly bridgeCa?: string;
  readonly bridgeCert?: string;
  readonly bridgeKey?: string;
  readonly bridgeId?: string;
  readonly bridgeAlpn?: string;
  readonly bridgeMqtt: "3.1.1" | "5.0";
  readonly json?: boolean;
}

export function addBrokerOptions(command: Command): Command {
  return command
    .option(
      "--pki <folder>",
      "folder of sealwire pki: its authorities, its revocation lists, and its server's certificate",
    )
    .option("--server <name>", "with --pki: which of its servers (default: the only one)")
    .option("--ca <file>", "PEM of the authorities whose certificates clients may have")
    .option("--cert <file>", "PEM of the broker's certificate and those above it")
    .option("--key <file>", "PEM of the broker's private key")
    .option("--crl <file>", "PEM of the revocation lists")
    .option("--permissions <file>", "permissions file: what devices may do")
    .option("--user-permissions <user=file...>", "permissions file of a user who is no device, such as a back end")
    .option("--acl <file>", "instead: an acl_file of Mosquitto")
    .option("--dynamic-security <file>", "instead: a configuration of the dynamic security plugin")
    .option("--passwords <file>", "password file, made by sealwire broker password")
    .addOption(
      new Option("--auth <way>", "certificates; passwords over TLS; or both, passwords on the next port")
        .choices(["certificate", "password", "both"])
        .default("certificate"),
    )
    .option("--port <port>", "port of the first listener", "8883")
    .option("--bind <address>", "address to listen on", "127.0.0.1")
    .option("--client-id-prefix <text>", "client identifiers must begin so")
    .option("--claimed-client-ids", "clients keep the identifier that they claim, instead of their proved user name")
    .option("--max-connections <number>", "connections of one listener (default: 10,000)")
    .option("--max-packet-size <bytes>", "largest MQTT packet (default: 131,072)")
    .option("--max-qos <level>", "highest QoS (default: what the permissions need)")
    .option("--max-keep-alive <seconds>", "longest keep-alive (default: 3,600)")
    .option("--max-inflight <number>", "unacknowledged messages to one client (default: 20)")
    .option("--max-queued <number>", "messages that wait for one client (default: 1,000)")
    .option("--bridge <url>", "mqtts://host:port of a broker to carry the devices' messages to")
    .option("--bridge-ca <file>", "PEM of the authorities that sign its certificate")
    .option("--bridge-cert <file>", "PEM of the gateway's certificate there")
    .option("--bridge-key <file>", "PEM of the gateway's private key there")
    .option("--bridge-id <id>", "client identifier of the gateway there")
    .option("--bridge-alpn <protocol>", "such as x-amzn-mqtt-ca for AWS IoT Core on port 443")
    .addOption(
      new Option("--bridge-mqtt <version>", "version of MQTT of the bridge").choices(["3.1.1", "5.0"]).default("5.0"),
    )
    .option("--json", "print JSON")
    .helpOption("-h, --help", "print this help");
}

export function required(value: string | undefined, option: string): string {
  if (value === undefined) throw usageFailure(`${option} is missing.`);
  return value;
}

/** What is not given comes from the PKI, where there is one. */
export function tlsFiles(given: BrokerArguments): TLSFiles {
  const fleet = given.pki === undefined ? undefined : filesOfPKI(given.pki, given.server);
  const crl = given.crl ?? fleet?.crl;
  return {
    ca: path.resolve(required(given.ca ?? fleet?.ca, "--ca")),
    certificate: path.resolve(required(given.cert ?? fleet?.cert, "--cert")),
    key: path.resolve(required(given.key ?? fleet?.key, "--key")),
    revocationList: crl === undefined ? undefined : path.resolve(crl),
  };
}

/** The files of `sealwire pki`, as it writes them. */
function filesOfPKI(folder: string, server?: string): { ca: string; crl: string; cert: string; key: string } {
  const servers = path.join(folder, "servers");
  const names = fs.existsSync(servers)
    ? fs
        .readdirSync(servers)
        .filter((file) => file.endsWith(".crt"))
        .map((file) => file.slice(0, -4))
    : [];
  const [only, ...others] = names;
  const name = server ?? (others.length === 0 ? only : undefined);
  if (name === undefined || !names.includes(name))
    throw usageFailure(
      names.length === 0
        ? `There is no server in ${servers}: sealwire pki server makes one.`
        : `Say with --server which one is meant: ${names.join(", ")}.`,
    );
  const own = path.join(servers, name);
  return {
    ca: path.join(folder, "ca-chain.crt"),
    crl: path.join(folder, "crl.pem"),
    cert: `${own}.crt`,
    key: `${own}.key`,
  };
}

/** @throws CommandFailure when something is missing or wrong */
export function brokerOptions(given: BrokerArguments): Omit<ManagedMosquittoOptions, "folder"> {
  const { ca, certificate, key, revocationList } = tlsFiles(given);
  const permissions = [given.permissions, given.acl, given.dynamicSecurity].filter((file) => file !== undefined);
  if (permissions.length > 1)
    throw usageFailure("Only one of --permissions, --acl and --dynamic-security can be given.");
  const authentication: Authentication[] = given.auth === "both" ? ["certificate", "password"] : [given.auth];
  const port = whole(given.port, "--port", 1, 65_535);
  return {
    sources: {
      ca,
      certificate,
      key,
      revocationList,
      permissions: given.permissions,
      acl: given.acl,
      dynamicSecurity: given.dynamicSecurity,
      passwordFile: given.passwords,
    },
    userPermissions: userPermissionsOf(given),
    authentication,
    port,
    bind: given.bind,
    clientIdentifierPrefix: given.clientIdPrefix,
    claimedClientIdentifiers: given.claimedClientIds,
    limits: limitsOf(given),
    bridge: bridgeOf(given),
  };
}

/** Files by user. */
function userPermissionsOf({ permissions, userPermissions = [] }: BrokerArguments): ReadonlyMap<string, string> {
  if (userPermissions.length > 0 && permissions === undefined)
    throw usageFailure("--user-permissions goes with --permissions.");
  const files = new Map<string, string>();
  for (const pair of userPermissions) {
    const [, user, file] = /^([^=]+)=(.+)$/.exec(pair) ?? [];
    if (user === undefined || file === undefined || files.has(user))
      throw usageFailure(`--user-permissions must be USER=FILE, once for each user, not ${pair}.`);
    files.set(user, file);
  }
  return files;
}

function limitsOf(given: BrokerArguments): Partial<BrokerLimits> {
  const limits: { -readonly [name in keyof BrokerLimits]?: BrokerLimits[name] } = {};
  const read = (
    text: string | undefined,
    option: string,
    least: number,
    most: number,
    take: (value: number) => void,
  ): void => {
    if (text !== undefined) take(whole(text, option, least, most));
  };
  read(given.maxConnections, "--max-connections", 1, 1_000_000, (value) => (limits.maximumConnections = value));
  read(given.maxPacketSize, "--max-packet-size", 20, 268_435_455, (value) => (limits.maximumPacketSize = value));
  read(given.maxKeepAlive, "--max-keep-alive", 10, 65_535, (value) => (limits.maximumKeepAlive = value));
  read(given.maxInflight, "--max-inflight", 1, 65_535, (value) => (limits.maximumInflight = value));
  // Not 0, which is no limit, and makes Mosquitto 2.0 cut off whoever publishes what he may not.
  read(given.maxQueued, "--max-queued", 1, 1_000_000_000, (value) => (limits.maximumQueued = value));
  read(given.maxQos, "--max-qos", 0, 2, (value) => (limits.maximumQoS = value as 0 | 1 | 2));
  if (limits.maximumQoS === undefined && given.permissions !== undefined) {
    const needed = [given.permissions, ...userPermissionsOf(given).values()]
      .flatMap((file) => readPermissions(file).entries)
      .flatMap(({ qos }): readonly number[] => qos ?? [2]);
    if (needed.length > 0) limits.maximumQoS = Math.max(...needed) as 0 | 1 | 2;
  }
  return limits;
}

function bridgeOf(given: BrokerArguments): string[] | undefined {
  if (given.bridge === undefined) return undefined;
  const { host, port } = parseBrokerURL(given.bridge);
  return bridgeLines({
    host,
    port,
    clientIdentifier: required(given.bridgeId, "--bridge-id"),
    ca: path.resolve(required(given.bridgeCa, "--bridge-ca")),
    certificate: path.resolve(required(given.bridgeCert, "--bridge-cert")),
    key: path.resolve(required(given.bridgeKey, "--bridge-key")),
    applicationProtocol: given.bridgeAlpn,
    protocol: given.bridgeMqtt === "5.0" ? "mqttv50" : "mqttv311",
    permissions: readPermissions(required(given.permissions, "--permissions")),
  });
}

/** @throws CommandFailure unless the text is a whole number in the range */
export function whole(text: string, option: string, least: number, most: number): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < least || value > most)
    throw usageFailure(
      `${option} must be a whole number from ${least.toLocaleString("en")} to ${most.toLocaleString("en")}.`,
    );
  return value;
}
