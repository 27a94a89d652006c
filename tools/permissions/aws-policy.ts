/**
 * A policy of AWS IoT Core (developer guide, "AWS IoT Core policies"). Its wildcard * takes slashes, too, and + and # are plain characters to
 * it: what a + allows is an Allow with * and a Deny of what * takes too much, where that Deny takes nothing from another entry.
 */
import type { Permissions } from "../../src/permissions/index.js";
import { CommandFailure, exitCodes, usageFailure } from "../failure.js";
import { listed, numbered, type NumberedEntry, type PermissionsExport, substitute, Warnings } from "./export.js";
import { overlap } from "./glob.js";

export type AWSClientVariable = "thing" | "client-id" | "certificate";

export interface AWSPolicyOptions {
  readonly region: string;
  /** 12 digits. */
  readonly account: string;
  /** `aws` when left out; `aws-cn`, `aws-us-gov`. */
  readonly partition?: string | undefined;
  /** What stands for `%c`: the name of the thing that the certificate is attached to, when left out. */
  readonly clientVariable?: AWSClientVariable | undefined;
  /** Whether messages may be published to be retained. */
  readonly retain?: boolean | undefined;
}

interface Statement {
  readonly Effect: "Allow" | "Deny";
  readonly Action: string | string[];
  readonly Resource: string[];
  readonly Condition?: object;
}

/** Variables of the policy language for `%c`, and for `%u`: the name in the certificate. */
const variables: Readonly<Record<AWSClientVariable, string>> = {
  thing: "${iot:Connection.Thing.ThingName}",
  "client-id": "${iot:ClientId}",
  certificate: "${iot:Certificate.Subject.CommonName}",
};

/** Quotas of AWS IoT Core (AWS General Reference, "AWS IoT Core endpoints and quotas"). */
export const awsLimits = { policyLength: 2048, topicLength: 256, slashes: 7 } as const;

/** @throws CommandFailure when AWS would refuse the policy */
export function exportAWSPolicy(permissions: Permissions, options: AWSPolicyOptions): PermissionsExport {
  const { region, account, partition = "aws", clientVariable = "thing", retain = false } = options;
  if (!/^[a-z]{2}(-[a-z]+)+-\d$/.test(region))
    throw usageFailure("The region must be one of AWS, such as eu-central-1.");
  if (!/^\d{12}$/.test(account)) throw usageFailure("The account must be the 12 digits of an AWS account.");
  if (!/^aws(-[a-z]+)*$/.test(partition)) throw usageFailure("The partition must be aws, aws-cn or aws-us-gov.");
  const warnings = new Warnings();
  const entries = numbered(permissions).filter((entry) => fits(entry, warnings));
  const client = variables[clientVariable];
  const arn = (kind: string, text: string): string => `arn:${partition}:iot:${region}:${account}:${kind}/${text}`;
  const glob = (topic: string): string => substitute(escaped(topic), client, variables.certificate);

  const publish = resources(
    entries.filter((entry) => entry.publish),
    glob,
    false,
    warnings,
    "publish to",
  );
  const receive = resources(
    entries.filter((entry) => entry.subscribe),
    glob,
    false,
    warnings,
    "receive from",
  );
  const subscribe = resources(
    entries.filter((entry) => entry.subscribe),
    glob,
    true,
    warnings,
    "subscribe to",
  );
  const statements: Statement[] = [
    {
      Effect: "Allow",
      Action: "iot:Connect",
      Resource: [arn("client", client)],
      ...(clientVariable === "thing" ? { Condition: { Bool: { "iot:Connection.Thing.IsAttached": ["true"] } } } : {}),
    },
  ];
  const add = (
    Effect: Statement["Effect"],
    Action: string | string[],
    kind: string,
    texts: readonly string[],
  ): void => {
    if (texts.length > 0) statements.push({ Effect, Action, Resource: texts.map((text) => arn(kind, text)) });
  };
  const publishing = retain ? ["iot:Publish", "iot:RetainPublish"] : "iot:Publish";
  add("Allow", publishing, "topic", publish.allow);
  add("Deny", publishing, "topic", publish.deny);
  add("Allow", "iot:Subscribe", "topicfilter", subscribe.allow);
  add("Deny", "iot:Subscribe", "topicfilter", subscribe.deny);
  add("Allow", "iot:Receive", "topic", receive.allow);
  add("Deny", "iot:Receive", "topic", receive.deny);

  const policy = { Version: "2012-10-17", Statement: statements };
  const byteLength = Buffer.byteLength(JSON.stringify(policy));
  if (byteLength > awsLimits.policyLength)
    throw new CommandFailure(
      exitCodes.failed,
      "PERMISSIONS_INVALID",
      `The policy would have ${byteLength.toLocaleString("en")} bytes, and AWS takes ${awsLimits.policyLength.toLocaleString("en")}: use fewer or wider entries, or attach several policies made from parts of the file.`,
    );
  const notes = [
    "AWS IoT Core knows no QoS 2, and refuses publications to be retained unless the policy is made with --retain.",
  ];
  if (clientVariable === "thing")
    notes.push("The certificate must be attached to a thing whose name is the client identifier.");
  if (clientVariable === "client-id")
    notes.push(
      "${iot:ClientId} is what a client says it is: any certificate with this policy can be any device. Prefer --client thing.",
    );
  return { content: `${JSON.stringify(policy, undefined, 2)}\n`, warnings: warnings.list, notes };
}

function fits({ number, topic, qos, anyQoS }: NumberedEntry, warnings: Warnings): boolean {
  if (Buffer.byteLength(topic) > awsLimits.topicLength) {
    warnings.add(number, topic, "left out", `is longer than the ${awsLimits.topicLength} bytes that AWS takes`);
    return false;
  }
  // Topics of basic ingest do not count their first three levels.
  const counted = topic.startsWith("$aws/rules/") ? topic.split("/").slice(3).join("/") : topic;
  if (counted.split("/").length - 1 > awsLimits.slashes) {
    warnings.add(number, topic, "left out", `has more than the ${awsLimits.slashes} slashes that AWS takes`);
    return false;
  }
  // That QoS 2 is refused needs no policy.
  if (!anyQoS && !(qos.includes(0) && qos.includes(1)))
    warnings.add(number, topic, "wider", `is for QoS ${listed(qos)} only, but policies of AWS know no QoS`);
  return true;
}

/** What is special in a policy but not in a topic; MQTT's own wildcards are dealt with by the caller. */
function escaped(topic: string): string {
  return topic.replace(/[*?$]/g, (character) => `\${${character}}`);
}

interface Pattern {
  readonly entry: NumberedEntry;
  readonly allow: readonly string[];
  /** What the patterns above take too much. */
  readonly deny: readonly string[];
}

/** The resources of one action, and those that must be denied again. */
function resources(
  entries: readonly NumberedEntry[],
  glob: (topic: string) => string,
  filters: boolean,
  warnings: Warnings,
  action: string,
): { allow: string[]; deny: string[] } {
  const patterns = entries.map((entry) => patternOf(entry, glob, filters));
  const allow = new Set<string>();
  const deny = new Set<string>();
  for (const { entry, allow: own, deny: excess } of patterns) {
    const { number, topic } = entry;
    for (const text of own) allow.add(text);
    if (isInexact(topic))
      warnings.add(
        number,
        topic,
        "wider",
        `allows a device to ${action} more levels in place of +, since the * of AWS takes slashes, and with # after it no Deny can tell`,
      );
    else {
      const victim = patterns.find(
        (other) => other.entry !== entry && other.allow.some((one) => excess.some((text) => overlap(one, text))),
      );
      if (!victim) for (const text of excess) deny.add(text);
      else if (excess.length > 0)
        warnings.add(
          number,
          topic,
          "wider",
          `allows a device to ${action} more than it says, since the * of AWS takes slashes and $, and a Deny would take from entry ${victim.entry.number}`,
        );
    }
  }
  return { allow: [...allow], deny: [...deny] };
}

/** With both + and # in it, what + takes cannot be told from what # takes. */
function isInexact(topic: string): boolean {
  return topic.includes("+") && topic.endsWith("#") && topic !== "+/#";
}

function patternOf(entry: NumberedEntry, glob: (topic: string) => string, filters: boolean): Pattern {
  // Every topic has a first level: these two are the same.
  const levels = entry.topic === "+/#" ? ["#"] : entry.topic.split("/");
  const text = (changed: readonly string[]): string =>
    changed.map((level) => (level === "*" ? level : glob(level))).join("/");
  const stars = levels.map((level) => (level === "+" || level === "#" ? "*" : level));
  const allow = [text(stars)];
  const deny: string[] = [];
  // "sport/#" also matches "sport".
  if (levels.length > 1 && levels.at(-1) === "#") allow.push(text(stars.slice(0, -1)));
  levels.forEach((level, i) => {
    if (level !== "+") return;
    deny.push(text([...stars.slice(0, i), "*", "*", ...stars.slice(i + 1)]));
    // To the * of AWS, # is a level like any other.
    if (filters && i === levels.length - 1) deny.push(text([...stars.slice(0, i), "#"]));
  });
  // A wildcard in front does not match topics that begin with $.
  if (stars[0] === "*") deny.push(stars.length === 1 ? "${$}*" : `\${$}*/${text(stars.slice(1))}`);
  return { entry, allow, deny };
}
