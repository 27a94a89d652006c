import { fromHex, toHex, toUTF8 } from "../../../src/bytes.js";
import { decodeCBOR, encodeCBOR, type CBORMap, type CBORValue } from "../../../src/cbor/index.js";
import { CONTENT_ALGORITHM } from "../../../src/cose/index.js";
import { Sealer, Sealing, type Encoding, type Refused, type SequenceSource } from "../../../src/sealing/index.js";
import { RETAINED_SECTION, STORAGE_KEY } from "../../../src/storage/index.js";
import { deepEqual, strictEqual, throws } from "../../support/assert.js";
import { describe, it } from "../../support/bdd.js";
import { MemoryStorage } from "../../support/memory-storage.js";
import { algorithms, codeOf, crypto, delivered, secretKey, Station, textOf } from "./sealing-world.js";

const topic = "dev/telemetry";
const encodings: readonly Encoding[] = ["cose", "compact"];

class Numbers implements SequenceSource {
  next = 0;
  readonly random = new Uint8Array(0);

  take(): number {
    return this.next++;
  }
}

/** What a message is longer than its payload. */
function overhead(station: Station, byteLength: number): number {
  return station.sealing.seal(topic, new Uint8Array(byteLength)).byteLength - byteLength;
}

describe("Sealed payloads", () => {
  for (const algorithm of algorithms)
    for (const encoding of encodings)
      it(`come out as they went in: ${algorithm}, ${encoding}`, () => {
        const device = new Station("device", { algorithm, encoding });
        const server = new Station("server", { algorithm });
        for (const text of ["", "a", "21.5 °C", "x".repeat(5000)]) {
          const message = device.seal(topic, text);
          strictEqual(textOf(server.unseal(topic, message)), text);
        }
        const { sender, epoch, sequence } = delivered(server.unseal(topic, device.seal(topic, "last")));
        deepEqual(sender, toUTF8("device"));
        strictEqual(epoch, 0);
        strictEqual(sequence, 4);
      });

  it("show nothing of their content", () => {
    const device = new Station("device");
    const message = toHex(device.seal(topic, "a secret that is long enough to be found"));
    strictEqual(message.includes(toHex(toUTF8("secret"))), false);
  });

  it("cost no more than promised: 2 bytes of sender, up to 2 of Partial IV, untagged", () => {
    const figures: string[] = [];
    for (const algorithm of algorithms)
      for (const encoding of encodings)
        for (const epoch of [0, 127]) {
          const station = new Station("d1", { algorithm, encoding, blockSize: 65_535 });
          station.storage?.delete(STORAGE_KEY.sealingCounter);
          station.memory.losePower();
          station.start({ secretIsNew: true, secrets: new Map([[epoch, secretKey()]]) });
          strictEqual(station.sealing.status.randomContext, false);
          let most = 0;
          for (const length of [0, 32, 256, 4096]) most = Math.max(most, overhead(station, length));
          for (let i = 0; i < 300; i++) overhead(station, 1);
          for (const length of [0, 32, 256, 4096]) most = Math.max(most, overhead(station, length));
          const short = algorithm === "AES-CCM-16-64-128";
          // An epoch above 0 is carried as an ID Context, with a head of its own.
          const limit = (encoding === "cose" ? 36 : short ? 16 : 24) + (epoch > 0 ? 1 : 0);
          strictEqual(most <= limit, true, `${algorithm} ${encoding} epoch ${epoch}: ${most} > ${limit}`);
          figures.push(`${algorithm} ${encoding} ${epoch}: ${most}`);
        }
    deepEqual(figures, [
      "A128GCM cose 0: 33",
      "A128GCM cose 127: 36",
      "A128GCM compact 0: 21",
      "A128GCM compact 127: 23",
      "A256GCM cose 0: 33",
      "A256GCM cose 127: 36",
      "A256GCM compact 0: 21",
      "A256GCM compact 127: 23",
      "AES-CCM-16-64-128 cose 0: 25",
      "AES-CCM-16-64-128 cose 127: 28",
      "AES-CCM-16-64-128 compact 0: 13",
      "AES-CCM-16-64-128 compact 127: 15",
      "AES-CCM-16-128-128 cose 0: 34",
      "AES-CCM-16-128-128 cose 127: 37",
      "AES-CCM-16-128-128 compact 0: 21",
      "AES-CCM-16-128-128 compact 127: 23",
    ]);
  });

  it("cost 10 bytes more in cose, and 9 in compact, under a random ID Context", () => {
    const lengths = encodings.map((encoding) => overhead(new Station("d1", { encoding }), 32));
    // One byte of Partial IV, and a ciphertext of less than 256 bytes.
    deepEqual(lengths, [31 + 10, 20 + 9]);
  });

  it("can be sealed where they lie, without memory of their own", () => {
    for (const encoding of encodings) {
      const sequence = new Numbers();
      const sealer = new Sealer({
        crypto,
        algorithm: CONTENT_ALGORITHM.A128GCM,
        masterSecret: secretKey(),
        epoch: 0,
        sender: toUTF8("device"),
        sequence,
        encoding,
      });
      const server = new Station("server");
      const payload = toUTF8("payload");
      const buffer = new Uint8Array(sealer.headroom + payload.byteLength + sealer.tailroom);
      strictEqual(buffer.byteLength - payload.byteLength <= 64, true, `${buffer.byteLength}`);
      for (sequence.next of [0, 300, 2 ** 40 - 1]) {
        buffer.set(payload, sealer.headroom);
        const message = sealer.sealInPlace(topic, buffer, sealer.headroom, payload.byteLength);
        strictEqual(message.buffer, buffer.buffer);
        strictEqual(textOf(server.unseal(topic, message)), "payload");
      }
      sequence.next = 1;
      throws(() => sealer.sealInPlace(topic, buffer, 3, payload.byteLength), "INVALID_ARGUMENT");
      throws(() => sealer.sealInPlace(topic, buffer, sealer.headroom, payload.byteLength + 1), "INVALID_ARGUMENT");
      strictEqual(sequence.next, 1, "a number was spent");
      sealer.close();
      throws(() => sealer.seal(topic, payload), "CLOSED");
    }
  });

  it("are bound to their topic, or to the context that is named", () => {
    const device = new Station("device");
    const server = new Station("server");
    strictEqual(codeOf(server.unseal("other", device.seal(topic, "x"))), "SEALED_TAMPERED");
    const bound = device.sealing.seal(topic, toUTF8("x"), { context: "a meaning" });
    strictEqual(codeOf(server.unseal(topic, bound)), "SEALED_TAMPERED");
    strictEqual(textOf(server.unseal(topic, bound, { context: "a meaning" })), "x");
  });

  it("are refused with any bit changed, in both encodings, and open once the bit is put back", () => {
    for (const encoding of encodings) {
      const device = new Station("device", { encoding });
      const server = new Station("server");
      const message = device.seal(topic, "21.5");
      for (let bit = 0; bit < 8 * message.byteLength; bit++) {
        const changed = message.slice();
        changed[bit >> 3]! ^= 1 << (bit & 7);
        const code = codeOf(server.unseal(topic, changed));
        strictEqual(/^SEALED_(TAMPERED|MALFORMED|UNKNOWN_KEY|EPOCH_EXPIRED)$/.test(code), true, `${bit}: ${code}`);
      }
      for (let length = 0; length < message.byteLength; length++)
        strictEqual(server.unseal(topic, message.subarray(0, length)).outcome, "refused");
      strictEqual(textOf(server.unseal(topic, message)), "21.5");
    }
  });

  it("of another secret, of a sender that is not heard, and what is not sealed at all are told apart", () => {
    const device = new Station("device");
    const server = new Station("server", { accepts: (sender) => sender.byteLength === 6 });
    const stranger = new Station(
      "device",
      {},
      { secrets: new Map([[0, secretKey("another secret, also 32 bytes ok")]]) },
    );
    strictEqual(codeOf(server.unseal(topic, stranger.seal(topic, "x"))), "SEALED_TAMPERED");
    strictEqual(codeOf(server.unseal(topic, new Station("dev").seal(topic, "x"))), "SEALED_UNKNOWN_KEY");
    strictEqual(codeOf(server.unseal(topic, toUTF8('{"t":21.5}'))), "SEALED_MALFORMED");
    strictEqual(codeOf(server.unseal(topic, new Uint8Array(0))), "SEALED_MALFORMED");
    strictEqual(textOf(server.unseal(topic, device.seal(topic, "x"))), "x");
  });

  it("that this sender sealed itself are refused, unless they are wanted", () => {
    const device = new Station("device");
    strictEqual(codeOf(device.unseal(topic, device.seal(topic, "x"))), "SEALED_REPLAYED");
    const echo = new Station("device", { acceptOwn: true });
    strictEqual(textOf(echo.unseal(topic, echo.seal(topic, "x"))), "x");
  });

  it("open with the whole IV in place of the Partial IV, and are the same messages", () => {
    const device = new Station("device", { fullIV: true });
    const server = new Station("server");
    const message = device.seal(topic, "x");
    strictEqual(toHex(message).includes("054c"), true);
    strictEqual(textOf(server.unseal(topic, message)), "x");
    strictEqual(codeOf(server.unseal(topic, message)), "SEALED_REPLAYED");
  });

  it("in cose are read in the one form that they are written in, tagged or not", () => {
    const device = new Station("device", { idContextInterval: 2 });
    const server = new Station("server");
    const object = (): CBORValue[] => decodeCBOR(device.seal(topic, "x")) as CBORValue[];
    const opens = (value: CBORValue): string => {
      const result = server.unseal(topic, encodeCBOR(value));
      return result.outcome === "refused" ? result.error.code : result.outcome;
    };
    const headers = (change: (map: CBORMap) => void): CBORValue => {
      const [protectedBytes, map, ciphertext] = object();
      change(map as CBORMap);
      return [protectedBytes!, map!, ciphertext!];
    };
    strictEqual(opens(object()), "delivered");
    strictEqual(server.unseal(topic, Uint8Array.of(0xd0, ...device.seal(topic, "x"))).outcome, "delivered");
    strictEqual(codeOf(server.unseal(topic, Uint8Array.of(0xd1, ...device.seal(topic, "x")))), "SEALED_MALFORMED");
    const bytes = Uint8Array.of(1);
    const wrong: readonly CBORValue[] = [
      ...[
        [1, 3],
        [1, 3, 3],
        [2, 4],
      ].map((map) => [Uint8Array.of(0xa1, ...map), ...object().slice(1)] as CBORValue[]),
      [new Uint8Array(0), ...object().slice(1)],
      [
        encodeCBOR(
          new Map<number, CBORValue>([
            [1, 1],
            [2, [1]],
          ]),
        ),
        ...object().slice(1),
      ],
      [...object(), []],
      object().slice(0, 2),
      [...object().slice(0, 2), null],
      headers((map) => map.set(1, 1)),
      headers((map) => map.set(5, new Uint8Array(12))),
      headers((map) => map.set(2, [1])),
      headers((map) => map.set(3, bytes)),
      headers((map) => map.set(-1, bytes)),
      headers((map) => map.set("x", bytes)),
      headers((map) => map.set(4, "device")),
      headers((map) => map.set(6, 1)),
      headers((map) => map.set(6, new Uint8Array(0))),
      headers((map) => map.set(6, Uint8Array.of(0, 1))),
      headers((map) => map.set(6, new Uint8Array(6).fill(1))),
      headers((map) => map.set(10, new Uint8Array(0))),
      headers((map) => map.delete(4)),
      headers((map) => map.delete(6)),
      headers((map) => map.delete(6) && map.set(5, new Uint8Array(11))),
    ];
    wrong.forEach((value, i) => strictEqual(opens(value), "SEALED_MALFORMED", `${i}`));
    // The same label twice, which no map can hold.
    const message = device.seal(topic, "x");
    const at = toHex(message).indexOf("0446" + toHex(toUTF8("device"))) / 2;
    const twice = Uint8Array.of(...message.subarray(0, at), ...message.subarray(at, at + 8), ...message.subarray(at));
    twice[at - 1]!++;
    strictEqual(codeOf(server.unseal(topic, twice)), "SEALED_MALFORMED");
    strictEqual(textOf(server.unseal(topic, message)), "x");
  });

  it("need an open room, and a secret to seal with", () => {
    const sealing = new Sealing();
    throws(() => sealing.seal(topic, toUTF8("x")), "INVALID_STATE");
    sealing.close();
    sealing.open({ crypto, secrets: new Map(), clientIdentifier: "device" });
    throws(() => sealing.open({ crypto, secrets: new Map(), clientIdentifier: "device" }), "INVALID_STATE");
    throws(() => sealing.seal(topic, toUTF8("x")), "SEALED_UNKNOWN_KEY");
    const message = new Station("server").seal(topic, "x");
    strictEqual((sealing.unseal(topic, message) as Refused).error.code, "SEALED_UNKNOWN_KEY");
    sealing.close();
    sealing.close();
    throws(() => sealing.seal(topic, toUTF8("x")), "CLOSED");
    strictEqual((sealing.unseal(topic, message) as Refused).error.code, "CLOSED");
  });

  it("refuse options that make no sense, by name", () => {
    for (const options of [
      { blockSize: 0 },
      { maximumSenders: 5000 },
      { replayInterval: 1.5 },
      { encoding: "json" as Encoding },
      { algorithm: "AES" as "A128GCM" },
      { afterRestart: "guess" as "refuse" },
    ])
      throws(() => new Sealing(options), "INVALID_ARGUMENT");
    const long = new Sealing();
    throws(() => long.open({ crypto, secrets: new Map(), clientIdentifier: "x".repeat(65) }), "INVALID_ARGUMENT");
    // More senders than the storage can hold in one value would be noticed when there are so many.
    const crowded = new Sealing({ maximumSenders: 115 });
    const storage = new MemoryStorage();
    throws(() => crowded.open({ crypto, storage, secrets: new Map(), clientIdentifier: "x" }), "INVALID_ARGUMENT");
    new Sealing({ maximumSenders: 114 }).open({ crypto, storage, secrets: new Map(), clientIdentifier: "x" });
  });

  it("longer than AES-CCM takes are refused before a number is spent", () => {
    const device = new Station("device", { algorithm: "AES-CCM-16-64-128" });
    const server = new Station("server", { algorithm: "AES-CCM-16-64-128" });
    throws(() => device.sealing.seal(topic, new Uint8Array(65_536)), "INVALID_ARGUMENT");
    strictEqual(delivered(server.unseal(topic, device.seal(topic, "x"))).sequence, 0);
  });
});

describe("Epochs of sealed payloads", () => {
  const secrets = (...epochs: number[]): Map<number, ReturnType<typeof secretKey>> =>
    new Map(epochs.map((epoch) => [epoch, secretKey(`the master secret of epoch ${epoch}.....`)]));

  it("are rotated while both ends run: the highest seals, those that are held open", () => {
    const device = new Station("device", {}, { secrets: secrets(1) });
    const server = new Station("server", {}, { secrets: secrets(1) });
    const old = device.seal(topic, "old");
    server.sealing.setSecrets(secrets(1, 2));
    device.sealing.setSecrets(secrets(1, 2));
    const message = device.seal(topic, "new");
    strictEqual(delivered(server.unseal(topic, message)).epoch, 2);
    strictEqual(delivered(server.unseal(topic, old)).epoch, 1);
    server.sealing.setSecrets(secrets(2));
    strictEqual(codeOf(server.unseal(topic, old)), "SEALED_EPOCH_EXPIRED");
    strictEqual(codeOf(server.unseal(topic, message)), "SEALED_REPLAYED");
  });

  it("to come are not known, and ended ones that the broker retained are no event of security", () => {
    const device = new Station("device", {}, { secrets: secrets(2) });
    const server = new Station("server", {}, { secrets: secrets(1) });
    const message = device.seal(topic, "x");
    strictEqual(codeOf(server.unseal(topic, message)), "SEALED_UNKNOWN_KEY");
    const later = new Station("server", {}, { secrets: secrets(3) });
    strictEqual((later.unseal(topic, message) as Refused).security, true);
    strictEqual((later.unseal(topic, message, { retain: true }) as Refused).security, false);
  });

  it("below the lowest one that is wanted have ended, even if their secret is there", () => {
    const device = new Station("device", {}, { secrets: secrets(1) });
    const server = new Station("server", { minimumEpoch: 2 }, { secrets: secrets(1, 2) });
    strictEqual(codeOf(server.unseal(topic, device.seal(topic, "x"))), "SEALED_EPOCH_EXPIRED");
  });

  it("cannot be changed in a message", () => {
    const device = new Station("d1", { encoding: "compact" }, { secrets: secrets(1) });
    const same = secretKey("the master secret of epoch 1.....");
    const server = new Station(
      "server",
      {},
      {
        secrets: new Map([
          [1, same],
          [2, same],
        ]),
      },
    );
    const message = device.seal(topic, "x");
    // Flags, sender, Partial IV, length, epoch.
    strictEqual(message[5], 1);
    message[5] = 2;
    strictEqual(codeOf(server.unseal(topic, message)), "SEALED_TAMPERED");
  });
});

describe("A group secret", () => {
  const alice = crypto.generateKey.bind(crypto);

  it("lets a stolen member seal in another's name, without signatures", () => {
    const receiver = new Station("receiver");
    const mallory = new Station("alice");
    strictEqual(textOf(receiver.unseal(topic, mallory.seal(topic, "I am Alice."))), "I am Alice.");
  });

  it("does not with signatures", () => {
    const keys = { alice: alice(), mallory: alice() };
    const publicKeys = new Map(
      Object.entries(keys).map(([name, key]) => [
        toHex(toUTF8(name)),
        crypto.importKey("public", crypto.publicKey(key)),
      ]),
    );
    const publicKey = (sender: Uint8Array): ReturnType<typeof alice> | undefined => publicKeys.get(toHex(sender));
    const receiver = new Station("receiver", { sign: { publicKey } });
    const honest = new Station("alice", { sign: { key: keys.alice } });
    const message = honest.seal(topic, "I am Alice.");
    strictEqual(textOf(receiver.unseal(topic, message)), "I am Alice.");
    // In Alice's name, with the wrong key; without a signature; in the name of one who is not known.
    const forger = new Station("alice", { sign: { key: keys.mallory } });
    strictEqual(codeOf(receiver.unseal(topic, forger.seal(topic, "x"))), "SEALED_SIGNATURE_INVALID");
    strictEqual(codeOf(receiver.unseal(topic, new Station("alice").seal(topic, "x"))), "SEALED_TAMPERED");
    const unknown = new Station("bob", { sign: { key: keys.mallory } });
    strictEqual(codeOf(receiver.unseal(topic, unknown.seal(topic, "x"))), "SEALED_SIGNATURE_INVALID");
    const itself = new Station("mallory", { sign: { key: keys.mallory } });
    strictEqual(textOf(receiver.unseal(topic, itself.seal(topic, "It is me."))), "It is me.");
  });

  it("takes no streams where it signs: they hold no signature, so that a member could send one in another's name", () => {
    const stream: Uint8Array[] = [];
    const forger = new Station("alice").sealing.sealStream(topic, { onBytes: (bytes) => stream.push(bytes.slice()) });
    forger.write(toUTF8("I am Alice."));
    forger.end();
    const publicKey = (): undefined => undefined;
    const receiver = new Station("receiver", { sign: { publicKey, key: alice() } }).sealing;
    throws(() => {
      const opener = receiver.openStream(topic, { onBytes: () => undefined });
      for (const bytes of stream) opener.write(bytes);
      opener.end();
    }, "UNSUPPORTED");
    throws(() => receiver.sealStream(topic, { onBytes: () => undefined }), "UNSUPPORTED");
  });
});

describe("What sealing leaves behind", () => {
  it("is one write for 64 messages, and none for a wake from deep sleep", () => {
    const device = new Station("device");
    for (let i = 0; i < 64; i++) device.seal(topic, "x");
    strictEqual(device.storage!.writes, 1);
    const server = new Station("server");
    const numbers: number[] = [];
    device.seal(topic, "x");
    for (let wake = 0; wake < 20; wake++) {
      device.sleep();
      numbers.push(delivered(server.unseal(topic, device.seal(topic, "x"))).sequence);
      strictEqual(device.storage!.writes, 0);
    }
    deepEqual(
      numbers,
      Array.from({ length: 20 }, (_, i) => 65 + i),
    );
  });

  it("is not used a second time when the program crashes after a wake", () => {
    const device = new Station("device");
    const server = new Station("server");
    device.seal(topic, "x");
    device.sleep();
    const first = delivered(server.unseal(topic, device.seal(topic, "x"))).sequence;
    device.crash();
    const second = delivered(server.unseal(topic, device.seal(topic, "x"))).sequence;
    strictEqual(second > first, true);
    strictEqual(device.retained.get(RETAINED_SECTION.replayMarks), undefined);
  });

  it("goes on without storage, under a new random ID Context at each start", () => {
    const device = new Station("device", {}, { storage: undefined });
    const server = new Station("server");
    const contexts = new Set<string>();
    for (let i = 0; i < 5; i++) {
      const message = device.seal(topic, "x");
      contexts.add(toHex(message.subarray(0, 30)));
      strictEqual(textOf(server.unseal(topic, message)), "x");
      device.powerCut();
    }
    strictEqual(contexts.size, 5);
  });

  it("draws a new ID Context at each power-on where that is wanted", () => {
    const device = new Station("device", { atPowerOn: "new context" });
    const server = new Station("server");
    for (let i = 0; i < 3; i++) {
      strictEqual(delivered(server.unseal(topic, device.seal(topic, "x"))).sequence, 0);
      device.powerCut();
    }
    device.seal(topic, "x");
    device.sleep();
    strictEqual(delivered(server.unseal(topic, device.seal(topic, "x"))).sequence, 1);
  });

  it("is refused when the sequence numbers are used up", () => {
    const device = new Station("device");
    device.seal(topic, "x");
    const stored = new Uint8Array(device.storage!.read(STORAGE_KEY.sealingCounter)!);
    const end = stored.slice(0, -4);
    end.set(fromHex("00ffffffffff"), end.byteLength - 6);
    const crc = crc32(end);
    device.storage!.write(
      STORAGE_KEY.sealingCounter,
      Uint8Array.of(...end, crc >>> 24, (crc >>> 16) & 255, (crc >>> 8) & 255, crc & 255),
    );
    device.powerCut();
    const server = new Station("server");
    strictEqual(delivered(server.unseal(topic, device.seal(topic, "last"))).sequence, 2 ** 40 - 1);
    throws(() => device.seal(topic, "x"), "SEALED_COUNTER_EXHAUSTED");
    device.powerCut();
    throws(() => device.seal(topic, "x"), "SEALED_COUNTER_EXHAUSTED");
  });
});

/** CRC-32 (ISO 3309), to write a record as the counter does. */
function crc32(bytes: Uint8Array): number {
  let register = 0xffffffff;
  for (const byte of bytes) {
    register ^= byte;
    for (let bit = 0; bit < 8; bit++) register = (register >>> 1) ^ (0xedb88320 & -(register & 1));
  }
  return ~register >>> 0;
}
