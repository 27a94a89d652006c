/** ID Contexts that most messages refer to instead of carrying them. */
import { toHex, toUTF8 } from "../../../src/bytes.js";
import { CONTENT_ALGORITHM } from "../../../src/cose/index.js";
import { readEnvelope, Sealing, type Encoding, type Refused } from "../../../src/sealing/index.js";
import { STORAGE_KEY } from "../../../src/storage/index.js";
import { deepEqual, strictEqual, throws } from "../../support/assert.js";
import { describe, it } from "../../support/bdd.js";
import { algorithms, codeOf, crypto, delivered, secretKey, Station, textOf } from "./sealing-world.js";

const topic = "dev/telemetry";
const interval = 32;
const encodings: readonly Encoding[] = ["cose", "compact"];

function contextOf(message: Uint8Array): Uint8Array {
  return readEnvelope(message, CONTENT_ALGORITHM.A128GCM).idContext;
}

/** The same message in the encoding `compact`, with another ID Context: nobody authenticates how it is named. */
function withContext(message: Uint8Array, idContext: Uint8Array): Uint8Array {
  const { sender, partialIV, ciphertext } = readEnvelope(message, CONTENT_ALGORITHM.A128GCM);
  return Uint8Array.of(
    partialIV!.byteLength | 8 | (sender.byteLength << 4),
    ...sender,
    ...partialIV!,
    idContext.byteLength,
    ...idContext,
    ...ciphertext,
  );
}

/** Seals messages that carry the ID Context in full, until the next one refers to it. */
function passFirst(device: Station, count = 8): Uint8Array[] {
  return Array.from({ length: count }, (_, i) => device.seal(topic, `first ${i}`));
}

/** The counter of the device is lost, and its power with it. */
function loseCounter(device: Station): void {
  device.storage!.delete(STORAGE_KEY.sealingCounter);
  device.powerCut();
}

/** A device whose random ID Contexts all begin with the same byte, so that references to them are the same. */
function alike(name: string): Station {
  let drawn = 0;
  const random = (byteLength: number): Uint8Array => new Uint8Array(byteLength).fill(++drawn).fill(0x42, 0, 1);
  const predictable = Object.create(crypto, { random: { value: random } }) as typeof crypto;
  return new Station(name, { idContextInterval: interval }, { crypto: predictable });
}

describe("A random ID Context that is carried now and then", () => {
  it("costs no more than promised, in any epoch: 2 bytes of sender, up to 2 of Partial IV, untagged", () => {
    const figures: string[] = [];
    for (const algorithm of algorithms)
      for (const encoding of encodings) {
        const lengths = new Set<number>();
        for (const epoch of [0, 127, 128, 0xffffffff])
          for (const payload of [32, 4096]) {
            const device = new Station(
              "d1",
              { algorithm, encoding, idContextInterval: interval, blockSize: 1000 },
              { secrets: new Map([[epoch, secretKey()]]) },
            );
            strictEqual(device.sealing.status.randomContext, true);
            for (let i = 0; i < 300; i++) device.seal(topic, "x");
            if (payload === 4096) lengths.add(device.sealing.seal(topic, new Uint8Array(payload)).byteLength - payload);
          }
        strictEqual(lengths.size, 1);
        figures.push(`${algorithm} ${encoding}: ${[...lengths].join()}`);
      }
    deepEqual(figures, [
      "A128GCM cose: 36",
      "A128GCM compact: 23",
      "A256GCM cose: 36",
      "A256GCM compact: 23",
      "AES-CCM-16-64-128 cose: 28",
      "AES-CCM-16-64-128 compact: 15",
      "AES-CCM-16-128-128 cose: 37",
      "AES-CCM-16-128-128 compact: 23",
    ]);
  });

  it("is carried by the first 8 messages, by one in each interval, and by what the broker retains", () => {
    for (const encoding of encodings) {
      const device = new Station("device", { idContextInterval: interval, encoding });
      const inFull: number[] = [];
      for (let i = 0; i < 3 * interval; i++) if (contextOf(device.seal(topic, "x")).byteLength === 8) inFull.push(i);
      deepEqual(inFull, [0, 1, 2, 3, 4, 5, 6, 7, 32, 64]);
      const next = (retain: boolean): number =>
        contextOf(device.sealing.seal(topic, toUTF8("x"), { retain })).byteLength;
      deepEqual([next(false), next(true), next(false)], [8, 8, 1]);
    }
    const usual = new Station("device");
    for (let i = 0; i < 100; i++) strictEqual(contextOf(usual.seal(topic, "x")).byteLength, 8);
    throws(() => new Sealing({ idContextInterval: 0 }), "INVALID_ARGUMENT");
  });

  it("opens as before, and also with the whole IV, signed, and with more senders than keys are kept for", () => {
    const key = crypto.generateKey();
    const publicKey = crypto.importKey("public", crypto.publicKey(key));
    for (const options of [{}, { fullIV: true }, { sign: { key, publicKey: () => publicKey } }]) {
      const server = new Station("server", { maximumKeys: 2, ...options });
      const devices = Array.from(
        { length: 5 },
        (_, i) => new Station(`device ${i}`, { idContextInterval: interval, ...options }),
      );
      for (let i = 0; i < 50; i++)
        for (const device of devices) strictEqual(textOf(server.unseal(topic, device.seal(topic, `${i}`))), `${i}`);
    }
  });

  it("is not known to who comes late: messages are refused, as nobody's attack, until it comes again", () => {
    const device = new Station("device", { idContextInterval: interval });
    passFirst(device, 20);
    const server = new Station("server");
    for (let i = 20; i < 32; i++) {
      const refused = server.unseal(topic, device.seal(topic, "x")) as Refused;
      strictEqual(refused.error.code, "SEALED_CONTEXT_UNKNOWN");
      strictEqual(refused.security, false);
    }
    for (let i = 32; i < 100; i++) strictEqual(delivered(server.unseal(topic, device.seal(topic, "x"))).sequence, i);
    // A retained message is enough.
    const late = new Station("late");
    strictEqual(codeOf(late.unseal(topic, device.seal(topic, "x"))), "SEALED_CONTEXT_UNKNOWN");
    const retained = device.sealing.seal(topic, toUTF8("state"), { retain: true });
    strictEqual(textOf(late.unseal(topic, retained, { retain: true })), "state");
    strictEqual(textOf(late.unseal(topic, device.seal(topic, "x"))), "x");
  });

  it("stays known over a deep sleep, a power cut and a crash of the receiver, by any of its memories", () => {
    const device = new Station("device", { idContextInterval: 1000 });
    const server = new Station("server");
    const first = passFirst(device);
    const result = delivered(server.unseal(topic, first[0]!, { qos: 1 }));
    const mark = result.mark!();
    server.powerCut();
    server.sealing.loadMark(mark);
    strictEqual(textOf(server.unseal(topic, device.seal(topic, "by the mark"), { qos: 1 })), "by the mark");
    server.sleep();
    strictEqual(textOf(server.unseal(topic, device.seal(topic, "by retained memory"))), "by retained memory");
    server.sealing.close();
    server.powerCut();
    const later = device.seal(topic, "by storage");
    strictEqual(textOf(server.unseal(topic, later)), "by storage");
    server.crash();
    strictEqual(server.unseal(topic, later).outcome, "refused");
  });

  it("changes when the sender has lost its counter; messages under the one before still open, once", () => {
    const device = new Station("device", { idContextInterval: interval });
    const server = new Station("server");
    for (const message of passFirst(device)) server.unseal(topic, message);
    const before = [device.seal(topic, "late"), device.seal(topic, "later")];
    loseCounter(device);
    for (const message of passFirst(device)) strictEqual(server.unseal(topic, message).outcome, "delivered");
    strictEqual(textOf(server.unseal(topic, device.seal(topic, "new"))), "new");
    // By chance (1 in 128) both have the same reference.
    if (toHex(contextOf(before[0]!)) !== toHex(contextOf(device.seal(topic, "x"))))
      for (const text of ["late", "later"])
        strictEqual(textOf(server.unseal(topic, before[text === "late" ? 0 : 1]!)), text);
    for (const message of before) strictEqual(server.unseal(topic, message).outcome, "refused");
  });

  it("does not open a replay by another name: carried in full or referred to, a message is the same", () => {
    const device = new Station("device", { idContextInterval: interval });
    const server = new Station("server");
    const [first, ...rest] = passFirst(device);
    for (const message of [first!, ...rest]) server.unseal(topic, message);
    const idContext = contextOf(first!);
    const sparse = device.seal(topic, "x");
    strictEqual(textOf(server.unseal(topic, sparse)), "x");
    strictEqual(codeOf(server.unseal(topic, withContext(sparse, idContext))), "SEALED_REPLAYED");
    strictEqual(codeOf(server.unseal(topic, withContext(first!, contextOf(sparse)))), "SEALED_REPLAYED");
    const unseen = device.seal(topic, "y");
    strictEqual(textOf(server.unseal(topic, withContext(unseen, idContext))), "y");
    strictEqual(codeOf(server.unseal(topic, unseen)), "SEALED_REPLAYED");
    for (const other of [0x80, 0xff].filter((byte) => byte !== contextOf(sparse)[0]))
      strictEqual(codeOf(server.unseal(topic, withContext(unseen, Uint8Array.of(other)))), "SEALED_CONTEXT_UNKNOWN");
  });

  it("is that of its sender: the reference of one says nothing for another", () => {
    const [a, b] = [alike("a"), alike("b")];
    const server = new Station("server");
    for (const message of passFirst(a)) server.unseal(topic, message);
    passFirst(b);
    strictEqual(codeOf(server.unseal(topic, b.seal(topic, "x"))), "SEALED_CONTEXT_UNKNOWN");
    const message = a.seal(topic, "x");
    const moved = message.slice();
    moved[moved.indexOf("a".charCodeAt(0))] = "b".charCodeAt(0);
    strictEqual(codeOf(server.unseal(topic, moved)), "SEALED_CONTEXT_UNKNOWN");
    strictEqual(textOf(server.unseal(topic, message)), "x");
  });

  it("is the one that was heard last, of two with the same reference, also after a restart", () => {
    const device = alike("device");
    const server = new Station("server", { maximumKeys: 1 });
    for (const message of passFirst(device)) server.unseal(topic, message);
    loseCounter(device);
    const [, ...second] = passFirst(device);
    for (const message of second) server.unseal(topic, message);
    strictEqual(textOf(server.unseal(topic, device.seal(topic, "second"))), "second");
    server.sealing.close();
    server.powerCut();
    strictEqual(textOf(server.unseal(topic, device.seal(topic, "after a restart"))), "after a restart");
    // Another sender takes its place among the keys.
    server.unseal(topic, new Station("other").seal(topic, "x"));
    strictEqual(textOf(server.unseal(topic, device.seal(topic, "derived again"))), "derived again");
  });

  it("is not taken from a message that does not authenticate, nor from a replay", () => {
    const device = alike("device");
    const server = new Station("server");
    const old = passFirst(device);
    server.unseal(topic, old[0]!);
    loseCounter(device);
    const [first] = passFirst(device);
    strictEqual(server.unseal(topic, first!).outcome, "delivered");
    const forged = old[1]!.slice();
    forged[forged.byteLength - 1]! ^= 1;
    strictEqual(codeOf(server.unseal(topic, forged)), "SEALED_TAMPERED");
    strictEqual(codeOf(server.unseal(topic, old[0]!)), "SEALED_REPLAYED");
    strictEqual(server.unseal(topic, old[0]!, { retain: true }).outcome, "duplicate");
    strictEqual(textOf(server.unseal(topic, device.seal(topic, "x"))), "x");
  });
});
