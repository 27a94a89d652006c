import { covers, faultOfFilter } from "../../../src/permissions/index.js";
import { ok, strictEqual } from "../../support/assert.js";
import { describe, it } from "../../support/bdd.js";

describe("A topic filter of a permission", () => {
  it("is one of MQTT, without control characters", () => {
    for (const good of ["a", "/", "a/", "+", "#", "+/#", "/+", "a/+/b", "a/#", "$SYS/#", "a b", "ü/😀", "a%b"])
      strictEqual(faultOfFilter(good), undefined, good);
    for (const bad of [
      "",
      "a#",
      "#/a",
      "a/#/b",
      "a+",
      "+a",
      "a/b+/c",
      "##",
      "++",
      "a\0",
      "a\n",
      "a\u007f",
      "\ud800",
      "\udc00a",
    ])
      ok(faultOfFilter(bad) !== undefined, JSON.stringify(bad));
  });
});

describe("A rule covers", () => {
  const cases: readonly (readonly [rule: string, filter: string, covered: boolean])[] = [
    // A topic name is a filter that matches itself.
    ["a/b", "a/b", true],
    ["a/b", "a/c", false],
    ["a/b", "a/bc", false],
    ["a/bc", "a/b", false],
    ["a/b", "a", false],
    ["a", "a/b", false],
    ["a/b", "A/b", false],
    ["ü/b", "ü/b", true],
    // Empty levels are levels.
    ["/a", "a", false],
    ["a/", "a", false],
    ["a/+", "a/", true],
    ["+/+", "/", true],
    ["a//b", "a/b", false],
    ["a/+/b", "a//b", true],
    // One level.
    ["+", "a", true],
    ["+", "a/b", false],
    ["a/+/c", "a/b/c", true],
    ["a/+/c", "a/b/d", false],
    ["a/+", "a/b/c", false],
    ["a/+", "a/+", true],
    ["a/b", "a/+", false],
    ["+/b", "a/+", false],
    ["+/+", "a/+", true],
    ["a/+", "+/a", false],
    // All that follows, and the level above.
    ["a/#", "a", true],
    ["a/#", "a/b/c", true],
    ["a/#", "ab", false],
    ["a/#", "a/#", true],
    ["a/#", "a/b/#", true],
    ["a/#", "a/+/c", true],
    ["a/#", "#", false],
    ["a/+", "a/#", false],
    ["a/b/#", "a/#", false],
    ["a/+/#", "a/#", false],
    ["a/+/#", "a", false],
    ["a/+/#", "a/b", true],
    ["#", "a/b", true],
    ["#", "/", true],
    ["#", "#", true],
    ["#", "+/#", true],
    // Every topic has a first level.
    ["+/#", "#", true],
    ["+/#", "a", true],
    ["+/+/#", "#", false],
    ["/#", "#", false],
    ["/#", "/a", true],
    // The server's own topics are for rules that begin with $ (MQTT 5.0 section 4.7.2).
    ["#", "$SYS/a", false],
    ["+/a", "$SYS/a", false],
    ["+/#", "$SYS/#", false],
    ["$SYS/#", "$SYS/a", true],
    ["$SYS/#", "$SYS", true],
    ["$SYS/#", "#", false],
    ["a/#", "a/$SYS", true],
  ];
  for (const [rule, filter, covered] of cases)
    it(`${rule} ${covered ? "covers" : "does not cover"} ${filter}`, () => {
      strictEqual(covers(rule, filter), covered);
    });

  // Every topic of up to three levels of a small alphabet, matched by the definition in MQTT 5.0 section 4.7, level by level.
  it("exactly what it matches: all filters of up to three levels against all topics", () => {
    const texts = (levels: readonly string[], most: number): string[] => {
      let last = [...levels];
      const all = [...last];
      for (let n = 2; n <= most; n++) {
        last = last.flatMap((text) => levels.map((level) => `${text}/${level}`));
        all.push(...last);
      }
      return all.filter((text) => text !== "");
    };
    // The empty topic is none, but "/#" matches it by the rule of the level above: "/+/#" is therefore held not to cover "/#".
    const topics = ["", ...texts(["a", "b", "", "$"], 4)];
    const filters = texts(["a", "", "+", "#", "$"], 3).filter((filter) => faultOfFilter(filter) === undefined);
    const matches = (filter: string, topic: string): boolean => {
      const f = filter.split("/");
      const t = topic.split("/");
      if (topic.startsWith("$") && (f[0] === "+" || f[0] === "#")) return false;
      for (let i = 0; i < f.length; i++) {
        if (f[i] === "#") return true;
        if (i >= t.length || (f[i] !== "+" && f[i] !== t[i])) return false;
        if (i === t.length - 1 && f.length === i + 2 && f[i + 1] === "#") return true;
      }
      return f.length === t.length;
    };
    const matched = filters.map((filter) => topics.map((topic) => matches(filter, topic)));
    let compared = 0;
    filters.forEach((rule, r) => {
      topics.forEach((topic, t) => strictEqual(covers(rule, topic), matched[r]![t]!, `${rule} ${topic}`));
      filters.forEach((filter, f) => {
        const contained = matched[f]!.every((hit, t) => !hit || matched[r]![t]!);
        strictEqual(covers(rule, filter), contained, `${rule} over ${filter}`);
        compared++;
      });
    });
    ok(compared > 5_000, `${compared} pairs`);
  });
});
