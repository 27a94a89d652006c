/**
 * Replay protection against a plain model, with fate deciding: messages come in any order and repeatedly, the device sleeps, crashes, loses power at any write.
 * Nothing is delivered again once it was acknowledged, and nothing with QoS 1 is lost.
 */
import assert from "node:assert/strict";
import { createCrypto } from "../../hosts/node/crypto/crypto.js";
import { Sealing, type SealingOptions, type Unsealed } from "../../src/sealing/index.js";
import { RetainedStore, SealedBox } from "../../src/storage/index.js";
import { Random } from "../fuzz/random.js";
import { MemoryRetained, MemoryStorage, PowerCut } from "../support/memory-storage.js";
import { SealedInbox } from "../support/sealed-inbox.js";

const crypto = createCrypto();
const topic = "device/commands";
const secret = crypto.importKey("secret", new Uint8Array(32).fill(9));
const box = new SealedBox(crypto, crypto.importKey("secret", new Uint8Array(32).fill(8)));

interface Sent {
  readonly message: Uint8Array;
  readonly qos: 0 | 1;
  /** How often it was handed out, to a handler that knows of it: the power was on. */
  delivered: number;
  /** The server knows that it was handled. */
  acknowledged: boolean;
  /** The server knows that it was not (MQTT 5.0): it may be delivered again by whoever sends it, and does not come again. */
  refused: boolean;
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
  /** 3 when left out. */
  readonly senders?: number;
  /** Messages that are being handled at once, at most; 5 when left out. */
  readonly atOnce?: number;
  /** One handler in so many fails; none when left out. */
  readonly failing?: number;
}

/** What the model counts, to show that the test did what it should. */
interface Total {
  delivered: number;
  restarts: number;
  /** Most messages that were being handled when the power was cut. */
  cutWith: number;
}

function run(random: Random, world: World, total: Total): void {
  const { options, qos0, idContextInterval, atOnce = 5, failing } = world;
  const senders = Array.from({ length: world.senders ?? 3 }, (_, i) =>
    open({ blockSize: 1000, idContextInterval }, `s${i}`, new MemoryStorage()),
  );
  const sent: Sent[] = [];
  const memory = new MemoryRetained(2048);
  let storage = new MemoryStorage();
  const begin = (sealing: Sealing): SealedInbox<Sent> =>
    new SealedInbox<Sent>(sealing, storage, (message) => (message.acknowledged = true));
  /** Some handlers end, in any order; some messages are acknowledged. */
  const handle = (inbox: SealedInbox<Sent>, most: number): void => {
    const { handling } = inbox;
    // Now and then many at once; else hardly one for each that arrives.
    let ends = random.below(atOnce) === 0 ? random.below(2 * atOnce) : random.below(5) === 0 ? 1 : 0;
    for (ends = Math.min(handling.length, Math.max(ends, handling.length - most)); ends > 0; ends--) {
      const [done] = handling.splice(random.below(handling.length), 1);
      const fails = failing !== undefined && random.below(failing) === 0;
      const how = fails ? random.pick(["failed", "refused"] as const) : "handled";
      if (how === "refused") done!.refused = true;
      inbox.finish(done!, how);
    }
    if (random.below(4) === 0) inbox.acknowledge(1 + random.below(2 * atOnce));
  };
  for (let life = 0; life < 12; life++) {
    storage = storage.afterReboot();
    if (random.below(2) === 0)
      storage.failAt(1 + random.below(random.pick([4, atOnce])), random.pick(["before", "after"] as const));
    const retained = new RetainedStore(memory, box);
    let inbox: SealedInbox<Sent> | undefined;
    try {
      const sealing = open(options, "device", storage, retained);
      inbox = begin(sealing);
      // The broker repeats what was not acknowledged, in its order, before anything else.
      const again = sent.filter(({ qos, delivered, acknowledged }) => qos === 1 && delivered > 0 && !acknowledged);
      if (qos0 === 0)
        for (const message of again) {
          const { outcome } = receive(inbox, message, true, options);
          assert.notEqual(outcome, "refused", "what was not acknowledged comes again, and is refused");
        }
      for (let step = random.below(30 + 6 * atOnce); step > 0; step--) {
        if (sent.length === 0 || random.below(3) === 0) {
          const message = random.pick(senders).seal(topic, Uint8Array.of(sent.length));
          const qos = random.below(10) < qos0 ? 0 : 1;
          sent.push({ message, qos, delivered: 0, acknowledged: false, refused: false });
        }
        // One of the latest, or any old one: in order, out of order, and again.
        const index =
          random.below(3) === 0 ? random.below(sent.length) : sent.length - 1 - random.below(Math.min(8, sent.length));
        receive(inbox, sent[index]!, random.below(3) === 0, options);
        handle(inbox, atOnce);
      }
      if (random.below(3) === 0) {
        sealing.save();
        retained.commit();
      } else if (random.below(3) === 0) sealing.close();
      else if (random.below(2) === 0) memory.losePower();
      if (storage.dead) throw new PowerCut();
    } catch (error) {
      if (!(error instanceof PowerCut)) throw error;
      total.cutWith = Math.max(total.cutWith, inbox?.handling.length ?? 0);
      memory.losePower();
    }
    total.restarts++;
  }
  for (const { delivered } of sent) total.delivered += delivered;
}

function receive(inbox: SealedInbox<Sent>, message: Sent, duplicate: boolean, options: SealingOptions): Unsealed {
  const { qos } = message;
  const result = inbox.receive(message, topic, message.message, { qos, duplicate });
  if (result.outcome !== "delivered") return result;
  message.delivered++;
  if (qos === 0) {
    if (message.delivered > 1) assert.equal(options.afterRestart, "deliver", "QoS 0 was delivered twice");
  } else if (!message.refused)
    assert.equal(message.acknowledged, false, "a message that was acknowledged was delivered again");
  return result;
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
    "many senders, handled at once": { options: {}, qos0: 0, senders: 20, atOnce: 40 },
    "many senders, handled at once, some in vain": { options: {}, qos0: 0, senders: 20, atOnce: 40, failing: 4 },
    "many senders, QoS 0 and 1, some in vain": {
      options: { replayInterval: 4 },
      qos0: 1,
      senders: 12,
      atOnce: 40,
      failing: 4,
    },
    "many senders, QoS 0 and 1, repeats allowed": {
      options: { replayInterval: 4, afterRestart: "deliver" },
      qos0: 1,
      senders: 12,
      atOnce: 40,
    },
  };
  for (const [title, world] of Object.entries(worlds))
    it(title, () => {
      const random = new Random(seed);
      const total: Total = { delivered: 0, restarts: 0, cutWith: 0 };
      const many = world.atOnce !== undefined;
      const runs = many ? 60 : 150;
      for (let i = 0; i < runs; i++) run(random, world, total);
      assert.ok(total.delivered > 5000 && total.restarts === 12 * runs, JSON.stringify(total));
      // More than a mark holds.
      if (many) assert.ok(total.cutWith > 7, JSON.stringify(total));
    });
});
