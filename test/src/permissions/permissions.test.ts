import { fromUTF8, toUTF8 } from "../../../src/bytes.js";
import { type PermissionEntry, permissionLimits, Permissions } from "../../../src/permissions/index.js";
import { deepEqual, ok, strictEqual, throws } from "../../support/assert.js";
import { describe, it } from "../../support/bdd.js";

const fleet: readonly PermissionEntry[] = [
  { topic: "%c/telemetry", operation: "publish", qos: [0, 1] },
  { topic: "%c/commands/#", operation: "subscribe", qos: [1] },
  { topic: "sites/%u/+/state", operation: "both" },
  { topic: "news", operation: "subscribe" },
];
const values = { clientIdentifier: "dev-1", userName: "alice" };

describe("Permissions of a device", () => {
  const permissions = new Permissions(fleet, values);

  it("allow a publication that an entry covers with its QoS, and no other", () => {
    ok(permissions.allowsPublish("dev-1/telemetry", 0));
    ok(permissions.allowsPublish("dev-1/telemetry", 1));
    ok(!permissions.allowsPublish("dev-1/telemetry", 2));
    ok(!permissions.allowsPublish("dev-2/telemetry", 1));
    ok(!permissions.allowsPublish("dev-1/telemetry/x", 1));
    ok(!permissions.allowsPublish("dev-1/commands/x", 1));
    ok(!permissions.allowsPublish("news", 0));
    ok(permissions.allowsPublish("sites/alice/door/state", 2));
    ok(!permissions.allowsPublish("sites/bob/door/state", 2));
  });

  it("allow a subscription whose filter one entry covers", () => {
    ok(permissions.allowsSubscribe("dev-1/commands/#", 1));
    ok(permissions.allowsSubscribe("dev-1/commands/+/now", 1));
    ok(permissions.allowsSubscribe("dev-1/commands", 1));
    ok(!permissions.allowsSubscribe("dev-1/commands/#", 0));
    ok(!permissions.allowsSubscribe("dev-1/#", 1));
    ok(!permissions.allowsSubscribe("+/commands/#", 1));
    ok(!permissions.allowsSubscribe("dev-1/telemetry", 1));
    ok(permissions.allowsSubscribe("sites/alice/+/state", 0));
    ok(!permissions.allowsSubscribe("sites/+/+/state", 0));
  });

  it("never take a wildcard for a topic name", () => {
    for (const topic of ["sites/alice/+/state", "dev-1/#", "#", "+"]) ok(!permissions.allowsPublish(topic, 0), topic);
    ok(!new Permissions([{ topic: "#", operation: "both" }]).allowsPublish("a/#", 0));
  });

  it("judge a shared subscription by its filter", () => {
    ok(permissions.allowsSubscribe("$share/workers/dev-1/commands/#", 1));
    ok(permissions.allowsSubscribe("$share/workers/news", 0));
    ok(!permissions.allowsSubscribe("$share/workers/dev-2/commands/#", 1));
    const all = new Permissions([{ topic: "#", operation: "both" }]);
    ok(all.allowsSubscribe("$share/g/a/b", 0));
    ok(!all.allowsSubscribe("$share/g/$SYS/a", 0));
    for (const bad of ["$share/", "$share/g", "$share/g/", "$share//a", "$share/g+/a", "$share/#/a", "$share/+/a"])
      ok(!all.allowsSubscribe(bad, 0), bad);
    // For a publication $share/ has no meaning, and no rule may begin with it.
    ok(!all.allowsPublish("$share/g/a", 0));
  });

  it("keep the server's own topics from leading wildcards", () => {
    const all = new Permissions([
      { topic: "#", operation: "both" },
      { topic: "+/status", operation: "both" },
    ]);
    for (const topic of ["$SYS/status", "$CONTROL/dynamic-security/v1", "$aws/things", "$queue/a"]) {
      ok(!all.allowsPublish(topic, 0), topic);
      ok(!all.allowsSubscribe(topic, 0), topic);
    }
    const broker = new Permissions([{ topic: "$SYS/broker/+", operation: "subscribe" }]);
    ok(broker.allowsSubscribe("$SYS/broker/uptime", 0));
    ok(!broker.allowsSubscribe("$SYS/#", 0));
  });

  it("allow nothing when there are none", () => {
    const none = new Permissions([]);
    ok(!none.allowsPublish("a", 0));
    ok(!none.allowsSubscribe("a", 0));
  });

  it("find an entry wherever its first wildcard is", () => {
    for (const rule of ["a/b/c", "+/b/c", "a/+/c", "a/b/+", "#", "a/#", "a/b/#", "a/b/c/#", "+/#", "+/b/#"]) {
      const one = new Permissions([{ topic: rule, operation: "both" }]);
      ok(one.allowsPublish("a/b/c", 0), rule);
      ok(one.allowsSubscribe("$share/g/a/b/c", 2), rule);
      ok(!one.allowsPublish("$a/x", 0), rule);
    }
  });
});

describe("%c and %u", () => {
  const rule = (topic: string): PermissionEntry[] => [{ topic, operation: "both" }];

  it("stand for nothing until there is a value", () => {
    const open = new Permissions(fleet);
    ok(!open.allowsPublish("%c/telemetry", 0));
    ok(!open.allowsPublish("/telemetry", 0));
    ok(!open.allowsPublish("undefined/telemetry", 0));
    ok(open.allowsSubscribe("news", 0));
    strictEqual(open.filter(1), undefined);
    ok(open.bind(values).allowsPublish("dev-1/telemetry", 0));
    strictEqual(open.bind(values).filter(3), "sites/alice/+/state");
    ok(!open.allowsPublish("dev-1/telemetry", 0), "bind() must not change what it is called on");
  });

  it("refuse a value that would widen a rule", () => {
    for (const bad of ["+", "#", "a/b", "a+b", "a#", "a\0", "", "/", "a\nb", "\ud800"]) {
      throws(() => new Permissions(rule("%c/x"), { clientIdentifier: bad }), "INVALID_ARGUMENT");
      throws(() => new Permissions(rule("%u/x"), { userName: bad }), "INVALID_ARGUMENT");
    }
  });

  it("do not reach the server's own topics, nor make a shared subscription", () => {
    const system = new Permissions(rule("%c/#"), { clientIdentifier: "$SYS" });
    ok(!system.allowsSubscribe("$SYS/#", 0));
    ok(!system.allowsPublish("$SYS/a", 0));
    const shared = new Permissions(rule("%c/g/#"), { clientIdentifier: "$share" });
    ok(!shared.allowsSubscribe("$share/g/secrets", 0));
    ok(new Permissions(rule("a/%c"), { clientIdentifier: "$x" }).allowsPublish("a/$x", 0));
  });

  it("are taken literally, one by the other included", () => {
    const odd = new Permissions(rule("%c/%u/$&"), { clientIdentifier: "%u", userName: "%c" });
    ok(odd.allowsPublish("%u/%c/$&", 0));
    ok(!odd.allowsPublish("%c/%c/$&", 0));
  });

  it("are whole levels", () => {
    for (const bad of ["dev-%c/x", "%cx", "a/%u1", "%c%u", "a/x%c"])
      ok(throws(() => new Permissions(rule(bad)), "PERMISSIONS_INVALID").message.includes("whole level"), bad);
    ok(new Permissions(rule("100%/x")).allowsPublish("100%/x", 0));
  });
});

describe("A permissions file", () => {
  const parse = (value: unknown): Permissions => Permissions.parse(JSON.stringify(value));

  it("is read from text or bytes, and written shortly", () => {
    const bytes = new Permissions(fleet).toBytes();
    deepEqual(Permissions.parse(bytes).entries, fleet);
    deepEqual(Permissions.parse(JSON.stringify(fleet, undefined, 2)).entries, fleet);
    deepEqual(parse(fleet).toBytes(), bytes);
    strictEqual(parse([{ topic: "a", operation: "both", qos: [2, 0, 1] }]).toBytes().byteLength, 34);
  });

  it("may hold any order and subset of QoS levels", () => {
    deepEqual(parse([{ topic: "a", operation: "subscribe", qos: [2, 0] }]).entries, [
      { topic: "a", operation: "subscribe", qos: [0, 2] },
    ]);
  });

  it("is refused with the number of the entry that is wrong", () => {
    const good = { topic: "a", operation: "both" };
    const wrong: readonly (readonly [entry: unknown, word: string])[] = [
      [undefined, "object"],
      ["a", "object"],
      [[], "object"],
      [{}, "topic"],
      [{ ...good, topic: 1 }, "topic"],
      [{ ...good, topic: "" }, "empty"],
      [{ ...good, topic: "a/#/b" }, "#"],
      [{ ...good, topic: "a+" }, "+"],
      [{ ...good, topic: "a\nuser root" }, "control"],
      [{ ...good, topic: "x".repeat(513) }, "512"],
      [{ ...good, topic: "$share/g/a" }, "$share/"],
      [{ topic: "a" }, "operation"],
      [{ topic: "a", operation: "read" }, "operation"],
      [{ topic: "a", operation: "Publish" }, "operation"],
      [{ ...good, qos: [] }, "qos"],
      [{ ...good, qos: 1 }, "qos"],
      [{ ...good, qos: [3] }, "qos"],
      [{ ...good, qos: ["1"] }, "qos"],
      [{ ...good, qos: [1, 1] }, "twice"],
      [{ ...good, qos: null }, "qos"],
      [{ ...good, retain: true }, '"retain"'],
    ];
    for (const [entry, word] of wrong) {
      const { message } = throws(() => parse([good, good, entry, good]), "PERMISSIONS_INVALID");
      ok(message.startsWith("Permission 3 ") && message.includes(word), message);
    }
  });

  it("is refused as a whole when it is no array, too long or nested", () => {
    for (const bad of ["", "{}", "null", "1", '"a"', "[", "[{}", "[]]"])
      throws(() => Permissions.parse(bad), "PERMISSIONS_INVALID");
    throws(() => Permissions.parse("[".repeat(16_000)), "PERMISSIONS_INVALID");
    throws(() => Permissions.parse('[{"topic":'.repeat(1_000)), "PERMISSIONS_INVALID");
    throws(() => Permissions.parse(`[${" ".repeat(permissionLimits.byteLength)}]`), "PERMISSIONS_INVALID");
    throws(() => Permissions.parse(Uint8Array.of(0x5b, 0xff, 0x5d)), "PERMISSIONS_INVALID");
    const many = Array.from({ length: permissionLimits.entries + 1 }, () => ({ topic: "a", operation: "both" }));
    throws(() => parse(many), "PERMISSIONS_INVALID");
    strictEqual(parse(many.slice(1)).length, permissionLimits.entries);
    deepEqual(Permissions.parse(toUTF8('[{"topic":"[[[[\\"[{","operation":"both"}]')).entries, [
      { topic: '[[[["[{', operation: "both" },
    ]);
  });

  it("is not fooled by keys that objects have anyway", () => {
    throws(() => Permissions.parse('[{"__proto__":{"topic":"#","operation":"both"}}]'), "PERMISSIONS_INVALID");
    throws(() => Permissions.parse('[{"topic":"a","operation":"both","constructor":1}]'), "PERMISSIONS_INVALID");
  });

  it("does not quote more of a hostile file than helps", () => {
    const { message } = throws(
      () => parse([{ topic: "a", operation: "both", ["k".repeat(9_000)]: 1 }]),
      "PERMISSIONS_INVALID",
    );
    ok(message.length < 200, `${message.length} characters`);
  });
});

describe("An explanation", () => {
  const permissions = new Permissions(fleet, values);

  it("names the entry that allows", () => {
    const { allowed, entry, needed, sentence } = permissions.explain("subscribe", "$share/g/dev-1/commands/x", 1);
    deepEqual([allowed, entry, needed], [true, 2, undefined]);
    ok(sentence.includes('permission 2, "%c/commands/#"'), sentence);
  });

  it("names the entry that would be needed, for the whole fleet, and it is enough", () => {
    const cases = [
      ["publish", "dev-1/alarm", 1, "%c/alarm"],
      ["publish", "sites/alice", 0, "sites/%u"],
      ["subscribe", "dev-1/#", 2, "%c/#"],
      ["subscribe", "$share/g/+/x", 0, "+/x"],
      ["publish", "dev-1/telemetry", 2, "%c/telemetry"],
      ["subscribe", "$SYS/#", 0, "$SYS/#"],
    ] as const;
    for (const [request, topic, qos, rule] of cases) {
      const { allowed, needed } = permissions.explain(request, topic, qos);
      deepEqual([allowed, needed], [false, { topic: rule, operation: request, qos: [qos] }]);
      const wider = new Permissions([...fleet, needed!], values);
      ok(wider.explain(request, topic, qos).allowed, topic);
    }
  });

  it("tells an entry that almost fits", () => {
    ok(permissions.explain("publish", "dev-1/telemetry", 2).sentence.includes("permission 1 covers it, but not QoS 2"));
    ok(
      permissions
        .explain("publish", "news", 0)
        .sentence.includes("permission 4 covers the topic, but not the operation"),
    );
    strictEqual(permissions.explain("publish", "news", 0).entry, 4);
  });

  it("says when no entry could allow it", () => {
    for (const [request, topic] of [
      ["publish", "a/+"],
      ["publish", ""],
      ["subscribe", "a/#/b"],
      ["subscribe", "$share/g"],
      ["subscribe", ""],
    ] as const) {
      const { allowed, needed, sentence } = permissions.explain(request, topic, 0);
      deepEqual([allowed, needed], [false, undefined]);
      ok(sentence.includes("is refused: "), sentence);
    }
  });

  it("is the error of a refused request", () => {
    strictEqual(permissions.refusal("publish", "dev-1/telemetry", 1), undefined);
    const error = permissions.refusal("publish", "dev-2/telemetry", 1);
    strictEqual(error?.code, "PERMISSION_DENIED");
    ok(
      error.message.includes('It would need {"topic":"dev-2/telemetry","operation":"publish","qos":[1]}.'),
      error.message,
    );
  });
});

describe("The version of permissions", () => {
  const json = '{"version":3,"permissions":[{"topic":"%c/a","operation":"publish"}]}';

  it("is read, kept by what is made of them, and written again", () => {
    const permissions = Permissions.parse(json);
    strictEqual(permissions.version, 3);
    const bound = permissions.bind({ clientIdentifier: "dev" });
    deepEqual([bound.version, bound.allowsPublish("dev/a", 0)], [3, true]);
    strictEqual(fromUTF8(bound.toBytes()), json);
    const newer = bound.withVersion(4);
    deepEqual([newer.version, newer.allowsPublish("dev/a", 0), bound.version], [4, true, 3]);
    strictEqual(Permissions.parse("[]").version, undefined);
  });

  it("must be a whole number from 1, and nothing else may stand beside it", () => {
    for (const version of ["0", "-1", "1.5", "9007199254740992", '"1"', "null", "true"])
      throws(() => Permissions.parse(`{"version":${version},"permissions":[]}`), "PERMISSIONS_INVALID");
    for (const text of ['{"permissions":[]}', '{"version":1}', '{"version":1,"permissions":{}}', "{}", "null", "1"])
      throws(() => Permissions.parse(text), "PERMISSIONS_INVALID");
    throws(() => Permissions.parse('{"version":1,"permissions":[],"x":1}'), "PERMISSIONS_INVALID");
    throws(() => Permissions.parse("[]").withVersion(0), "PERMISSIONS_INVALID");
  });
});
