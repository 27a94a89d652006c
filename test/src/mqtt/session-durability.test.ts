import type { PublishOptions, SessionMessage, SessionOptions } from "../../../src/mqtt/index.js";
import { fromUTF8, toUTF8 } from "../../../src/bytes.js";
import { STORAGE_KEY } from "../../../src/storage/index.js";
import { deepEqual, ok, rejects, strictEqual } from "../../support/assert.js";
import { describe, it } from "../../support/bdd.js";
import { PACKET, PowerLoss, World } from "../../support/session-world.js";

const POWER: Partial<SessionOptions> = { durability: "power" };

/** Where the power fails: at the n-th write of flash, before or after it, or at the n-th operation of the transport. */
interface Cut {
  readonly at: "before" | "after" | "transport";
  readonly n: number;
}

/** Runs one life of the device until nothing more happens, or the power fails. @returns whether it failed */
async function live(
  world: World,
  cut: Cut | undefined,
  options: Partial<SessionOptions>,
  body: () => void,
): Promise<boolean> {
  let lost = false;
  const hasLost = (): boolean => lost;
  const lose = (): void => {
    lost = true;
    world.flash.die();
    world.network.crash();
  };
  world.flash.onPowerLoss = lose;
  let operations = 0;
  world.network.onOperation = () => {
    if (lost || (cut?.at === "transport" && ++operations === cut.n)) {
      lose();
      throw new PowerLoss();
    }
  };
  if (cut && cut.at !== "transport") {
    world.flash.cutIn = cut.n;
    world.flash.cutAfterWrite = cut.at === "after";
  }
  try {
    world.start({ ...POWER, ...options });
    world.connect();
    await world.run();
    if (!hasLost()) body();
    await world.run();
  } catch (error) {
    if (!(error instanceof PowerLoss)) throw error;
  }
  world.network.onOperation = undefined;
  world.powerLoss();
  await world.run();
  return lost;
}

/** Every cut, until a life comes to its end without meeting it. */
async function forEveryCut(scenario: (cut: Cut) => Promise<boolean>): Promise<number> {
  let count = 0;
  for (const at of ["before", "after", "transport"] as const) {
    for (let n = 1; await scenario({ at, n }); n++) count++;
  }
  return count;
}

/** Publishes so many messages until the power fails. @returns those that are stored */
function publishAll(world: World, qos: 1 | 2, count: number, first = 0): string[] {
  const stored: string[] = [];
  for (let i = first; i < first + count; i++) {
    const before = keysOf(world);
    world.session.publish("t", `${i}`, { qos }).catch(() => undefined);
    if (keysOf(world) > before) stored.push(`${i}`);
  }
  return stored;
}

function keysOf(world: World): number {
  return [...world.flash.values.keys()].filter((key) => key.startsWith("sw.mq.o")).length;
}

function unique(list: readonly string[]): string[] {
  return [...new Set(list)];
}

for (const version of [4, 5] as const) {
  describe(`Durability "power" over MQTT ${version === 4 ? "3.1.1" : "5.0"}`, () => {
    for (const qos of [1, 2] as const) {
      it(`loses no QoS ${qos} message that was stored, wherever power fails, twice`, async () => {
        const cuts = await forEveryCut(async (cut) => {
          let again = true;
          for (let n = 1; again; n++) {
            for (const at of ["before", "after", "transport"] as const) {
              const world = new World();
              let stored: string[] = [];
              const failed = await live(world, cut, { version }, () => {
                stored = publishAll(world, qos, 3);
              });
              again = await live(world, { at, n }, { version }, () => undefined);
              if (!failed) return false;
              await live(world, undefined, { version }, () => undefined);
              const { published } = world;
              deepEqual(unique(published), stored, `${cut.at} ${cut.n}, ${at} ${n}`);
              if (qos === 2) deepEqual(published, stored, `exactly once: ${cut.at} ${cut.n}, ${at} ${n}`);
              strictEqual(keysOf(world), 0, "what is acknowledged is removed");
            }
            if (n > 200) throw new Error("the second life never ends");
          }
          return true;
        });
        ok(cuts > 10, `only ${cuts} places to fail at`);
      });

      it(`hands out every QoS ${qos} message, marked when it may be a repeat, wherever power fails`, async () => {
        const cuts = await forEveryCut(async (cut) => {
          const world = new World();
          await live(world, undefined, { version }, () => void world.session.subscribe("in", { qos }));
          const seen: SessionMessage[] = [];
          const options = { version, onMessage: (message: SessionMessage) => void seen.push(message) };
          const failed = await live(world, cut, options, () => {
            for (let i = 0; i < 3; i++) world.broker.publish("in", `${i}`, qos);
          });
          // What was not published because the power failed before.
          const missing = world.broker.published.length === 0;
          await live(world, undefined, options, () => {
            if (missing) for (let i = 0; i < 3; i++) world.broker.publish("in", `${i}`, qos);
          });
          const texts = seen.map(({ payload }) => fromUTF8(payload)!);
          deepEqual(unique(texts), ["0", "1", "2"], `${cut.at} ${cut.n}`);
          const repeats = seen.filter(({ payload }, i) => texts.indexOf(fromUTF8(payload)!) < i);
          ok(
            repeats.every(({ redelivered }) => redelivered),
            `a repeat is marked: ${cut.at} ${cut.n}`,
          );
          // One message at most was between its callback and its mark.
          if (qos === 2) ok(repeats.length <= 1, `${repeats.length} repeats: ${cut.at} ${cut.n}`);
          return failed;
        });
        ok(cuts > 5, `only ${cuts} places to fail at`);
      });

      it(`lets an application with a ledger handle a QoS ${qos} message exactly once`, async () => {
        await forEveryCut(async (cut) => {
          const world = new World();
          await live(world, undefined, { version }, () => void world.session.subscribe("in", { qos }));
          /** In the application's own storage: what it has done. */
          const ledger: string[] = [];
          const options: Partial<SessionOptions> = {
            version,
            acknowledge: "manual",
            onMessage: (message) => {
              const text = fromUTF8(message.payload)!;
              if (!ledger.includes(text)) {
                strictEqual(world.flash.values.has("never"), false);
                ledger.push(text);
              } else ok(message.redelivered, "a message that the ledger knows is marked");
              message.acknowledge();
            },
          };
          const failed = await live(world, cut, options, () => {
            for (let i = 0; i < 3; i++) world.broker.publish("in", `${i}`, qos);
          });
          const missing = world.broker.published.length === 0;
          await live(world, undefined, options, () => {
            if (missing) for (let i = 0; i < 3; i++) world.broker.publish("in", `${i}`, qos);
          });
          deepEqual(ledger, ["0", "1", "2"]);
          return failed;
        });
      });
    }

    it("repeats a message whose handling a crash ended", async () => {
      for (const qos of [1, 2] as const) {
        const world = new World();
        await live(world, undefined, { version }, () => void world.session.subscribe("in", { qos }));
        const seen: boolean[] = [];
        const crash = {
          version,
          onMessage: ({ redelivered }: SessionMessage) => {
            seen.push(redelivered);
            world.flash.die();
            world.network.crash();
            throw new PowerLoss();
          },
        };
        await live(world, undefined, crash, () => world.broker.publish("in", "x", qos));
        await live(
          world,
          undefined,
          { version, onMessage: ({ redelivered }) => void seen.push(redelivered) },
          () => undefined,
        );
        await live(
          world,
          undefined,
          { version, onMessage: ({ redelivered }) => void seen.push(redelivered) },
          () => undefined,
        );
        deepEqual(seen, [false, true]);
      }
    });

    it("writes twice for a QoS 1 message, three times for QoS 2; inbound never and twice", async () => {
      const world = new World();
      const session = await world.online({ ...POWER, version });
      void session.subscribe("in", { qos: 2 });
      await world.run();
      const count = async (act: () => void): Promise<number> => {
        const before = world.flash.writes;
        act();
        await world.run();
        return world.flash.writes - before;
      };
      const publish = (options: PublishOptions) => () => void session.publish("t", "x", options);
      strictEqual(await count(publish({ qos: 0 })), 0);
      strictEqual(await count(publish({ qos: 1 })), 2);
      strictEqual(await count(publish({ qos: 2 })), 3);
      for (const [qos, writes] of [
        [0, 0],
        [1, 0],
        [2, 2],
      ] as const)
        strictEqual(await count(() => world.broker.publish("in", "x", qos)), writes, `inbound QoS ${qos}`);
      strictEqual(world.messages.length, 3);
      // Reconnecting, with the broker's session there, changes nothing that is stored.
      strictEqual(await count(() => world.network.cut()), 0);
      strictEqual(await count(() => world.connect()), 0);
    });

    it("stores the application's mark in the same write", async () => {
      const world = new World();
      let mark = 0;
      const options: Partial<SessionOptions> = {
        ...POWER,
        version,
        onMessage: (message) => {
          message.mark = Uint8Array.of(++mark);
        },
      };
      const session = await world.online(options);
      void session.subscribe("in", { qos: 2 });
      await world.run();
      const before = world.flash.writes;
      world.broker.publish("in", "x", 1);
      await world.run();
      strictEqual(world.flash.writes - before, 1);
      world.broker.publish("in", "x", 2);
      await world.run();
      strictEqual(world.flash.writes - before, 3);
      world.powerLoss();
      deepEqual(world.start(options).mark, Uint8Array.of(2));
    });

    it('stores marks and nothing else for "sleep", and tells when one is damaged', async () => {
      const world = new World();
      let mark = 0;
      const options = (): Partial<SessionOptions> => ({
        durability: "sleep",
        storage: world.flash,
        version,
        onMessage: (message) => {
          if (message.topic === "marked") message.mark = Uint8Array.of(++mark);
        },
      });
      const session = await world.online(options());
      void session.subscribe("#", { qos: 2 });
      void session.publish("out", "x", { qos: 1 });
      await world.run();
      for (const qos of [0, 1, 2] as const) world.broker.publish("unmarked", "x", qos);
      await world.run();
      strictEqual(world.flash.writes, 0);
      for (const qos of [0, 1, 2] as const) world.broker.publish("marked", "x", qos);
      await world.run();
      deepEqual([...world.flash.values.keys()], [STORAGE_KEY.mqttInbound]);
      strictEqual(world.flash.writes, 2, "one for each that is acknowledged");
      const savedState = session.save();
      world.powerLoss();
      deepEqual(world.start(options()).mark, Uint8Array.of(3));
      // What was saved is not older.
      deepEqual(world.start({ ...options(), savedState }).mark, Uint8Array.of(3));
      strictEqual(world.session.markLost, false);
      world.flash.write(STORAGE_KEY.mqttInbound, Uint8Array.of(1, 2));
      for (const durability of ["sleep", "sleep", "power", "power"] as const) {
        strictEqual(world.start({ ...options(), durability }).mark, undefined);
        strictEqual(world.session.markLost, true, "found at each start, until somebody took note");
      }
    });

    it("forgets its mark when told to, damaged or not, and nothing else of what arrived", async () => {
      for (const durability of ["sleep", "power"] as const)
        for (const damaged of [false, true]) {
          const world = new World();
          const options = (): Partial<SessionOptions> => ({
            durability,
            storage: world.flash,
            version,
            onMessage: (message) => void (message.mark = Uint8Array.of(7)),
          });
          await world.online(options());
          void world.session.subscribe("#", { qos: 2 });
          await world.run();
          world.broker.silent.add(PACKET.PUBREC);
          world.broker.publish("x", "x", 2);
          await world.run();
          deepEqual(world.session.mark, Uint8Array.of(7));
          if (damaged) world.flash.write(STORAGE_KEY.mqttInbound, Uint8Array.of(1, 2));
          world.powerLoss();
          const session = world.start(options());
          strictEqual(session.markLost, damaged);
          session.forgetMark();
          strictEqual(session.markLost, false);
          strictEqual(session.mark, undefined);
          const handled = durability === "power" && !damaged;
          strictEqual(
            world.flash.values.has(STORAGE_KEY.mqttInbound),
            handled,
            "QoS 2: what was handled is still known",
          );
          world.powerLoss();
          strictEqual(world.start(options()).mark, undefined);
          strictEqual(world.session.markLost, false);
        }
    });

    it("makes up a SUBSCRIBE that a lost answer may have left undone", async () => {
      const world = new World();
      await world.online({ ...POWER, version });
      void world.session.subscribe("in", { qos: 1 });
      await world.run();
      world.network.cut();
      await world.run();
      // The server forgets, makes a new session, and its CONNACK is lost.
      world.broker.forget();
      const [connect] = world.seen(PACKET.CONNECT);
      world.network.cutAfter = () => connect!.body.byteLength + 3;
      world.connect();
      await world.run();
      strictEqual(world.session.connected, false);
      world.network.cutAfter = undefined;
      world.connect();
      await world.run();
      deepEqual(
        world.connects.map(({ sessionPresent }) => sessionPresent),
        [false, true],
      );
      world.broker.publish("in", "still subscribed", 1);
      await world.run();
      deepEqual(world.received, ["still subscribed"]);
    });
  });
}

describe("A session that finds damaged records", () => {
  it("drops them, counts them, and works on", async () => {
    const world = new World();
    world.start(POWER);
    for (let i = 0; i < 4; i++) world.session.publish("t", `${i}`, { qos: 1 }).catch(() => undefined);
    const keys = [...world.flash.values.keys()].filter((key) => key.startsWith("sw.mq.o")).sort();
    strictEqual(keys.length, 4);
    world.flash.values.set(keys[1]!, Uint8Array.of(1, 2, 3));
    world.flash.values.set("sw.mq.in", Uint8Array.of(3, 200));
    world.flash.values.set("sw.mq.s00", Uint8Array.of(4));
    world.flash.values.set("sw.mq.id", Uint8Array.of(9));
    world.flash.values.set("sw.mq.ozzzz", Uint8Array.of(1));
    world.flash.values.set("app", Uint8Array.of(1));
    world.powerLoss();
    const session = world.start(POWER);
    strictEqual(session.lost.damaged, 5);
    ok(world.flash.values.has("app"), "what is not ours stays");
    world.connect();
    await world.run();
    deepEqual(world.published, ["0", "2", "3"]);
  });

  it("survives every change of every byte of every record", async () => {
    const world = new World();
    await world.online({ ...POWER, version: 5 });
    void world.session.subscribe("in/#", { qos: 2, subscriptionIdentifier: 7 });
    await world.run();
    world.broker.silent.add(PACKET.PUBLISH);
    world.broker.silent.add(PACKET.PUBREC);
    world.broker.publish("in/x", "x", 2);
    for (const qos of [1, 2] as const)
      world.session.publish("t", "x", { qos, expiry: 5000, properties: { contentType: "y" } }).catch(() => undefined);
    await world.run();
    world.powerLoss();
    const values = world.flash.values;
    let tried = 0;
    for (const [key, value] of values) {
      for (let i = 0; i < value.byteLength; i++) {
        for (const byte of [0, 1, 0x7f, 0x80, 0xff, value[i]! ^ 1]) {
          const changed = value.slice();
          changed[i] = byte;
          world.flash.values = new Map(values).set(key, changed);
          world.start({ ...POWER, version: 5 }).close();
          tried++;
        }
        world.flash.values = new Map(values).set(key, value.slice(0, i));
        world.start({ ...POWER, version: 5 }).close();
      }
    }
    ok(tried > 500);
  });

  it("takes nothing over from another identity", async () => {
    const world = new World();
    await world.online(POWER);
    world.network.cut();
    await world.run();
    world.session.publish("t", "of the first", { qos: 1 }).catch(() => undefined);
    world.powerLoss();
    const session = await world.online({ ...POWER, clientIdentifier: "other" });
    strictEqual(session.pending.messages, 0);
    deepEqual(world.published, []);
    strictEqual(keysOf(world), 0);
  });
});

describe("A session whose storage fails", () => {
  it("rejects a publication that cannot be stored", async () => {
    const world = new World();
    const session = await world.online(POWER);
    world.flash.broken = true;
    await rejects(session.publish("t", "x", { qos: 1 }), "STORAGE_FAILED");
    strictEqual(session.pending.messages, 0);
    await rejects(session.publish("t", new Uint8Array(5000), { qos: 1 }), "STORAGE_VALUE_TOO_LARGE");
  });

  it("goes no further in a QoS 2 exchange than it has stored", async () => {
    const world = new World();
    const session = await world.online(POWER);
    world.broker.silent.add(PACKET.PUBLISH);
    const published = session.publish("t", "x", { qos: 2 });
    await world.run();
    world.broker.silent.clear();
    world.flash.broken = true;
    await world.reconnect();
    strictEqual(world.seen(PACKET.PUBREL).length, 0);
    strictEqual(world.disconnects.at(-1)?.code, "STORAGE_FAILED");
    world.flash.broken = false;
    world.connect();
    await world.run();
    await published;
    deepEqual(world.published, ["x"]);
  });

  it("acknowledges no QoS 2 message whose identifier is not stored, and does not hand it out twice", async () => {
    const world = new World();
    const session = await world.online(POWER);
    void session.subscribe("in", { qos: 2 });
    await world.run();
    world.flash.broken = true;
    world.broker.publish("in", "x", 2);
    await world.run();
    strictEqual(world.seen(PACKET.PUBREC).length, 0);
    strictEqual(world.disconnects.at(-1)?.code, "STORAGE_FAILED");
    world.flash.broken = false;
    world.connect();
    await world.run();
    deepEqual(world.received, ["x"]);
    strictEqual(world.seen(PACKET.PUBCOMP).length, 1);
  });
});

describe('Durability "sleep"', () => {
  it("writes nothing, and comes back from what save() returned", async () => {
    const world = new World();
    const options: Partial<SessionOptions> = { durability: "sleep", version: 5 };
    const session = await world.online({ ...options, storage: world.flash });
    void session.subscribe("in", { qos: 2 });
    await world.run();
    world.broker.silent.add(PACKET.PUBREL);
    session.publish("t", "released", { qos: 2 }).catch(() => undefined);
    await world.run();
    world.broker.silent.add(PACKET.PUBLISH);
    session.publish("t", "sent", { qos: 1 }).catch(() => undefined);
    await world.run();
    world.network.cut();
    await world.run();
    session.publish("t", toUTF8("queued"), { qos: 2, expiry: 60_000 }).catch(() => undefined);
    const savedState = session.save();
    session.close();
    strictEqual(world.flash.writes, 0);
    const before = world.broker.seen.length;
    world.broker.silent.clear();
    await world.online({ ...options, savedState });
    deepEqual(world.published, ["released", "sent", "queued"]);
    deepEqual(
      world.broker.seen.slice(before + 1).map(({ type, flags }) => [type, flags & 8]),
      [
        [PACKET.PUBREL, 0],
        [PACKET.PUBLISH, 8],
        [PACKET.PUBLISH, 0],
        [PACKET.PUBREL, 0],
      ],
    );
    strictEqual(world.seen(PACKET.SUBSCRIBE).length, 1, "the server holds the subscription still");
    world.broker.publish("in", "x", 2);
    await world.run();
    deepEqual(world.received, ["x"]);
  });

  it("takes nothing from a block that is cut short, changed, or of another kind", () => {
    const world = new World();
    const session = world.start({ durability: "sleep" });
    for (let i = 0; i < 3; i++) session.publish("t", `${i}`, { qos: 1 }).catch(() => undefined);
    const saved = session.save();
    session.close();
    for (let i = 0; i < saved.byteLength; i++) {
      const changed = saved.slice();
      changed[i] = changed[i]! ^ 0xff;
      for (const savedState of [saved.slice(0, i), changed]) {
        const restored = world.start({ durability: "sleep", savedState });
        ok(restored.pending.messages <= 3);
        restored.close();
      }
    }
    strictEqual(world.start({ durability: "sleep", savedState: saved }).pending.messages, 3);
  });
});
