/** Mosquitto's `acl_file` (mosquitto.conf(5)). */
import type { Permissions } from "../../src/permissions/index.js";
import { usageFailure } from "../failure.js";
import {
  hasPlaceholder,
  listed,
  numbered,
  type NumberedEntry,
  type PermissionsExport,
  substitute,
  Warnings,
} from "./export.js";

export interface MosquittoACLOptions {
  /** Entries without `%c` are for these users alone; for every user when left out. */
  readonly users?: readonly string[] | undefined;
}

/** Levels of a topic that Mosquitto accepts; one line with more and it does not start. */
const mostSlashes = 200;

/** @throws CommandFailure when a user name cannot stand in the file */
export function exportMosquittoACL(
  permissions: Permissions,
  { users = [] }: MosquittoACLOptions = {},
): PermissionsExport {
  for (const user of users)
    if (user !== user.trim() || user === "" || /[\p{Cc}+#/]/u.test(user))
      throw usageFailure(
        `The user name ${JSON.stringify(user)} cannot stand in an ACL file: no blanks around it, no + # / or control characters.`,
      );
  const warnings = new Warnings();
  const entries = numbered(permissions).filter((entry) => fits(entry, warnings));
  const named = users.length > 0;
  // A pattern holds for every user, wherever it stands; `topic` lines before any user hold for anonymous clients alone.
  const forAll = entries.filter(({ topic }) => !named || topic.split("/").includes("%c"));
  const forNamed = entries.filter((entry) => !forAll.includes(entry));
  for (const { number, topic } of named ? forAll : [])
    warnings.add(
      number,
      topic,
      "wider",
      "holds for every user, not only for those named: Mosquitto has %c in patterns alone, and a pattern is for all",
    );
  const lines = ["# Made by `sealwire permissions export --to mosquitto`: change the permissions file instead."];
  for (const entry of forAll) lines.push(`pattern ${access(entry)} ${entry.topic}`);
  for (const user of users) {
    lines.push("", `user ${user}`);
    for (const entry of forNamed) lines.push(`topic ${access(entry)} ${substitute(entry.topic, "%c", user)}`);
  }
  // A file without any rule would still be one that refuses everything.
  return { content: `${lines.join("\n")}\n`, warnings: warnings.list, notes: notesOf(entries) };
}

function fits(entry: NumberedEntry, warnings: Warnings): boolean {
  const { number, topic, anyQoS, qos, subscribe } = entry;
  if (topic !== topic.trim()) {
    warnings.add(number, topic, "left out", "begins or ends with a blank, which Mosquitto strips");
    return false;
  }
  if (topic.split("/").length - 1 > mostSlashes) {
    warnings.add(number, topic, "left out", `has more than ${mostSlashes} slashes, which Mosquitto refuses`);
    return false;
  }
  if (!anyQoS)
    warnings.add(
      number,
      topic,
      "wider",
      `is for QoS ${listed(qos)} only, but Mosquitto's ACL knows no QoS; max_qos of the listener is the only limit`,
    );
  if (subscribe)
    warnings.add(
      number,
      topic,
      "wider",
      "is for subscriptions, but Mosquitto grants every SUBSCRIBE and only withholds messages that no entry covers; --format dynamic-security refuses it in the SUBACK",
    );
  return true;
}

function access({ publish, subscribe }: NumberedEntry): string {
  return publish ? (subscribe ? "readwrite" : "write") : "read";
}

function notesOf(entries: readonly NumberedEntry[]): string[] {
  const notes: string[] = [];
  if (entries.some(({ topic }) => topic.split("/").includes("%c")))
    notes.push(
      "%c is what a client says it is, unless the listener has use_username_as_clientid true, as `sealwire broker config` writes it.",
    );
  if (entries.some(({ topic }) => hasPlaceholder(topic)))
    notes.push(
      "Mosquitto does not refuse a / in client identifiers and user names: issue certificates for names without one.",
    );
  return notes;
}
