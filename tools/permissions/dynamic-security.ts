/** The configuration of Mosquitto's dynamic security plugin (https://mosquitto.org/documentation/dynamic-security/). */
import { Permissions } from "../../src/permissions/index.js";
import { type CommandFailure, usageFailure } from "../failure.js";
import { hashPassword } from "../broker/password-file.js";
import { fieldsOf } from "../provision/csv.js";
import { columns } from "../provision/columns.js";
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

/**
 * Reads the devices of a file: a client identifier per line, and after a comma the user name; or a table of `sealwire provision`, whose first line names
 * the columns.
 * @throws CommandFailure with exit code 2, which quotes nothing of a row: a table may hold passwords
 */
export function parseDevices(text: string): DynamicSecurityOptions["devices"] {
  const devices: { clientIdentifier: string; userName: string | undefined }[] = [];
  let header: string[] | undefined;
  text
    .replace(/^\ufeff/, "")
    .split(/\r?\n/)
    .forEach((line, i) => {
      if (/^\s*(#|$)/.test(line)) return;
      const refused = (why: string): CommandFailure => usageFailure(`Line ${i + 1} of the devices is refused: ${why}.`);
      const fields = fieldsOf(line);
      if (typeof fields === "string") throw refused(fields);
      if (i === 0 && isHeader(fields)) {
        header = fields.map((name) => name.toLowerCase());
        return;
      }
      if (header ? fields.length !== header.length : fields.length > 2)
        throw refused(`it has ${fields.length} ${fields.length === 1 ? "field" : "fields"}`);
      const names = header ?? ["id", "username"];
      const field = (name: string): string => fields[names.indexOf(name)] ?? "";
      if (field("id") === "") throw refused("it names no client identifier");
      devices.push({ clientIdentifier: field("id"), userName: field("username") || undefined });
    });
  return devices;
}

function isHeader(fields: readonly string[]): boolean {
  const known: readonly string[] = columns;
  return fields.every((name) => known.includes(name.toLowerCase()));
}

/** Checks that permissions can be bound to a device, before anything is written. */
export function checkDevices(devices: DynamicSecurityOptions["devices"]): void {
  const none = new Permissions([]);
  for (const { clientIdentifier, userName } of devices) none.bind({ clientIdentifier, userName });
}
