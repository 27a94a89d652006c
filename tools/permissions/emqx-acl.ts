/** EMQX's `acl.conf`, for EMQX 5.1.1 or later: Erlang tuples, of which the first that matches decides. */
import type { Permissions } from "../../src/permissions/index.js";
import {
  beginsWithWildcard,
  numbered,
  type NumberedEntry,
  type PermissionsExport,
  substitute,
  Warnings,
} from "./export.js";

export function exportEMQX(permissions: Permissions): PermissionsExport {
  const warnings = new Warnings();
  const entries = numbered(permissions).filter((entry) => fits(entry, warnings));
  // What names a topic of the server outright goes before what keeps wildcards away from them.
  const own = entries.filter(({ topic }) => topic.startsWith("$"));
  const rest = entries.filter((entry) => !own.includes(entry));
  const lines = [
    "%% Made by `sealwire permissions export --to emqx`: change the permissions file instead.",
    ...own.map(ruleOf),
    ...(rest.some(({ topic }) => beginsWithWildcard(topic)) ? ['{deny, all, all, ["$SYS/#"]}.'] : []),
    ...rest.map(ruleOf),
    "{deny, all}.",
  ];
  const notes = [
    "Set authorization.no_match = deny and authorization.deny_action = disconnect or ignore, and let no other source stand before this file.",
    "%c is ${clientid}: set mqtt.peer_cert_as_clientid = cn, so that a client cannot say it is another; %u is ${username}: mqtt.peer_cert_as_username = cn.",
  ];
  return { content: `${lines.join("\n")}\n`, warnings: warnings.list, notes };
}

function fits({ number, topic, subscribe }: NumberedEntry, warnings: Warnings): boolean {
  if (topic.includes("${") || topic.startsWith("eq ")) {
    warnings.add(number, topic, "left out", "has a special meaning in acl.conf");
    return false;
  }
  if (beginsWithWildcard(topic))
    warnings.add(
      number,
      topic,
      "wider",
      "begins with a wildcard, which in acl.conf also matches topics that begin with $ ($SYS is denied by a rule of its own)",
    );
  // "+/#" itself is the same as "#".
  const wide = /^(.+\/)\+(\/#)?$/.exec(topic);
  if (subscribe && wide)
    warnings.add(
      number,
      topic,
      "wider",
      `has + where a subscription may have #, and acl.conf takes # for a level: ${wide[1]!}# is granted`,
    );
  return true;
}

function ruleOf({ topic, publish, subscribe, qos, anyQoS }: NumberedEntry): string {
  const action = publish ? (subscribe ? "all" : "publish") : "subscribe";
  const limited = anyQoS ? action : `{${action}, [{qos, [${qos.join(", ")}]}]}`;
  return `{allow, all, ${limited}, [${quoted(substitute(topic, "${clientid}", "${username}"))}]}.`;
}

/** A string of Erlang; what is not ASCII as a number, so that no encoding of the file matters. */
function quoted(text: string): string {
  const inside = Array.from(text, (character) => {
    if (character === '"' || character === "\\") return `\\${character}`;
    const code = character.codePointAt(0)!;
    return code < 0x7f ? character : `\\x{${code.toString(16)}}`;
  });
  return `"${inside.join("")}"`;
}
