/** The configuration of Mosquitto's dynamic security plugin (https://mosquitto.org/documentation/dynamic-security/). */
import { Permissions } from "../../src/permissions/index.js";
import { usageFailure } from "../failure.js";
import { hashPassword } from "../broker/password-file.js";
import {
  beginsWithWildcard,
  hasPlaceholder,
  listed,
  numbered,
  type NumberedEntry,
  type PermissionsExport,
  Warnings,
} from "./export.js";

export interface DynamicSecurityOptions {
  /** The devices. The user name of one with a certificate is its client identifier: use_identity_as_username. */
  readonly devices: readonly { readonly clientIdentifier: string; readonly userName?: string | undefined }[];
  /** Somebody who may change the rules while the broker runs. */
  readonly admin?: { readonly userName: string; readonly password?: string | undefined } | undefined;
}

interface ACL {
  readonly acltype: "publishClientSend" | "publishClientReceive" | "subscribePattern" | "unsubscribePattern";
  readonly topic: string;
  readonly priority: number;
  readonly allow: boolean;
}

/** The role of what holds for every device. */
const commonRole = "sealwire";
const adminRole = "sealwire-admin";

/** Topics that no wildcard in front shall reach. */
const reserved = ["$SYS/#", "$CONTROL/#", "$share/+/$SYS/#", "$share/+/$CONTROL/#"];

export function exportDynamicSecurity(
  permissions: Permissions,
  { devices, admin }: DynamicSecurityOptions,
): PermissionsExport {
  if (devices.length === 0)
    throw usageFailure("Dynamic security lists every device: name them with --device or --devices.");
  const warnings = new Warnings();
  const entries = numbered(permissions);
  for (const entry of entries) warn(entry, warnings);
  const common = entries.filter(({ topic }) => !hasPlaceholder(topic));
  const own = entries.filter(({ topic }) => hasPlaceholder(topic));
  const roles: object[] = [{ rolename: commonRole, acls: aclsOf(common, ({ topic }) => topic) }];
  const clients: object[] = [];
  const seen = new Set<string>();
  for (const { clientIdentifier, userName = clientIdentifier } of devices) {
    if (seen.has(userName)) throw usageFailure(`The device ${JSON.stringify(userName)} is named twice.`);
    seen.add(userName);
    const bound = permissions.bind({ clientIdentifier, userName });
    const rolename = `${commonRole}-${userName}`;
    if (own.length > 0) roles.push({ rolename, acls: aclsOf(own, ({ number }) => bound.filter(number)) });
    clients.push({
      username: userName,
      clientid: clientIdentifier,
      roles: [{ rolename: commonRole }, ...(own.length > 0 ? [{ rolename }] : [])],
    });
  }
  if (admin) {
    if (seen.has(admin.userName))
      throw usageFailure(`The administrator ${JSON.stringify(admin.userName)} is a device, too.`);
    roles.push({ rolename: adminRole, acls: adminACLs() });
    clients.push({ username: admin.userName, ...hashed(admin.password), roles: [{ rolename: adminRole }] });
  }
  const content = {
    defaultACLAccess: { publishClientSend: false, publishClientReceive: false, subscribe: false, unsubscribe: true },
    clients,
    groups: [],
    roles,
  };
  return { content: `${JSON.stringify(content, undefined, 2)}\n`, warnings: warnings.list, notes };
}

const notes = [
  "Certificates alone admit a device when use_identity_as_username is true: disableClient ends its connection, but only the revocation list keeps it out.",
];

function hashed(password: string | undefined): object {
  if (password === undefined) return {};
  const { hash, salt, iterations } = hashPassword(password);
  return { password: hash.toString("base64"), salt: salt.toString("base64"), iterations };
}

function warn({ number, topic, anyQoS, qos, subscribe }: NumberedEntry, warnings: Warnings): void {
  if (!anyQoS)
    warnings.add(
      number,
      topic,
      "wider",
      `is for QoS ${listed(qos)} only, but dynamic security knows no QoS; max_qos of the listener is the only limit`,
    );
  if (!subscribe) return;
  if (beginsWithWildcard(topic))
    warnings.add(
      number,
      topic,
      "wider",
      "begins with a wildcard: Mosquitto grants subscriptions to topics of its own that begin with $ under it, though it delivers none ($SYS and $CONTROL are refused by a rule of their own)",
    );
  if (topic === "/#")
    warnings.add(
      number,
      topic,
      "wider",
      "is taken for # when Mosquitto 2.0 checks a subscription, though it delivers no more than the entry says",
    );
}

function aclsOf(entries: readonly NumberedEntry[], filterOf: (entry: NumberedEntry) => string | undefined): ACL[] {
  const acls = new Map<string, ACL>();
  // Mosquitto keeps one rule per type and topic.
  const add = (acltype: ACL["acltype"], topic: string, priority: number, allow = true): void => {
    const key = `${acltype} ${topic}`;
    if (!acls.has(key)) acls.set(key, { acltype, topic, priority, allow });
  };
  for (const entry of entries) {
    const filter = filterOf(entry);
    if (filter === undefined) continue;
    // What names a topic of the server outright goes before what keeps wildcards away from them.
    const priority = filter.startsWith("$") ? 2 : 0;
    if (entry.publish) add("publishClientSend", filter, 0);
    if (!entry.subscribe) continue;
    add("publishClientReceive", filter, 0);
    add("subscribePattern", filter, priority);
    add("subscribePattern", `$share/+/${filter}`, priority);
    if (beginsWithWildcard(filter)) for (const topic of reserved) add("subscribePattern", topic, 1, false);
  }
  return [...acls.values()];
}

function adminACLs(): ACL[] {
  const topic = "$CONTROL/dynamic-security/#";
  return (["publishClientSend", "publishClientReceive", "subscribePattern", "unsubscribePattern"] as const).map(
    (acltype) => ({ acltype, topic, priority: 0, allow: true }),
  );
}

/** Reads the devices of a file: one client identifier per line, or a CSV whose first column it is; a second column is the user name. */
export function parseDevices(text: string): DynamicSecurityOptions["devices"] {
  return text
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => {
      const [clientIdentifier = "", userName] = line.split(",").map((field) => field.trim());
      return { clientIdentifier, userName: userName === "" ? undefined : userName };
    });
}

/** Checks that permissions can be bound to a device, before anything is written. */
export function checkDevices(devices: DynamicSecurityOptions["devices"]): void {
  const none = new Permissions([]);
  for (const { clientIdentifier, userName } of devices) none.bind({ clientIdentifier, userName });
}
