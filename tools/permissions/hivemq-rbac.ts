/** `credentials.xml` of HiveMQ's File RBAC extension. */
import { pbkdf2Sync, randomBytes } from "node:crypto";
import type { Permissions } from "../../src/permissions/index.js";
import { usageFailure } from "../failure.js";
import {
  beginsWithWildcard,
  numbered,
  type NumberedEntry,
  type PermissionsExport,
  substitute,
  Warnings,
} from "./export.js";

export interface HiveMQOptions {
  /** At least one: without users the extension refuses the file. */
  readonly users: readonly { readonly name: string; readonly password: string }[];
}

const role = "sealwire";

/** What the extension's own generator takes. */
const iterations = 100_000;

/** The levels as the extension names them. */
const levels: Readonly<Record<string, string>> = {
  "0": "ZERO",
  "1": "ONE",
  "2": "TWO",
  "0 1": "ZERO_ONE",
  "0 2": "ZERO_TWO",
  "1 2": "ONE_TWO",
  "0 1 2": "ALL",
};

export function exportHiveMQ(permissions: Permissions, { users }: HiveMQOptions): PermissionsExport {
  if (users.length === 0)
    throw usageFailure("The file of HiveMQ lists users with passwords: name them with --user and --password-file.");
  if (new Set(users.map(({ name }) => name)).size < users.length) throw usageFailure("A user is named twice.");
  for (const { name } of users)
    if (name === "" || /[\p{Cc}+#]/u.test(name))
      throw usageFailure("User names for HiveMQ hold no + # or control characters.");
  const warnings = new Warnings();
  const entries = numbered(permissions).filter((entry) => fits(entry, warnings));
  if (entries.length === 0)
    throw usageFailure("There is no entry that HiveMQ could be told of, and its file may not be without one.");
  const lines = [
    '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>',
    "<!-- Made by `sealwire permissions export`: change the permissions file instead. -->",
    "<file-rbac>",
    "  <users>",
    ...users.flatMap(({ name, password }) => [
      "    <user>",
      `      <name>${xml(name)}</name>`,
      `      <password>${hivemqPasswordHash(password)}</password>`,
      `      <roles><id>${role}</id></roles>`,
      "    </user>",
    ]),
    "  </users>",
    "  <roles>",
    "    <role>",
    `      <id>${role}</id>`,
    "      <permissions>",
    ...entries.flatMap(permissionOf),
    "      </permissions>",
    "    </role>",
    "  </roles>",
    "</file-rbac>",
  ];
  const notes = [
    "password-type must be HASHED in extension-config.xml.",
    "%c is what a client says it is: the extension does not bind client identifiers to users.",
    "The extension changes nothing for clients that are connected: a permission that was taken away holds from their next connection.",
  ];
  return { content: `${lines.join("\n")}\n`, warnings: warnings.list, notes };
}

/** base64 of the salt, iterations, base64 of PBKDF2-HMAC-SHA-512. */
export function hivemqPasswordHash(password: string, salt: Uint8Array = randomBytes(32), rounds = iterations): string {
  const hash = pbkdf2Sync(password, salt, rounds, 64, "sha512");
  return `${Buffer.from(salt).toString("base64")}:${rounds}:${hash.toString("base64")}`;
}

function fits({ number, topic }: NumberedEntry, warnings: Warnings): boolean {
  if (topic.includes("${{")) {
    warnings.add(number, topic, "left out", "has a special meaning in credentials.xml");
    return false;
  }
  if (beginsWithWildcard(topic))
    warnings.add(
      number,
      topic,
      "wider",
      "begins with a wildcard; whether HiveMQ keeps it from topics that begin with $ has not been tried",
    );
  return true;
}

function permissionOf({ topic, publish, subscribe, qos }: NumberedEntry): string[] {
  return [
    "        <permission>",
    `          <topic>${xml(substitute(topic, "${{clientid}}", "${{username}}"))}</topic>`,
    `          <activity>${publish ? (subscribe ? "ALL" : "PUBLISH") : "SUBSCRIBE"}</activity>`,
    `          <qos>${levels[qos.join(" ")] ?? "ALL"}</qos>`,
    "          <retain>ALL</retain>",
    "          <shared-subscription>ALL</shared-subscription>",
    "          <shared-group>#</shared-group>",
    "        </permission>",
  ];
}

function xml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
