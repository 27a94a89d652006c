import { toUTF8 } from "../../../src/bytes.js";
import type { Delivered, Duplicate, Refused, SealingOptions, Unsealed } from "../../../src/sealing/index.js";
import { ReplayTable } from "../../../src/sealing/replay-table.js";
import { STORAGE_KEY } from "../../../src/storage/index.js";
import { deepEqual, strictEqual, throws } from "../../support/assert.js";
import { describe, it } from "../../support/bdd.js";
import { codeOf, delivered, secretKey, Station, textOf } from "./sealing-world.js";

const topic = "dev/commands";

/** A sender, a receiver, and what was sent. */
class Pair {
  readonly sender: Station;
  readonly receiver: Station;
  readonly sent: Uint8Array[] = [];

  constructor(options: SealingOptions = {}, name = "server") {
    this.sender = new Station(name, { blockSize: 65_535 });
    this.receiver = new Station("device", options);
  }

  /** Seals `count` more messages. */
  send(count: number): void {
    for (let i = 0; i < count; i++) this.sent.push(this.sender.seal(topic, `${this.sent.length}`));
  }

  receive(index: number, qos: 0 | 1 | 2 = 0, flags: { duplicate?: boolean; retain?: boolean } = {}): Unsealed {
    return this.receiver.unseal(topic, this.sent[index]!, { qos, ...flags });
  }

  /** Receives with QoS 1, as the MQTT session does it: the mark is stored, and then the message acknowledged. */
  acknowledge(index: number): Delivered {
    const result = delivered(this.receive(index, 1));
    result.settle();
    this.mark = result.mark!() ?? this.mark;
    return result;
  }

  /** As the MQTT session stored it last. */
  mark: Uint8Array | undefined;

  /** The receiver starts again after a power cut. */
  restart(): void {
    this.receiver.powerCut();
    this.receiver.sealing.loadMark(this.mark);
  }
}

describe("Replay of sealed payloads", () => {
  it("is refused, in and out of order, and beyond the window", () => {
    const pair = new Pair();
    pair.send(200);
    for (const index of [0, 1, 5, 3, 2, 4]) strictEqual(textOf(pair.receive(index)), `${index}`);
    for (const index of [0, 1, 5, 3]) strictEqual(codeOf(pair.receive(index)), "SEALED_REPLAYED");
    strictEqual(textOf(pair.receive(100)), "100");
    strictEqual(textOf(pair.receive(37)), "37");
    strictEqual(codeOf(pair.receive(36)), "SEALED_REPLAYED");
    strictEqual((pair.receive(36) as Refused).security, true);
  });

  it("is a duplicate when MQTT says so, and no event of security; but never delivered", () => {
    const pair = new Pair();
    pair.send(100);
    pair.acknowledge(0);
    strictEqual(pair.receive(0, 1, { duplicate: true }).outcome, "duplicate");
    strictEqual(pair.receive(0, 0, { retain: true }).outcome, "duplicate");
    strictEqual(textOf(pair.receive(99)), "99");
    strictEqual(pair.receive(0, 0, { retain: true }).outcome, "duplicate", "behind the window");
    // DUP and RETAIN alone make nothing a duplicate.
    strictEqual(textOf(pair.receive(98, 1, { duplicate: true })), "98");
    strictEqual(textOf(pair.receive(97, 1, { retain: true })), "97");
    // And a forged repeat is a forgery.
    const forged = pair.sent[0]!.slice();
    forged[forged.byteLength - 1]! ^= 1;
    strictEqual(codeOf(pair.receiver.unseal(topic, forged, { duplicate: true })), "SEALED_TAMPERED");
  });

  it("is told apart by sender: the same number of another one is new", () => {
    const a = new Station("a");
    const b = new Station("b");
    const receiver = new Station("device");
    strictEqual(textOf(receiver.unseal(topic, a.seal(topic, "from a"))), "from a");
    strictEqual(textOf(receiver.unseal(topic, b.seal(topic, "from b"))), "from b");
  });

  it("is not opened by moving a message to another sender or epoch", () => {
    const receiver = new Station(
      "device",
      {},
      {
        secrets: new Map([
          [1, secretKey()],
          [2, secretKey()],
        ]),
      },
    );
    const a = new Station("a", { encoding: "compact" }, { secrets: new Map([[1, secretKey()]]) });
    const message = a.seal(topic, "x");
    const asB = message.slice();
    asB[1] = "b".charCodeAt(0);
    strictEqual(codeOf(receiver.unseal(topic, asB)), "SEALED_TAMPERED");
    const inTwo = message.slice();
    strictEqual(inTwo[4], 1);
    inTwo[4] = 2;
    strictEqual(codeOf(receiver.unseal(topic, inTwo)), "SEALED_TAMPERED");
    strictEqual(textOf(receiver.unseal(topic, message)), "x");
  });
});

describe("Replay protection across restarts", () => {
  it("holds for QoS 1 by the mark that the session stored, to the message", () => {
    const pair = new Pair();
    pair.send(10);
    for (const index of [0, 1, 2, 4]) pair.acknowledge(index);
    strictEqual(pair.receiver.storage!.writes, 0, "the mark needs no write of its own");
    pair.restart();
    for (const index of [0, 1, 2, 4]) strictEqual(codeOf(pair.receive(index)), "SEALED_REPLAYED");
    for (const index of [3, 5]) strictEqual(textOf(pair.receive(index, 1)), `${index}`);
  });

  it("lets a message come again that was not acknowledged", () => {
    const pair = new Pair();
    pair.send(3);
    pair.acknowledge(0);
    strictEqual(textOf(pair.receive(1, 1)), "1");
    pair.restart();
    strictEqual(textOf(pair.receive(1, 1, { duplicate: true })), "1");
  });

  it("lets it come again even if messages with QoS 0 made a snapshot meanwhile", () => {
    const pair = new Pair();
    pair.send(10);
    pair.receive(0);
    strictEqual(textOf(pair.receive(1, 1)), "1");
    pair.receive(2);
    pair.restart();
    strictEqual(textOf(pair.receive(1, 1, { duplicate: true })), "1");
    strictEqual(pair.receive(0, 1).outcome, "refused");
    strictEqual(pair.receive(2, 1).outcome, "refused");
  });

  it("holds for QoS 0 with one write in 32 messages; what may have been delivered is refused", () => {
    const pair = new Pair();
    pair.send(200);
    for (let i = 0; i < 40; i++) strictEqual(textOf(pair.receive(i)), `${i}`);
    strictEqual(pair.receiver.storage!.writes, 2);
    pair.restart();
    for (let i = 0; i < 40; i++) strictEqual(pair.receive(i).outcome, "refused", `${i}`);
    const uncertain = pair.receive(45) as Refused;
    strictEqual(uncertain.error.code, "SEALED_UNCERTAIN");
    strictEqual(uncertain.security, false);
    // The second write covered 32 messages from the 33rd on.
    const first = Array.from({ length: 60 }, (_, i) => 40 + i).find((i) => pair.receive(i).outcome === "delivered");
    strictEqual(first! <= 40 + 32, true, `${first}`);
    pair.restart();
    for (let i = 0; i <= first!; i++) strictEqual(pair.receive(i).outcome, "refused", `${i} after a second restart`);
  });

  it("holds for QoS 0 however far the first number that is heard of a sender is, or jumps", () => {
    for (const interval of [32, 65_535]) {
      const pair = new Pair({ replayInterval: interval });
      pair.send(1);
      // A power cut of the sender costs it the rest of its block of 65,535 numbers.
      for (let i = 0; i < 2; i++) {
        pair.sender.powerCut();
        pair.send(1);
      }
      for (const index of [0, 2]) strictEqual(textOf(pair.receive(index)), `${index}`);
      const late = new Station("late", { replayInterval: interval });
      const message = pair.sent[2]!;
      const first = delivered(late.unseal(topic, message));
      strictEqual(first.sequence, 131_070);
      pair.restart();
      late.powerCut();
      strictEqual(pair.receive(2).outcome, "refused", "after a jump");
      strictEqual(late.unseal(topic, message).outcome, "refused", "the first of all");
    }
  });

  it("keeps the allowance for QoS 0 over a deep sleep: no write at the wake, and none that QoS 1 falls into", () => {
    const pair = new Pair();
    pair.send(10);
    const writes = (): number => pair.receiver.storage!.writes;
    for (const index of [0, 1]) strictEqual(textOf(pair.receive(index)), `${index}`);
    strictEqual(writes(), 1);
    pair.receiver.sleep();
    strictEqual(textOf(pair.receive(2)), "2");
    strictEqual(writes(), 0, "still within it");
    strictEqual(textOf(pair.receive(3, 1)), "3");
    strictEqual(writes(), 1, "it ends before a message that may come again");
    pair.restart();
    for (const index of [0, 1, 2]) strictEqual(pair.receive(index).outcome, "refused", `${index}`);
    strictEqual(textOf(pair.receive(3, 1, { duplicate: true })), "3");
  });

  it("may deliver once more with QoS 0, where that is wanted, and no more than 32", () => {
    const pair = new Pair({ afterRestart: "deliver" });
    pair.send(100);
    for (let i = 0; i < 40; i++) pair.receive(i);
    pair.restart();
    let again = 0;
    for (let i = 0; i < 40; i++) if (pair.receive(i).outcome === "delivered") again++;
    strictEqual(again > 0 && again <= 32, true, `${again}`);
    strictEqual(textOf(pair.receive(40)), "40");
  });

  it("is exact across a deep sleep and an orderly end, with nothing lost and nothing repeated", () => {
    const pair = new Pair();
    pair.send(100);
    for (let i = 0; i < 40; i++) pair.receive(i);
    pair.receiver.sleep();
    strictEqual(codeOf(pair.receive(39)), "SEALED_REPLAYED");
    strictEqual(textOf(pair.receive(40)), "40");
    pair.receiver.sealing.close();
    pair.receiver.powerCut();
    strictEqual(codeOf(pair.receive(40)), "SEALED_REPLAYED");
    strictEqual(textOf(pair.receive(41)), "41");
    // A crash after the wake: what retained memory held is of before, and must not be believed.
    pair.receiver.sleep();
    strictEqual(textOf(pair.receive(42)), "42");
    pair.receiver.crash();
    strictEqual(pair.receive(42).outcome, "refused");
  });

  it("refuses with QoS 0 what storage does not take, since a restart would forget it", () => {
    const pair = new Pair();
    pair.send(3);
    pair.receiver.storage!.failAt(1, "fail");
    strictEqual(codeOf(pair.receive(0)), "STORAGE_FAILED");
    strictEqual(textOf(pair.receive(0)), "0");
  });

  it("opens nothing of the epochs so far when what was stored is damaged, until the secret is rotated", () => {
    const pair = new Pair();
    pair.send(3);
    pair.receive(0);
    pair.receiver.storage!.write(STORAGE_KEY.sealingReplay, toUTF8("rubbish"));
    pair.restart();
    strictEqual(pair.receiver.sealing.status.replayState, "lost");
    strictEqual(codeOf(pair.receive(0)), "SEALED_EPOCH_EXPIRED");
    strictEqual(codeOf(pair.receive(1)), "SEALED_EPOCH_EXPIRED");
    pair.restart();
    strictEqual(codeOf(pair.receive(1)), "SEALED_EPOCH_EXPIRED", "it is remembered");
    const next = new Map([[1, secretKey("the next master secret, of epoch 1")]]);
    pair.sender.sealing.setSecrets(next);
    pair.receiver.sealing.setSecrets(next);
    pair.send(1);
    strictEqual(textOf(pair.receive(3)), "3");
  });

  it("opens nothing of the epochs so far when the mark of the MQTT session is damaged, either", () => {
    for (const load of [
      (pair: Pair) => throws(() => pair.receiver.sealing.loadMark(toUTF8("rubbish")), "STORAGE_CORRUPT"),
      (pair: Pair) => throws(() => pair.receiver.sealing.loadMark(undefined, true), "STORAGE_CORRUPT"),
    ]) {
      const pair = new Pair();
      pair.send(2);
      pair.acknowledge(0);
      pair.receiver.powerCut();
      load(pair);
      strictEqual(pair.receiver.sealing.status.replayState, "lost");
      for (const again of ["now", "after another start"]) {
        strictEqual(codeOf(pair.receive(0, 1)), "SEALED_EPOCH_EXPIRED", again);
        strictEqual(codeOf(pair.receive(1, 1)), "SEALED_EPOCH_EXPIRED", again);
        pair.receiver.powerCut();
      }
    }
  });

  it("says that a damaged mark must be found again, where storage cannot take note of it", () => {
    for (const [mark, lost] of [
      [toUTF8("rubbish"), false],
      [undefined, true],
    ] as const) {
      const pair = new Pair();
      pair.send(1);
      pair.receiver.storage!.failAt(1, "fail");
      throws(() => pair.receiver.sealing.loadMark(mark, lost), "STORAGE_FAILED");
      strictEqual(codeOf(pair.receive(0, 1)), "SEALED_EPOCH_EXPIRED");
    }
  });

  it("begins anew when what was stored is damaged, where that is wanted", () => {
    const pair = new Pair({ whenReplayStateIsLost: "accept" });
    pair.send(2);
    pair.receive(0);
    pair.receiver.storage!.write(STORAGE_KEY.sealingReplay, toUTF8("rubbish"));
    pair.restart();
    strictEqual(textOf(pair.receive(0)), "0");
    throws(() => pair.receiver.sealing.loadMark(toUTF8("rubbish")), "STORAGE_CORRUPT");
  });
});

describe("Replay protection of many senders", () => {
  it("is kept for as many as there is room for; others are refused, and nobody is forgotten", () => {
    const receiver = new Station("device", { maximumSenders: 4, maximumKeys: 2 });
    const senders = Array.from({ length: 5 }, (_, i) => new Station(`sender ${i}`));
    const messages = senders.map((sender) => sender.seal(topic, "x"));
    for (let i = 0; i < 4; i++) strictEqual(textOf(receiver.unseal(topic, messages[i]!)), "x");
    const refused = receiver.unseal(topic, messages[4]!) as Refused;
    strictEqual(refused.error.code, "SEALED_TOO_MANY_SENDERS");
    strictEqual(refused.security, false);
    for (let round = 0; round < 3; round++)
      for (let i = 0; i < 4; i++) strictEqual(codeOf(receiver.unseal(topic, messages[i]!)), "SEALED_REPLAYED");
    strictEqual(textOf(receiver.unseal(topic, senders[0]!.seal(topic, "y"))), "y");
  });

  it("makes room only by forgetting senders of an epoch that has ended", () => {
    const secrets = (...epochs: number[]): Map<number, ReturnType<typeof secretKey>> =>
      new Map(epochs.map((epoch) => [epoch, secretKey(`the master secret of epoch ${epoch}.....`)]));
    const receiver = new Station("device", { maximumSenders: 2 }, { secrets: secrets(1, 2) });
    const at = (name: string, epoch: number): Uint8Array =>
      new Station(name, {}, { secrets: secrets(epoch) }).seal(topic, "x");
    const old = at("a", 1);
    strictEqual(textOf(receiver.unseal(topic, old)), "x");
    strictEqual(textOf(receiver.unseal(topic, at("b", 2))), "x");
    strictEqual(codeOf(receiver.unseal(topic, at("c", 2))), "SEALED_TOO_MANY_SENDERS");
    receiver.sealing.setSecrets(secrets(2));
    strictEqual(textOf(receiver.unseal(topic, at("c", 2))), "x");
    strictEqual(codeOf(receiver.unseal(topic, old)), "SEALED_EPOCH_EXPIRED");
  });

  it("keeps an epoch closed that senders were forgotten of, should its secret come back", () => {
    const secrets = (...epochs: number[]): Map<number, ReturnType<typeof secretKey>> =>
      new Map(epochs.map((epoch) => [epoch, secretKey(`the master secret of epoch ${epoch}.....`)]));
    const receiver = new Station("device", { maximumSenders: 2 }, { secrets: secrets(1) });
    const [old, other] = ["a", "b"].map((name) => new Station(name, {}, { secrets: secrets(1) }).seal(topic, "x"));
    for (const message of [old!, other!]) strictEqual(textOf(receiver.unseal(topic, message)), "x");
    // A rotation that makes room, and is rolled back.
    receiver.sealing.setSecrets(secrets(2));
    strictEqual(textOf(receiver.unseal(topic, new Station("a", {}, { secrets: secrets(2) }).seal(topic, "y"))), "y");
    receiver.sealing.setSecrets(secrets(1));
    for (const restart of [false, true]) {
      if (restart) receiver.powerCut();
      strictEqual(codeOf(receiver.unseal(topic, old!)), "SEALED_EPOCH_EXPIRED");
    }
  });

  for (const how of ["stored", "not stored"] as const)
    it(`keeps that epoch closed over a power cut with QoS 1, too (${how})`, () => {
      const secrets = (...epochs: number[]): Map<number, ReturnType<typeof secretKey>> =>
        new Map(epochs.map((epoch) => [epoch, secretKey(`the master secret of epoch ${epoch}.....`)]));
      const receiver = new Station("device", { maximumSenders: 2 }, { secrets: secrets(1) });
      const [old, other] = ["a", "b"].map((name) => new Station(name, {}, { secrets: secrets(1) }).seal(topic, "x"));
      strictEqual(textOf(receiver.unseal(topic, other!, { qos: 1 })), "x");
      let mark = delivered(receiver.unseal(topic, old!, { qos: 1 })).mark!();
      receiver.sealing.setSecrets(secrets(2));
      const next = new Station("a", {}, { secrets: secrets(2) });
      if (how === "not stored") {
        receiver.storage!.failAt(1, "fail");
        strictEqual(codeOf(receiver.unseal(topic, next.seal(topic, "y"), { qos: 1 })), "STORAGE_FAILED");
      } else mark = delivered(receiver.unseal(topic, next.seal(topic, "y"), { qos: 1 })).mark!() ?? mark;
      // The rotation was not completed: the secret of before is in force again.
      receiver.powerCut();
      receiver.sealing.loadMark(mark);
      const code = how === "stored" ? "SEALED_EPOCH_EXPIRED" : "SEALED_REPLAYED";
      strictEqual(codeOf(receiver.unseal(topic, old!, { qos: 1 })), code);
    });

  it("takes no more memory for messages whose handling failed than the window is long", () => {
    const pair = new Pair();
    pair.send(1000);
    for (let i = 0; i < 1000; i++) strictEqual(pair.receive(i, 1).outcome, "delivered");
    const table = new ReplayTable({ maximumSenders: 1, afterRestart: "refuse" });
    const entry = table.add(new Uint8Array(8), new Uint8Array(0), 0);
    for (let i = 0; i < 1000; i++) table.receive(entry, i, true);
    strictEqual(entry.pending!.length <= 64, true, `${entry.pending!.length}`);
    // Once one is handled, those that it leaves behind are given up; those that may come again still do.
    table.settle(entry, 999, true);
    strictEqual(entry.pending!.length, 0);
    const restarted = new ReplayTable({ maximumSenders: 1, afterRestart: "refuse" });
    restarted.loadMark(table.mark() as Uint8Array);
    const after = restarted.find(entry.digest)!;
    strictEqual([935, 936, 998, 999].map((i) => restarted.check(after, i)).join(), "old,new,new,seen");
  });

  it("fits into marks of 255 bytes, however many there are", () => {
    const receiver = new Station("device", { maximumSenders: 40 });
    const senders = Array.from({ length: 30 }, (_, i) => new Station(`sender ${i}`));
    const messages = senders.map((sender) => sender.seal(topic, "x"));
    let mark: Uint8Array | undefined;
    let marks = 0;
    const open = messages.map((message) => delivered(receiver.unseal(topic, message, { qos: 1 })));
    strictEqual(receiver.storage!.writes, 0);
    for (const result of open) {
      const next = result.mark!();
      if (next === undefined) continue;
      marks++;
      strictEqual(next.byteLength <= 255, true);
      mark = next;
    }
    strictEqual(marks + receiver.storage!.writes, 30, "one write for each that is acknowledged");
    receiver.powerCut();
    receiver.sealing.loadMark(mark);
    const outcomes = messages.map((message) => receiver.unseal(topic, message, { qos: 1 }).outcome);
    deepEqual(new Set(outcomes), new Set(["refused"]));
  });

  it("never gives up a mark, when storage does not take what a mark cannot hold: the message is not acknowledged", () => {
    const receiver = new Station("device");
    const messages = Array.from({ length: 10 }, (_, i) => new Station(`sender ${i}`).seal(topic, "x"));
    const results = messages.map((message) => delivered(receiver.unseal(topic, message, { qos: 1 })));
    let mark: Uint8Array | undefined;
    for (const result of results.slice(0, 7)) mark = result.mark!();
    const { storage } = receiver;
    for (let attempt = 0; attempt < 3; attempt++) {
      storage!.failAt(1, "fail");
      throws(() => results[7]!.mark!(), "STORAGE_FAILED");
    }
    const restarted = (): Station => {
      receiver.powerCut();
      receiver.sealing.loadMark(mark);
      return receiver;
    };
    for (const [i, message] of messages.entries()) {
      const result = restarted().unseal(topic, message, { qos: 1, duplicate: true });
      strictEqual(result.outcome, i < 7 ? "duplicate" : "delivered", `${i}`);
      strictEqual(i < 7 ? codeOf(receiver.unseal(topic, message, { qos: 1 })) : "", i < 7 ? "SEALED_REPLAYED" : "");
    }
  });

  it("needs no mark for a repeat of what the last one tells; and one that does, if it does not", () => {
    const pair = new Pair();
    pair.send(2);
    pair.acknowledge(0);
    // Still within what a snapshot does not tell.
    const repeat = pair.receive(0, 1, { duplicate: true }) as Duplicate;
    deepEqual(repeat.mark!(), pair.mark);
    // A snapshot that tells of it.
    pair.receive(1);
    strictEqual((pair.receive(0, 1, { duplicate: true }) as Duplicate).mark!(), undefined);
  });

  it("spends nothing on senders that prove nothing", () => {
    const receiver = new Station("device", { maximumSenders: 2 });
    const stranger = new Station("x", {}, { secrets: new Map([[0, secretKey("some other secret of 32 bytes...")]]) });
    for (let i = 0; i < 100; i++) {
      const message = stranger.seal(topic, "x");
      stranger.powerCut();
      strictEqual(codeOf(receiver.unseal(topic, message)), "SEALED_TAMPERED");
    }
    strictEqual(receiver.sealing.status.senders, 0);
  });
});
