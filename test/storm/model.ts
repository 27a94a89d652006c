/** The legs of the storm against the broker model: everything in one process, and every fault at a drawn place. */
import { fromUTF8 } from "../../src/bytes.js";
import type { SessionMessage, SessionOptions } from "../../src/mqtt/index.js";
import { World } from "../support/session-world.js";
import { compare, emptyCounts, type Counts } from "./counts.js";
import { Doom } from "./doom.js";
import type { Random } from "./random.js";

export type Version = 4 | 5;

/** Lives after which a leg is given up: something keeps it from getting on. */
const MAXIMUM_LIVES = 1_000_000;

function keysOf(world: World): number {
  let count = 0;
  for (const key of world.flash.values.keys()) if (key.startsWith("sw.mq.o")) count++;
  return count;
}

/** Connects until it holds, or the power fails, or the device is done. */
async function live(world: World, doom: Doom, act: () => boolean): Promise<boolean> {
  for (;;) {
    await doom.run();
    if (doom.fallen) return false;
    if (!world.session.connected) {
      if (!world.session.connecting) world.connect();
      continue;
    }
    const done = act();
    await doom.run();
    if (doom.fallen) return false;
    if (done) return true;
  }
}

/** The device publishes; counted at the broker, from the moment when a message is stored. */
export async function outbound(qos: 1 | 2, version: Version, messages: number, random: Random): Promise<Counts> {
  const counts = emptyCounts(`model, outbound, QoS ${qos}, MQTT ${version}`, messages);
  const world = new World();
  const stored: number[] = [];
  let next = 0;
  const options: Partial<SessionOptions> = { version, durability: "power", queue: { messages: 40, bytes: 100_000 } };
  for (let lives = 0; ; lives++) {
    if (lives > MAXIMUM_LIVES) throw new Error(`${counts.leg}: no progress`);
    const doom = new Doom(world, counts, random, false);
    try {
      world.start(options);
    } catch {
      // The power failed while the session was being loaded.
    }
    const done = await live(world, doom, () => {
      for (let i = random.integer(1, 12); i > 0 && next < messages && world.session.pending.messages < 40; i--) {
        const before = keysOf(world);
        world.session.publish("t", `${next}`, { qos }).catch(() => undefined);
        if (keysOf(world) > before) stored.push(next);
        // A message that was not stored when power failed was never promised anything: it is not published again.
        next++;
        if (doom.fallen) break;
      }
      return next >= messages && world.session.pending.messages === 0;
    });
    await doom.bury();
    if (done) break;
  }
  compare(
    counts,
    stored,
    world.broker.published.map(({ payload }) => Number(fromUTF8(payload))),
  );
  if (qos === 2) counts.wrongRepeats += counts.repeats;
  return { ...counts, messages: stored.length };
}

/** The broker publishes, the device handles; counted in the device's ledger. */
export async function inbound(
  qos: 1 | 2,
  version: Version,
  manual: boolean,
  messages: number,
  random: Random,
): Promise<Counts> {
  const counts = emptyCounts(
    `model, inbound, QoS ${qos}, MQTT ${version}, ${manual ? "manual" : "plain callback"}`,
    messages,
  );
  const world = new World();
  /** What the application handled; with a ledger, only once. */
  const handled: number[] = [];
  const known = new Set<number>();
  let repeatable = 0;
  let published = 0;
  for (let lives = 0; ; lives++) {
    if (lives > MAXIMUM_LIVES) throw new Error(`${counts.leg}: no progress`);
    const doom = new Doom(world, counts, random, true);
    const later = random.chance(0.3);
    const handle = (message: SessionMessage): void => {
      const number = Number(fromUTF8(message.payload));
      const repeated = known.has(number);
      // A repeat that is not marked would deceive the application.
      if (repeated && !message.redelivered) counts.wrongRepeats++;
      if (number % 3 === 0) message.mark = Uint8Array.of(number & 255);
      doom.strike();
      if (!manual || !repeated) handled.push(number);
      known.add(number);
      doom.strike();
      if (manual) message.acknowledge();
    };
    world.start({
      version,
      durability: "power",
      acknowledge: manual ? "manual" : "auto",
      onMessage: (message) => {
        if (doom.fallen) return undefined;
        if (!later) {
          handle(message);
          return undefined;
        }
        // Handled later, as by an application that waits for something.
        return Promise.resolve().then(() => {
          if (!doom.fallen) handle(message);
        });
      },
    });
    const done = await live(world, doom, () => {
      void world.session.subscribe("in", { qos }).catch(() => undefined);
      if (!world.broker.sessions.get("device")?.subscriptions.has("in")) return false;
      const { outgoing } = world.broker.sessions.get("device")!;
      for (let i = random.integer(1, 12); i > 0 && published < messages && outgoing.length < 100; i--)
        world.broker.publish("in", `${published++}`, qos);
      return published >= messages && outgoing.length === 0 && world.session.pending.inbound === 0;
    });
    repeatable += doom.inHand;
    await doom.bury();
    if (done) break;
  }
  compare(
    counts,
    Array.from({ length: messages }, (_, i) => i),
    handled,
  );
  if (manual) counts.wrongRepeats += counts.repeats;
  else if (qos === 2) counts.wrongRepeats += Math.max(0, counts.repeats - repeatable);
  return counts;
}
