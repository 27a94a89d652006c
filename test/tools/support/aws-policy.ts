/**
 * Evaluates policies of AWS IoT Core as its developer guide says: an explicit Deny goes before every Allow, and without one nothing is
 * allowed; in resources * stands for any characters and ? for one, + and # for themselves, ${name} for a value, ${*} ${?} ${$} for the
 * character itself.
 */
export interface PolicyRequest {
  readonly action: string;
  /** After the ARN's last colon, such as `topic/a/b`. */
  readonly resource: string;
  readonly variables: Readonly<Record<string, string>>;
}

interface Statement {
  readonly Effect: string;
  readonly Action: string | readonly string[];
  readonly Resource: readonly string[];
  readonly Condition?: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>>;
}

const actions = ["iot:Connect", "iot:Publish", "iot:RetainPublish", "iot:Subscribe", "iot:Receive"];
const kinds: Readonly<Record<string, string>> = {
  "iot:Connect": "client",
  "iot:Publish": "topic",
  "iot:RetainPublish": "topic",
  "iot:Receive": "topic",
  "iot:Subscribe": "topicfilter",
};

/** Parses a policy, and throws when AWS would refuse it. */
export function parsePolicy(text: string): readonly Statement[] {
  const policy = JSON.parse(text) as { Version: string; Statement: Statement[] };
  if (Object.keys(policy).sort().join() !== "Statement,Version") throw new Error("unknown element");
  if (policy.Version !== "2012-10-17") throw new Error("unknown version");
  if (text.replace(/\s/g, "").length > 2048) throw new Error("policy too long");
  for (const { Effect, Action, Resource, Condition, ...rest } of policy.Statement) {
    if (Object.keys(rest).length > 0) throw new Error("unknown element of a statement");
    if (Effect !== "Allow" && Effect !== "Deny") throw new Error("unknown effect");
    for (const action of [Action].flat()) {
      if (!actions.includes(action)) throw new Error(`unknown action ${action}`);
      for (const resource of Resource) {
        const [, kind] = /^arn:aws[a-z-]*:iot:[a-z0-9-]+:\d{12}:([a-z]+)\/./.exec(resource) ?? [];
        if (kind !== kinds[action]) throw new Error(`${action} is not about ${resource}`);
      }
    }
    for (const operator of Object.keys(Condition ?? {})) if (operator !== "Bool") throw new Error("unknown condition");
  }
  return policy.Statement;
}

export function allows(statements: readonly Statement[], request: PolicyRequest): boolean {
  const hits = statements.filter(
    ({ Action, Resource, Condition }) =>
      [Action].flat().includes(request.action) &&
      Resource.some((resource) => matches(resource.split(":").slice(5).join(":"), request)) &&
      Object.entries(Condition?.["Bool"] ?? {}).every(([name, values]) =>
        values.includes(request.variables[name] ?? ""),
      ),
  );
  return hits.some(({ Effect }) => Effect === "Allow") && !hits.some(({ Effect }) => Effect === "Deny");
}

function matches(pattern: string, { resource, variables }: PolicyRequest): boolean {
  const literal = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  const source = Array.from(pattern.matchAll(/\$\{([^}]*)\}|[^]/gu), ([text, name]) => {
    if (name !== undefined) return literal(name.length === 1 ? name : (variables[name] ?? "\0"));
    return text === "*" ? "[^]*" : text === "?" ? "[^]" : literal(text);
  });
  return new RegExp(`^${source.join("")}$`, "u").test(resource);
}
