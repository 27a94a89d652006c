/**
 * The storm: messages both ways while connections are cut at random bytes and the device loses its power at random places.
 *
 *     npm run storm -- --messages 10000 --seed 1
 *
 * Prints one line for each leg; exits with 1 when a message was lost, repeated wrongly, or overtaken.
 */
import { parseArgs } from "node:util";
import { isSound, type Counts } from "./counts.js";
import { inbound, outbound } from "./model.js";
import { mosquittoLegs } from "./mosquitto.js";
import { Random } from "./random.js";

const { values } = parseArgs({
  options: {
    messages: { type: "string", default: "10000" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    broker: { type: "string", default: "both" },
    leg: { type: "string" },
  },
});
const messages = Number(values.messages);
const seed = Number(values.seed);
if (
  !Number.isInteger(messages) ||
  messages < 1 ||
  !Number.isInteger(seed) ||
  !["model", "mosquitto", "both"].includes(values.broker)
) {
  console.error("usage: npm run storm -- [--messages N] [--seed S] [--broker model|mosquitto|both] [--leg I]");
  process.exit(2);
}

const legs: ((random: Random) => Promise<Counts>)[] = [];
if (values.broker !== "mosquitto") {
  for (const [i, qos] of ([1, 2] as const).entries()) {
    legs.push((random) => outbound(qos, i === 0 ? 5 : 4, messages, random));
    legs.push((random) => outbound(qos, i === 0 ? 4 : 5, Math.ceil(messages / 10), random));
    for (const manual of [false, true]) legs.push((random) => inbound(qos, manual ? 5 : 4, manual, messages, random));
  }
}
if (values.broker !== "model") legs.push(...mosquittoLegs(messages));

const started = performance.now();
const all: Counts[] = [];
for (const [i, leg] of legs.entries()) {
  if (values.leg !== undefined && i !== Number(values.leg)) continue;
  // Each leg has its own numbers: one can be run again alone.
  const begun = performance.now();
  const counts = await leg(new Random(seed * 1000 + i));
  all.push(counts);
  const seconds = ((performance.now() - begun) / 1000).toFixed(1);
  const crashes = Object.entries(counts.crashes).map(([place, count]) => `${count} ${place}`);
  console.log(
    `${isSound(counts) ? "ok  " : "FAIL"} ${counts.leg}: ${counts.messages} messages, ${counts.lost} lost, ` +
      `${counts.repeats} repeats (${counts.wrongRepeats} wrong), ${counts.outOfOrder} out of order; ` +
      `${counts.cuts} cuts; crashes: ${crashes.join(", ") || "none"}; ${seconds} s`,
  );
}
const total = (pick: (counts: Counts) => number): number => all.reduce((sum, counts) => sum + pick(counts), 0);
console.log(
  `seed ${seed}: ${total((c) => c.messages)} messages, ${total((c) => c.lost)} lost, ${total((c) => c.wrongRepeats)} repeated wrongly, ` +
    `${total((c) => c.outOfOrder)} out of order, ${total((c) => c.cuts)} cuts, ` +
    `${total((c) => Object.values(c.crashes).reduce((a, b) => a + b, 0))} crashes, ${((performance.now() - started) / 1000).toFixed(1)} s`,
);
process.exit(all.every(isSound) ? 0 : 1);
