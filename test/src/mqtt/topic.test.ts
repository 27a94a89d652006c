import { checkTopicFilter, checkTopicName, matchesTopic } from "../../../src/mqtt/codec/topic.js";
import { strictEqual, throws } from "../../support/assert.js";
import { describe, it } from "../../support/bdd.js";

describe("MQTT topics", () => {
  it("accepts topic names and tells their length in UTF-8", () => {
    strictEqual(checkTopicName("a"), 1);
    strictEqual(checkTopicName("/"), 1);
    strictEqual(checkTopicName("$SYS/a b/€"), 12);
    strictEqual(checkTopicName("x".repeat(65535)), 65535);
  });

  it("refuses what is no topic name", () => {
    for (const topic of ["", "a/+", "#", "a\0b", "\ud800", "\udc00a", "x".repeat(65536), 1, undefined])
      throws(() => checkTopicName(topic), "INVALID_ARGUMENT");
  });

  it("accepts topic filters", () => {
    for (const filter of ["a", "/", "#", "+", "+/+", "/+", "a/#", "+/a/#", "$SYS/#", "$share/a"])
      strictEqual(checkTopicFilter(filter, false), filter.length);
    strictEqual(checkTopicFilter("$share/group/a/+/#", true), 18);
  });

  it("refuses what is no topic filter", () => {
    for (const filter of ["", "a#", "#/a", "a/#/b", "a+", "+a", "a/+b/c", "\0", "##", "++"])
      throws(() => checkTopicFilter(filter, false), "INVALID_ARGUMENT");
    for (const filter of ["$share/", "$share//a", "$share/g", "$share/g/", "$share/+/a", "$share/g#/a", "$share/g/a#"])
      throws(() => checkTopicFilter(filter, true), "INVALID_ARGUMENT");
  });

  const matching: readonly [filter: string, ...topics: string[]][] = [
    [
      "sport/tennis/player1/#",
      "sport/tennis/player1",
      "sport/tennis/player1/ranking",
      "sport/tennis/player1/score/wimbledon",
    ],
    ["sport/#", "sport", "sport/", "sport/a/b"],
    ["#", "a", "a/b", "/"],
    ["sport/tennis/+", "sport/tennis/player1", "sport/tennis/"],
    ["+/+", "/finance", "a/b"],
    ["/+", "/finance"],
    ["+/#", "a", "a/b/c", "/"],
    ["$SYS/#", "$SYS", "$SYS/a"],
    ["$SYS/monitor/+", "$SYS/monitor/Clients"],
    ["a/b", "a/b"],
  ];
  for (const [filter, ...topics] of matching)
    it(`matches ${filter}`, () => {
      for (const topic of topics) strictEqual(matchesTopic(filter, topic), true, topic);
    });

  const different: readonly [filter: string, ...topics: string[]][] = [
    ["sport/tennis/+", "sport/tennis", "sport/tennis/player1/ranking"],
    ["sport/+", "sport"],
    ["+", "/finance", "a/b"],
    ["#", "$SYS", "$SYS/a"],
    ["+/monitor/Clients", "$SYS/monitor/Clients"],
    ["a/b", "a/B", "a/b/", "a", "/a/b"],
    ["a/#", "b", "ab"],
    ["a/+/c", "a/b/d", "a/b"],
  ];
  for (const [filter, ...topics] of different)
    it(`keeps ${filter} apart`, () => {
      for (const topic of topics) strictEqual(matchesTopic(filter, topic), false, topic);
    });
});
