import type { PayloadSource, SessionOptions } from "../../../src/mqtt/index.js";
import { deepEqual, ok, rejects, strictEqual } from "../../support/assert.js";
import { describe, it } from "../../support/bdd.js";
import { PACKET, World } from "../../support/session-world.js";

const SIZE = 20_000;

/** A source that can be read again, and counts how much was asked of it. */
class Source implements PayloadSource {
  readonly byteLength: number;
  readonly reference: string | undefined;
  largest = 0;
  readonly #later: boolean;

  constructor({
    byteLength = SIZE,
    later = false,
    reference,
  }: { byteLength?: number; later?: boolean; reference?: string } = {}) {
    this.byteLength = byteLength;
    this.reference = reference;
    this.#later = later;
  }

  read(offset: number, length: number): Uint8Array | Promise<Uint8Array> {
    this.largest = Math.max(this.largest, length);
    const bytes = Uint8Array.from({ length }, (_, i) => (offset + i) % 251);
    return this.#later ? Promise.resolve(bytes) : bytes;
  }
}

function isWhole(payload: Uint8Array, byteLength = SIZE): boolean {
  return payload.byteLength === byteLength && payload.every((byte, i) => byte === i % 251);
}

for (const qos of [0, 1, 2] as const) {
  describe(`A streamed payload with QoS ${qos}`, () => {
    it("is larger than every buffer and arrives whole, with others before and after", async () => {
      for (const later of [false, true]) {
        const world = new World();
        world.network.capacity = 600;
        const session = await world.online({ queue: { bytes: 2000 } });
        const source = new Source({ later });
        const all = Promise.all([
          session.publish("t", "before", { qos }),
          session.publish("t", source, { qos }),
          session.publish("t", "after", { qos }),
        ]);
        await world.run();
        await all;
        const [before, whole, after] = world.broker.published;
        deepEqual([before!.payload.byteLength, after!.payload.byteLength], [6, 5]);
        ok(isWhole(whole!.payload));
        ok(source.largest <= 1024, "the memory it costs is bounded");
      }
    });

    it("goes to a topic that is longer than all that the connection takes at once", async () => {
      const topic = `t/${"x".repeat(900)}`;
      for (const version of [4, 5] as const) {
        const world = new World();
        world.network.capacity = 300;
        const session = await world.online({ version });
        const all = Promise.all([
          session.publish("t", "before", { qos }),
          session.publish(topic, "short", { qos }),
          session.publish(topic, new Source({ byteLength: 2000 }), { qos }),
          session.publish(topic, "", { qos }),
          session.publish("t", "after", { qos }),
        ]);
        await world.run();
        await all;
        deepEqual(
          world.broker.published.map((message) => [message.topic, message.payload.byteLength]),
          [
            ["t", 6],
            [topic, 5],
            [topic, 2000],
            [topic, 0],
            ["t", 5],
          ],
        );
      }
    });

    it("may be empty", async () => {
      const world = new World();
      const session = await world.online();
      const done = session.publish("t", new Source({ byteLength: 0 }), { qos });
      await world.run();
      await done;
      strictEqual(world.broker.published[0]!.payload.byteLength, 0);
    });

    it("that fails at once costs the connection nothing", async () => {
      const world = new World();
      const session = await world.online();
      const failing: PayloadSource[] = [
        { byteLength: 10, read: () => Promise.reject(new Error("no such file")) },
        {
          byteLength: 10,
          read: () => {
            throw new Error("no such file");
          },
        },
        { byteLength: 10, read: () => new Uint8Array(0) },
        { byteLength: 10, read: (_, length) => new Uint8Array(length + 1) },
      ];
      for (const source of failing) {
        const published = session.publish("t", source, { qos });
        const [error] = await Promise.all([published.catch((caught: unknown) => caught), world.run()]);
        ok(error instanceof Error);
      }
      const fine = session.publish("t", "fine", { qos });
      await world.run();
      await fine;
      deepEqual(world.published, ["fine"]);
      ok(session.connected);
    });

    it("that fails half way ends the connection, and only itself", async () => {
      const world = new World();
      const session = await world.online();
      const source: PayloadSource = {
        byteLength: SIZE,
        read: (offset, length) => {
          if (offset > 5000) throw new Error("the card was pulled");
          return new Uint8Array(length);
        },
      };
      const published = rejects(session.publish("t", source, { qos }), "PAYLOAD_NOT_REPLAYABLE");
      const other = session.publish("t", "other", { qos: 1 });
      await world.run();
      await published;
      strictEqual(world.disconnects.length, 1);
      world.connect();
      await world.run();
      await other;
      deepEqual(world.published, ["other"]);
    });
  });
}

for (const qos of [1, 2] as const) {
  describe(`A streamed payload with QoS ${qos} and lost connections`, () => {
    it("is read again from its beginning", async () => {
      const world = new World();
      world.network.capacity = 600;
      const session = await world.online();
      const done = session.publish("t", new Source({ later: true }), { qos });
      let cuts = 0;
      world.network.cutAfter = () => (++cuts < 4 ? 1500 * cuts : undefined);
      world.network.cut();
      for (let i = 0; i < 5; i++) {
        await world.run();
        if (!session.connected) world.connect();
      }
      await world.run();
      await done;
      ok(cuts >= 4);
      strictEqual(world.broker.published.length, 1);
      ok(isWhole(world.broker.published[0]!.payload));
    });

    for (const durability of ["power", "sleep"] as const) {
      it(`is opened again after a restart (durability "${durability}")`, async () => {
        const world = new World();
        const opened: string[] = [];
        const options: Partial<SessionOptions> = {
          durability,
          openSource: (reference) => {
            opened.push(reference);
            return new Source({ reference });
          },
        };
        const session = world.start(options);
        session.publish("t", new Source({ reference: "log.bin" }), { qos }).catch(() => undefined);
        const savedState = durability === "sleep" ? session.save() : undefined;
        world.powerLoss();
        await world.online({ ...options, savedState });
        deepEqual(opened, ["log.bin"]);
        ok(isWhole(world.broker.published[0]!.payload));
      });
    }

    it("is given up, with a report, when there is no source after a restart", async () => {
      const world = new World();
      await world.online({ durability: "power" });
      world.broker.silent.add(PACKET.PUBLISH);
      for (const reference of [undefined, "gone"])
        world.session.publish("t", new Source(reference ? { reference } : {}), { qos }).catch(() => undefined);
      world.session.publish("t", "other", { qos }).catch(() => undefined);
      await world.run();
      world.powerLoss();
      world.broker.silent.clear();
      await world.online({ durability: "power", openSource: () => undefined });
      deepEqual(
        world.errors.map(({ code }) => code),
        ["PAYLOAD_NOT_REPLAYABLE", "PAYLOAD_NOT_REPLAYABLE"],
      );
      deepEqual(world.published, ["other"]);
      strictEqual(world.session.pending.messages, 0);
      strictEqual([...world.flash.values.keys()].filter((key) => key.startsWith("sw.mq.o")).length, 0);
    });
  });
}
