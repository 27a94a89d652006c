/**
 * Replay protection against a plain model, with fate deciding: messages come in any order and repeatedly, the device sleeps, crashes, loses power at any write.
 * Nothing is delivered twice, and nothing with QoS 1 is lost.
 */
import assert from "node:assert/strict";
import { createCrypto } from "../../hosts/node/crypto/crypto.js";
import { Sealing, type SealingOptions } from "../../src/sealing/index.js";
import { RetainedStore, SealedBox } from "../../src/storage/index.js";
import { Random } from "../fuzz/random.js";
import { MemoryRetained, MemoryStorage, PowerCut } from "../support/memory-storage.js";

const crypto = createCrypto();
const topic = "device/commands";
const secret = crypto.importKey("secret", new Uint8Array(32).fill(9));
const box = new SealedBox(crypto, crypto.importKey("secret", new Uint8Array(32).fill(8)));

interface Sent {
  readonly message: Uint8Array;
  readonly qos: 0 | 1;
  delivered: number;
  /** How often it was delivered and the device lived on until it was settled. */
  settled: boolean;
}

function open(options: SealingOptions, name: string, storage: MemoryStorage, retained?: RetainedStore): Sealing {
  const sealing = new Sealing(options);
  sealing.open({ crypto, storage, retained, secrets: new Map([[0, secret]]), clientIdentifier: name });
  return sealing;
}

interface World {
  readonly options: SealingOptions;
  /** Of 10 messages, those with QoS 0. */
  readonly qos0: number;
  /** One message in so many carries the ID Context; all, when left out. */
  readonly idContextInterval?: number;
}

/** @returns figures that show that the test did what it should */
function run(random: Random, { options, qos0, idContextInterval }: World): { delivered: number; restarts: number } {
  const senders = Array.from({ length: 3 }, (_, i) =>
    open({ blockSize: 1000, idContextInterval }, `s${i}`, new MemoryStorage()),
  );
  const sent: Sent[] = [];
  const memory = new MemoryRetained(2048);
  let storage = new MemoryStorage();
  let mark: Uint8Array | undefined;
  let restarts = 0;
  for (let life = 0; life < 12; life++) {
    storage = storage.afterReboot();
    if (random.below(2) === 0) storage.failAt(1 + random.below(4), random.pick(["before", "after"] as const));
    const retained = new RetainedStore(memory, box);
    try {
      const sealing = open(options, "device", storage, retained);
      sealing.loadMark(mark);
      const handling: { message: Sent; mark: Uint8Array; settle: () => void }[] = [];
      for (let step = random.below(60); step > 0; step--) {
        if (sent.length === 0 || random.below(3) === 0) {
          const message = random.pick(senders).seal(topic, Uint8Array.of(sent.length));
          sent.push({ message, qos: random.below(10) < qos0 ? 0 : 1, delivered: 0, settled: false });
        }
        // One of the latest, or any old one: in order, out of order, and again.
        const index =
          random.below(3) === 0 ? random.below(sent.length) : sent.length - 1 - random.below(Math.min(8, sent.length));
        const message = sent[index]!;
        const result = sealing.unseal(topic, message.message.slice(), {
          qos: message.qos,
          duplicate: random.below(3) === 0,
        });
        if (result.outcome === "delivered") {
          message.delivered++;
          assert.equal(message.settled, false, "a message that was acknowledged was delivered again");
          if (message.qos === 1) handling.push({ message, mark: result.mark!, settle: result.settle });
          else if (message.delivered > 1) assert.equal(options.afterRestart, "deliver", "QoS 0 was delivered twice");
        }
        // The session acknowledges in order, and stores the mark first.
        while (handling.length > 0 && (handling.length > 5 || random.below(2) === 0)) {
          const done = handling.shift()!;
          mark = done.mark;
          done.message.settled = true;
          done.settle();
        }
      }
      if (random.below(3) === 0) {
        sealing.save();
        retained.commit();
      } else if (random.below(3) === 0) sealing.close();
      else if (random.below(2) === 0) memory.losePower();
    } catch (error) {
      if (!(error instanceof PowerCut)) throw error;
      memory.losePower();
    }
    restarts++;
  }
  // In the end all that was sent with QoS 1 and not acknowledged comes again, as a broker does it: none of it may be lost.
  if (qos0 === 0) {
    const sealing = open(options, "device", storage.afterReboot());
    sealing.loadMark(mark);
    // What is repeated from time to time.
    for (const sender of senders) sealing.unseal(topic, sender.seal(topic, new Uint8Array(1), { retain: true }));
    for (const { message, settled, delivered } of sent.slice(-30)) {
      if (settled || delivered === 0) continue;
      assert.equal(sealing.unseal(topic, message.slice(), { qos: 1, duplicate: true }).outcome, "delivered");
    }
  }
  return { delivered: sent.reduce((sum, { delivered }) => sum + delivered, 0), restarts };
}

describe("Replay protection against a model", function () {
  this.timeout(60_000);
  const seed = Number(process.env["SEALWIRE_SEED"] ?? 1);
  const worlds: Record<string, World> = {
    "QoS 1 alone": { options: {}, qos0: 0 },
    "QoS 1 alone, most messages refer to their ID Context": { options: {}, qos0: 0, idContextInterval: 50 },
    "QoS 0 alone, most messages refer to their ID Context": {
      options: { replayInterval: 4 },
      qos0: 10,
      idContextInterval: 50,
    },
    "QoS 0 alone": { options: { replayInterval: 4 }, qos0: 10 },
    "QoS 0 alone, repeats allowed": { options: { replayInterval: 4, afterRestart: "deliver" }, qos0: 10 },
    "both at once": { options: { replayInterval: 8 }, qos0: 5 },
  };
  for (const [title, world] of Object.entries(worlds))
    it(title, () => {
      const random = new Random(seed);
      const total = { delivered: 0, restarts: 0 };
      for (let i = 0; i < 150; i++) {
        const { delivered, restarts } = run(random, world);
        total.delivered += delivered;
        total.restarts += restarts;
      }
      assert.ok(total.delivered > 5000 && total.restarts >= 1500, JSON.stringify(total));
    });
});
