import type { SealwireError } from "../../../src/errors.js";
import { deepEqual, ok, strictEqual } from "../../support/assert.js";
import { describe, it } from "../../support/bdd.js";
import { PACKET, text, two, variable, type BrokerConnection } from "../../support/broker-model.js";
import { amount } from "../../support/effort.js";
import { World } from "../../support/session-world.js";

/** Numbers from a seed: a linear congruential generator, its upper bits. */
class Dice {
  #state: number;
  constructor(seed: number) {
    this.#state = seed * 2_654_435_761;
  }
  below(limit: number): number {
    this.#state = (Math.imul(this.#state, 1_664_525) + 1_013_904_223) | 0;
    return (this.#state >>> 12) % limit;
  }
}

/** Sends a packet that may be out of place, out of turn, or no packet at all. */
function misbehave(connection: BrokerConnection, dice: Dice): void {
  const { version } = connection;
  const id = two(dice.below(6));
  const none = version === 5 ? [Uint8Array.of(0)] : [];
  const reason = Uint8Array.of([0, 0x10, 0x80, 0x87, 0x92, 0xff][dice.below(6)]!);
  const qos = dice.below(3);
  switch (dice.below(12)) {
    case 0:
    case 1:
    case 2: {
      connection.send(
        PACKET.PUBLISH,
        (qos << 1) | (qos > 0 ? 8 * dice.below(2) : 0),
        text("in"),
        ...(qos > 0 ? [id] : []),
        ...none,
        new Uint8Array(dice.below(3000)),
      );
      return;
    }
    case 3:
    case 4:
    case 5: {
      const type = [PACKET.PUBACK, PACKET.PUBREC, PACKET.PUBREL, PACKET.PUBCOMP][dice.below(4)]!;
      connection.send(type, type === PACKET.PUBREL ? 2 : 0, id, ...(version === 5 && dice.below(2) ? [reason] : []));
      return;
    }
    case 6: {
      connection.send(PACKET.SUBACK, 0, id, ...none, reason);
      return;
    }
    case 7: {
      connection.send(PACKET.UNSUBACK, 0, id, ...(version === 5 ? [Uint8Array.of(0), reason] : []));
      return;
    }
    case 8: {
      connection.sendConnack(dice.below(2) === 1, 0);
      return;
    }
    case 9: {
      connection.send(PACKET.DISCONNECT, 0, ...(version === 5 ? [reason] : []));
      return;
    }
    case 10: {
      connection.send(PACKET.PINGRESP, 0);
      return;
    }
    default: {
      connection.send(1 + dice.below(15), dice.below(16), variable(dice.below(300)), new Uint8Array(dice.below(8)));
      return;
    }
  }
}

/** Ends of a connection that a server can bring about. */
const causedByServer = /^(MQTT_[A-Z_]+|CONNECTION_LOST)$/;

describe("A session whose server sends whatever it likes", () => {
  for (const version of [4, 5] as const)
    it(`keeps its bounds, and works again with an honest one (${version === 4 ? "3.1.1" : "5.0"})`, async () => {
      for (let seed = 1; seed <= amount(300, 8); seed++) {
        const dice = new Dice(seed);
        const world = new World();
        const { broker, network } = world;
        let connection: BrokerConnection | undefined;
        broker.onConnect = (each) => {
          connection = each;
          // Now and then it claims a session that it has not, or denies one that it has.
          if (dice.below(4) > 0) return false;
          each.connack(dice.below(2) === 1);
          return true;
        };
        network.chunk = () => 1 + dice.below(200);
        const session = world.start({
          version,
          durability: "power",
          receiveMaximum: 5,
          window: 3,
          maximumMessageSize: 1000,
          queue: { messages: 8 },
        });
        const ends: string[] = [];
        let promises = 0;
        const expect = (promise: Promise<unknown>): void => {
          promises++;
          promise.then(
            () => ends.push("done"),
            (error: unknown) => ends.push((error as SealwireError).code),
          );
        };
        for (let round = 0; round < 12; round++) {
          if (!session.connected && !session.connecting) world.connect({ pipeline: dice.below(2) === 1 });
          expect(session.publish("t", `${round}`, { qos: (round % 3) as 0 | 1 | 2 }));
          if (round % 4 === 0) expect(session.subscribe(`in/${round}`, { qos: 2 }));
          for (let i = dice.below(4); i > 0; i--) if (connection?.session) misbehave(connection, dice);
          await world.run();
          const { messages, bytes, inFlight, inbound } = session.pending;
          ok(
            messages >= 0 && messages <= 8 && bytes >= 0 && inFlight >= 0 && inFlight <= 3,
            `seed ${seed}: ${messages}, ${bytes}, ${inFlight}`,
          );
          ok(inbound <= 5, `seed ${seed}: ${inbound} inbound messages are unacknowledged`);
        }
        for (const error of world.disconnects)
          ok(error === undefined || causedByServer.test(error.code), `seed ${seed}: ${error?.code}: ${error?.message}`);
        // From here on it is an honest server, without a memory.
        broker.onConnect = undefined;
        broker.forget();
        network.cut();
        await world.run();
        if (!session.connected && !session.connecting) world.connect();
        await world.run();
        ok(session.connected, `seed ${seed}: ${world.disconnects.at(-1)?.message}`);
        expect(session.publish("t", "end", { qos: 2 }));
        await world.run();
        deepEqual(
          [session.pending.messages, session.pending.inFlight, session.pending.requests],
          [0, 0, 0],
          `seed ${seed}`,
        );
        strictEqual(ends.length, promises, `seed ${seed}: a promise is pending`);
        strictEqual(world.published.at(-1), "end");
        session.close();
        strictEqual(world.time.pending, 0, `seed ${seed}: a timer was left behind`);
        strictEqual(
          [...world.flash].filter((key) => key.startsWith("sw.mq.o")).length,
          0,
          `seed ${seed}: a message is still stored`,
        );
      }
    });
});
