/** The exports to brokers that do not run here: their syntax by grammars of our own, their meaning by evaluators of our own. */
import assert from "node:assert/strict";
import { pbkdf2Sync } from "node:crypto";
import { type PermissionEntry, type PermissionQoS, Permissions } from "../../src/permissions/index.js";
import {
  exportAWSPolicy,
  exportDynamicSecurity,
  exportEMQX,
  exportHiveMQ,
  exportMosquittoACL,
  overlap,
  type PermissionsExport,
} from "../../tools/permissions/index.js";
import { Random } from "../storm/random.js";
import { allows, parsePolicy } from "./support/aws-policy.js";
import { decides, parseACL } from "./support/emqx-acl.js";

const seed = Number(process.env["SEALWIRE_SEED"] ?? 20_261_121);
const names = ["a", "b", "", "$x", "ü", "%c", "%u", "d"];
const values = { clientIdentifier: "d", userName: "user" };

function randomTopic(random: Random, levels: readonly string[], most: number): string {
  for (;;) {
    const made = Array.from({ length: 1 + random.below(most) }, () => levels[random.below(levels.length)]!).join("/");
    if (made !== "") return made;
  }
}

function randomFilter(random: Random, levels: readonly string[], most: number): string {
  const made = randomTopic(random, levels, most)
    .split("/")
    .map((level) => (random.below(4) === 0 ? "+" : level));
  if (random.below(4) === 0) made.push("#");
  return random.below(40) === 0 ? "#" : made.join("/");
}

function randomEntries(random: Random): PermissionEntry[] {
  return Array.from({ length: 1 + random.below(3) }, () => ({
    topic: randomFilter(random, names, 3),
    operation: (["publish", "subscribe", "both"] as const)[random.below(3)]!,
    ...(random.below(3) === 0 && { qos: ([[0], [1], [0, 1], [1, 2], [2]] as PermissionQoS[][])[random.below(5)]! }),
  }));
}

/** Which entries the broker widens, so that no difference is a surprise. */
function widened({ warnings }: PermissionsExport): boolean {
  return warnings.some(({ effect }) => effect === "wider");
}

describe(`An export, seed ${seed}`, () => {
  it("to AWS decides as the permissions do, unless it warns", () => {
    const random = new Random(seed);
    let exact = 0;
    let allowed = 0;
    for (let run = 0; run < 1_500; run++) {
      const entries = randomEntries(random);
      const permissions = new Permissions(entries, values);
      const made = exportAWSPolicy(new Permissions(entries), { region: "eu-central-1", account: "123456789012" });
      const policy = parsePolicy(made.content);
      const variables = {
        "iot:Connection.Thing.ThingName": "d",
        "iot:Certificate.Subject.CommonName": "user",
        "iot:Connection.Thing.IsAttached": "true",
      };
      const isExact = !widened(made);
      if (isExact) exact++;
      const compare = (ours: boolean, action: string, resource: string): void => {
        const theirs = allows(policy, { action, resource, variables });
        if (ours) allowed++;
        assert.ok(
          theirs === ours || (theirs && !isExact),
          `${action} ${resource}: ${theirs}, permissions say ${ours}: ${JSON.stringify(entries)}\n${made.content}`,
        );
      };
      for (let n = 0; n < 15; n++) {
        const topic = randomTopic(random, ["a", "b", "", "$x", "ü", "d", "user"], 4);
        // AWS knows QoS 0 and 1, and its policies none of them.
        const any = (allow: (qos: PermissionQoS) => boolean): boolean => allow(0) || allow(1);
        const plain = randomFilter(random, ["a", "b", "", "$x", "ü", "d", "user"], 4);
        const onlyTwo = entries.some(({ qos }) => qos?.every((level) => level === 2) === true);
        if (onlyTwo) continue;
        compare(
          any((qos) => permissions.allowsPublish(topic, qos)),
          "iot:Publish",
          `topic/${topic}`,
        );
        compare(
          any((qos) => permissions.allowsSubscribe(topic, qos)),
          "iot:Receive",
          `topic/${topic}`,
        );
        compare(
          any((qos) => permissions.allowsSubscribe(plain, qos)),
          "iot:Subscribe",
          `topicfilter/${plain}`,
        );
      }
    }
    assert.ok(exact > 400 && allowed > 1_000, `${exact} exact, ${allowed} allowed`);
  });

  it("to EMQX decides as the permissions do, unless it warns", () => {
    const random = new Random(seed + 1);
    let exact = 0;
    let allowed = 0;
    for (let run = 0; run < 1_500; run++) {
      const entries = randomEntries(random);
      const permissions = new Permissions(entries, values);
      const made = exportEMQX(new Permissions(entries));
      const rules = parseACL(made.content);
      const isExact = !widened(made);
      if (isExact) exact++;
      for (let n = 0; n < 15; n++) {
        const qos = random.below(3) as PermissionQoS;
        const topic = randomTopic(random, ["a", "b", "", "$x", "ü", "d", "user"], 4);
        const filter = randomFilter(random, ["a", "b", "", "$x", "ü", "d", "user"], 4);
        for (const [action, asked, ours] of [
          ["publish", topic, permissions.allowsPublish(topic, qos)],
          ["subscribe", filter, permissions.allowsSubscribe(filter, qos)],
        ] as const) {
          const theirs = decides(rules, action, asked, qos, { clientid: "d", username: "user" });
          if (ours) allowed++;
          assert.ok(
            theirs === ours || (theirs && !isExact),
            `${action} ${asked}: ${theirs}, permissions say ${ours}: ${JSON.stringify(entries)}\n${made.content}`,
          );
        }
      }
    }
    assert.ok(exact > 400 && allowed > 1_000, `${exact} exact, ${allowed} allowed`);
  });
});

describe("The policy for AWS", () => {
  const options = { region: "eu-central-1", account: "123456789012" };
  const make = (
    entries: PermissionEntry[],
    more: Partial<Parameters<typeof exportAWSPolicy>[1]> = {},
  ): PermissionsExport => exportAWSPolicy(new Permissions(entries), { ...options, ...more });

  it("lets a device connect under the name of its thing only, while the thing is attached", () => {
    const policy = parsePolicy(make([{ topic: "%c/x", operation: "publish" }]).content);
    const connect = (client: string, attached: string): boolean =>
      allows(policy, {
        action: "iot:Connect",
        resource: `client/${client}`,
        variables: { "iot:Connection.Thing.ThingName": "dev-1", "iot:Connection.Thing.IsAttached": attached },
      });
    assert.deepEqual(
      [connect("dev-1", "true"), connect("dev-1", "false"), connect("dev-2", "true")],
      [true, false, false],
    );
  });

  it("takes back what * gives too much, by a Deny", () => {
    const made = make([{ topic: "a/+/c", operation: "publish" }]);
    assert.deepEqual(made.warnings, []);
    const policy = parsePolicy(made.content);
    const publish = (topic: string): boolean =>
      allows(policy, { action: "iot:Publish", resource: `topic/${topic}`, variables: {} });
    assert.deepEqual(["a/b/c", "a//c", "a/b/b/c", "a/c", "a/b/c/d"].map(publish), [true, true, false, false, false]);
  });

  it("warns where a Deny would take from another entry", () => {
    const made = make([
      { topic: "a/+/c", operation: "publish" },
      { topic: "a/b/b/c", operation: "publish" },
    ]);
    assert.deepEqual(
      made.warnings.map(({ entry, effect }) => [entry, effect]),
      [[1, "wider"]],
    );
    assert.match(made.warnings[0]!.message, /entry 2/);
    assert.ok(!made.content.includes("Deny"));
  });

  it("escapes what is special in a policy", () => {
    const policy = parsePolicy(make([{ topic: "a*b/?/${x}/$", operation: "publish" }]).content);
    const publish = (topic: string): boolean =>
      allows(policy, { action: "iot:Publish", resource: `topic/${topic}`, variables: { x: "y" } });
    assert.deepEqual(["a*b/?/${x}/$", "aXb/?/${x}/$", "a*b/1/${x}/$", "a*b/?/y/$"].map(publish), [
      true,
      false,
      false,
      false,
    ]);
  });

  it("leaves out what AWS would refuse: long topics, many slashes; basic ingest does not count its prefix", () => {
    const made = make([
      { topic: "1/2/3/4/5/6/7/8/9", operation: "publish" },
      { topic: "x".repeat(257), operation: "publish" },
      { topic: "$aws/rules/r/1/2/3/4/5/6/7/8", operation: "publish" },
    ]);
    assert.deepEqual(
      made.warnings.map(({ entry, effect }) => [entry, effect]),
      [
        [1, "left out"],
        [2, "left out"],
      ],
    );
    parsePolicy(made.content);
  });

  it("refuses to make a policy that is too long, and wrong arguments", () => {
    const many = Array.from({ length: 60 }, (_, i) => ({
      topic: `some/longer/topic/number/${i}`,
      operation: "both" as const,
    }));
    assert.throws(() => make(many), { code: "PERMISSIONS_INVALID", exitCode: 1, message: /2,048/ });
    assert.throws(() => make([], { region: "Frankfurt" }), { exitCode: 2 });
    assert.throws(() => make([], { account: "12345" }), { exitCode: 2 });
    assert.throws(() => make([], { partition: "aws:iot" }), { exitCode: 2 });
  });

  it("warns of QoS that it cannot enforce, but not of QoS 2, which AWS does not have", () => {
    const warned = (qos: PermissionQoS[]): boolean => widened(make([{ topic: "a", operation: "publish", qos }]));
    assert.deepEqual(
      [[0, 1], [0, 1, 2], [0], [1], [2]].map((qos) => warned(qos as PermissionQoS[])),
      [false, false, true, true, true],
    );
  });

  it("denies a message that is retained wherever it denies one that is not", () => {
    const { content } = make([{ topic: "a/+/b", operation: "publish" }], { retain: true });
    const { Statement } = JSON.parse(content) as { Statement: { Effect: string; Action: string | string[] }[] };
    const actions = (effect: string): unknown[] =>
      Statement.filter(({ Effect, Action }) => Effect === effect && String(Action).includes("Publish")).map(
        ({ Action }) => Action,
      );
    assert.deepEqual(actions("Deny"), [["iot:Publish", "iot:RetainPublish"]]);
    assert.deepEqual(actions("Deny"), actions("Allow"));
  });

  it("lets messages be retained only when asked to", () => {
    const retain = (retain: boolean): boolean =>
      allows(parsePolicy(make([{ topic: "a", operation: "publish" }], { retain }).content), {
        action: "iot:RetainPublish",
        resource: "topic/a",
        variables: {},
      });
    assert.deepEqual([retain(true), retain(false)], [true, false]);
  });

  it("finds patterns that may meet", () => {
    for (const [one, other, meet] of [
      ["a/*", "a/b", true],
      ["a/*", "b/*", false],
      ["*/c", "a/*", true],
      ["a/*/*/c", "a/b/c", false],
      ["a/*/*/c", "a/*", true],
      ["${v}/x", "a/x", true],
      ["${v}/x", "a/b/x", false],
      ["${v}/x", "${w}/y", false],
      ["${*}", "a", false],
      ["${*}", "*", true],
      ["?", "ab", false],
      ["${$}*", "*", true],
      ["${$}*", "a/*", false],
    ] as const)
      assert.deepEqual([overlap(one, other), overlap(other, one)], [meet, meet], `${one} and ${other}`);
  });
});

describe("The ACL for Mosquitto", () => {
  const make = (entries: PermissionEntry[], users?: string[]): PermissionsExport =>
    exportMosquittoACL(new Permissions(entries), { users });

  it("has one line per entry, and patterns for everybody", () => {
    const { content } = make([
      { topic: "%c/out", operation: "publish" },
      { topic: "in/%u/#", operation: "subscribe" },
      { topic: "a b/+", operation: "both" },
    ]);
    assert.deepEqual(content.split("\n").slice(1), [
      "pattern write %c/out",
      "pattern read in/%u/#",
      "pattern readwrite a b/+",
      "",
    ]);
  });

  it("has topics for the users that are named, with %u in place", () => {
    const made = make(
      [
        { topic: "x/%u", operation: "publish" },
        { topic: "%c/y", operation: "publish" },
      ],
      ["alice", "bob"],
    );
    assert.deepEqual(made.content.split("\n").slice(1), [
      "pattern write %c/y",
      "",
      "user alice",
      "topic write x/alice",
      "",
      "user bob",
      "topic write x/bob",
      "",
    ]);
    assert.deepEqual(
      made.warnings.map(({ entry }) => entry),
      [2],
    );
  });

  it("warns of QoS and of every subscription, naming the entry", () => {
    const { warnings } = make([
      { topic: "a", operation: "publish" },
      { topic: "b", operation: "publish", qos: [1] },
      { topic: "c", operation: "subscribe" },
    ]);
    assert.deepEqual(
      warnings.map(({ entry, topic, effect }) => [entry, topic, effect]),
      [
        [2, "b", "wider"],
        [3, "c", "wider"],
      ],
    );
  });

  it("leaves out what Mosquitto would read as something else, or not start with", () => {
    const made = make([
      { topic: " a", operation: "publish" },
      { topic: "a ", operation: "publish" },
      { topic: "/".repeat(201), operation: "publish" },
    ]);
    assert.deepEqual(
      made.warnings.map(({ effect }) => effect),
      ["left out", "left out", "left out"],
    );
    assert.equal(made.content.trim().split("\n").length, 1);
    for (const user of ["a\nuser root", " a", "", "a#", "+", "a/b"])
      assert.throws(() => make([], [user]), { exitCode: 2 }, JSON.stringify(user));
  });
});

describe("The dynamic security of Mosquitto", () => {
  it("keeps topics of the server from wildcards, unless an entry names them", () => {
    const { content, warnings } = exportDynamicSecurity(
      new Permissions([
        { topic: "#", operation: "subscribe" },
        { topic: "$SYS/broker/uptime", operation: "subscribe" },
      ]),
      { devices: [{ clientIdentifier: "d" }] },
    );
    const { roles } = JSON.parse(content) as {
      roles: { acls: { topic: string; priority: number; allow: boolean; acltype: string }[] }[];
    };
    const of = (topic: string): [number, boolean][] =>
      roles[0]!.acls
        .filter((acl) => acl.topic === topic && acl.acltype === "subscribePattern")
        .map(({ priority, allow }) => [priority, allow]);
    assert.deepEqual([of("#"), of("$SYS/#"), of("$SYS/broker/uptime")], [[[0, true]], [[1, false]], [[2, true]]]);
    assert.deepEqual(
      warnings.map(({ entry }) => entry),
      [1],
    );
  });

  it("wants devices, each once, with names that cannot widen a rule", () => {
    const make = (...devices: string[]): PermissionsExport =>
      exportDynamicSecurity(new Permissions([{ topic: "%c/#", operation: "both" }]), {
        devices: devices.map((clientIdentifier) => ({ clientIdentifier })),
      });
    assert.throws(() => make(), { exitCode: 2 });
    assert.throws(() => make("a", "a"), { exitCode: 2 });
    for (const bad of ["+", "a/b", "#", ""]) assert.throws(() => make(bad), { code: "INVALID_ARGUMENT" }, bad);
  });
});

describe("The credentials for HiveMQ", () => {
  const users = [{ name: "fleet", password: "a password" }];

  /** The elements of an XML document, as far as this one goes: no attributes, no mixed content. */
  function elements(xml: string): { path: string; text: string }[] {
    const found: { path: string; text: string }[] = [];
    const open: string[] = [];
    const body = xml
      .replace(/^<\?xml version="1.0" encoding="UTF-8" standalone="yes"\?>\n/, "")
      .replace(/<!--[^]*?-->/g, "");
    assert.notEqual(body, xml);
    let text = "";
    for (const [, end, name, characters] of body.matchAll(/<(\/?)([a-z-]+)>|([^<]+)/g)) {
      if (characters !== undefined) text += characters;
      else if (end === "") {
        open.push(name!);
        text = "";
      } else {
        const path = open.join("/");
        assert.equal(open.pop(), name);
        found.push({
          path,
          text: text.trim().replace(/&#(\d+);/g, (_, code: string) => String.fromCharCode(Number(code))),
        });
        text = "";
      }
    }
    assert.deepEqual(open, []);
    return found;
  }

  it("have each entry with its activity and QoS", () => {
    const topic = `%c/"<a>&'/%u/#`;
    const { content } = exportHiveMQ(
      new Permissions([
        { topic, operation: "publish", qos: [0, 1] },
        { topic: "b", operation: "both" },
        { topic: "c", operation: "subscribe", qos: [2] },
      ]),
      { users },
    );
    const of = (name: string): string[] =>
      elements(content)
        .filter(({ path }) => path === `file-rbac/roles/role/permissions/permission/${name}`)
        .map(({ text }) => text);
    assert.deepEqual(of("topic"), [`\${{clientid}}/"<a>&'/\${{username}}/#`, "b", "c"]);
    assert.deepEqual(of("activity"), ["PUBLISH", "ALL", "SUBSCRIBE"]);
    assert.deepEqual(of("qos"), ["ZERO_ONE", "ALL", "TWO"]);
    assert.deepEqual(
      elements(content)
        .filter(({ path }) => path === "file-rbac/users/user/roles/id")
        .map(({ text }) => text),
      ["sealwire"],
    );
  });

  it("have passwords hashed", () => {
    const { content } = exportHiveMQ(new Permissions([{ topic: "a", operation: "both" }]), { users });
    assert.ok(!content.includes("a password"));
    const [salt, rounds, hash] = elements(content)
      .find(({ path }) => path.endsWith("user/password"))!
      .text.split(":");
    assert.equal(
      hash,
      pbkdf2Sync("a password", Buffer.from(salt!, "base64"), Number(rounds), 64, "sha512").toString("base64"),
    );
  });

  it("leave out what the extension would substitute, and want a user", () => {
    const made = exportHiveMQ(
      new Permissions([
        { topic: "${{clientid}}", operation: "both" },
        { topic: "a", operation: "both" },
      ]),
      { users },
    );
    assert.deepEqual(
      made.warnings.map(({ entry, effect }) => [entry, effect]),
      [[1, "left out"]],
    );
    assert.throws(() => exportHiveMQ(new Permissions([{ topic: "a", operation: "both" }]), { users: [] }), {
      exitCode: 2,
    });
    assert.throws(() => exportHiveMQ(new Permissions([]), { users }), { exitCode: 2 });
  });
});
