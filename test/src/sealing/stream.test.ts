import { concat } from "../../../src/bytes.js";
import type { ErrorCode } from "../../../src/errors.js";
import type { OpenedStream } from "../../../src/sealing/index.js";
import { deepEqual, strictEqual, throws } from "../../support/assert.js";
import { describe, it } from "../../support/bdd.js";
import { algorithms, Station } from "./sealing-world.js";

const topic = "dev/firmware";
const chunkSize = 64;

function pattern(byteLength: number): Uint8Array {
  return Uint8Array.from({ length: byteLength }, (_, i) => (i * 7 + (i >> 8)) & 0xff);
}

/** Seals in pieces. @returns the parts as they were given out: the head, then one for each chunk */
function seal(station: Station, plain: Uint8Array, piece = 50, size = chunkSize): Uint8Array[] {
  const parts: Uint8Array[] = [];
  const stream = station.sealing.sealStream(topic, {
    onBytes: (bytes) => void parts.push(bytes.slice()),
    chunkSize: size,
  });
  for (let at = 0; at < plain.byteLength; at += piece) stream.write(plain.subarray(at, at + piece));
  stream.end();
  strictEqual(concat(...parts).byteLength, stream.sealedLength(plain.byteLength));
  return parts;
}

function open(
  station: Station,
  sealed: Uint8Array,
  { piece = 33, at = topic, qos = 0 }: { piece?: number; at?: string; qos?: 0 | 1 } = {},
): { plain: Uint8Array; end: OpenedStream } {
  const parts: Uint8Array[] = [];
  const stream = station.sealing.openStream(at, { onBytes: (bytes) => void parts.push(bytes.slice()) });
  for (let offset = 0; offset < sealed.byteLength; offset += piece)
    stream.write(sealed.subarray(offset, offset + piece));
  const end = stream.end(qos);
  return { plain: concat(...parts), end };
}

function refuses(station: Station, sealed: Uint8Array, code: ErrorCode): void {
  throws(() => open(station, sealed), code);
}

describe("Sealed streams", () => {
  for (const algorithm of algorithms)
    it(`come out as they went in, whatever pieces they come in: ${algorithm}`, () => {
      const device = new Station("device", { algorithm });
      const server = new Station("server", { algorithm });
      for (const byteLength of [0, 1, 63, 64, 65, 128, 1000])
        for (const piece of [1, 50, 2000]) {
          const plain = pattern(byteLength);
          deepEqual(open(server, concat(...seal(device, plain, piece)), { piece }).plain, plain);
        }
    });

  it("are in memory one chunk at a time", () => {
    const device = new Station("device");
    const server = new Station("server");
    let largest = 0;
    const opened = server.sealing.openStream(topic, {
      onBytes: (bytes) => void (largest = Math.max(largest, bytes.byteLength)),
    });
    const sealed = device.sealing.sealStream(topic, {
      chunkSize,
      onBytes: (bytes) => {
        largest = Math.max(largest, bytes.byteLength);
        opened.write(bytes);
      },
    });
    const piece = pattern(1000);
    for (let i = 0; i < 200; i++) sealed.write(piece);
    sealed.end();
    opened.end();
    strictEqual(largest, chunkSize + 16);
  });

  it("are refused when chunks are left out, repeated, swapped or cut off, or come from another stream", () => {
    const device = new Station("device");
    const server = new Station("server");
    const plain = pattern(4 * chunkSize);
    const [head, a, b, c, d] = seal(device, plain) as [Uint8Array, Uint8Array, Uint8Array, Uint8Array, Uint8Array];
    const [, , other] = seal(device, plain);
    for (const parts of [
      [head, a, b, c],
      [head, a, c, d],
      [head, b, a, c, d],
      [head, a, b, b, c, d],
      [head, a, b, c, d, d],
      [head, a, other!, c, d],
      [head, d],
      [head],
      [head, a, b, c, d, Uint8Array.of(0)],
    ])
      refuses(server, concat(...parts), "SEALED_TAMPERED");
    refuses(server, head.subarray(0, 10), "SEALED_MALFORMED");
    refuses(server, new Uint8Array(0), "SEALED_MALFORMED");
    deepEqual(open(server, concat(head, a, b, c, d)).plain, plain);
  });

  it("are refused with any bit changed, or cut anywhere", () => {
    const device = new Station("device");
    const server = new Station("server");
    for (const byteLength of [10, 100]) {
      const sealed = concat(...seal(device, pattern(byteLength)));
      for (let bit = 0; bit < 8 * sealed.byteLength; bit++) {
        const changed = sealed.slice();
        changed[bit >> 3]! ^= 1 << (bit & 7);
        let code = "opened";
        try {
          open(server, changed);
        } catch (error) {
          code = (error as { code: string }).code;
        }
        strictEqual(/^SEALED_(TAMPERED|MALFORMED|UNKNOWN_KEY|EPOCH_EXPIRED)$/.test(code), true, `bit ${bit}: ${code}`);
      }
      for (let length = 0; length < sealed.byteLength; length++)
        throws(() => open(server, sealed.subarray(0, length)), length < 22 ? "SEALED_MALFORMED" : "SEALED_TAMPERED");
    }
  });

  it("are bound to their topic, and do not pass for a message, nor a message for them", () => {
    const device = new Station("device", { encoding: "compact" });
    const server = new Station("server");
    const sealed = concat(...seal(device, pattern(10)));
    throws(() => open(server, sealed, { at: "other" }), "SEALED_TAMPERED");
    strictEqual(server.unseal(topic, sealed.slice(5)).outcome, "refused");
    const message = device.seal(topic, "0123456789");
    refuses(server, concat(sealed.subarray(0, 5), message), "SEALED_TAMPERED");
  });

  it("are received once, and count among the messages of their sender", () => {
    const device = new Station("device");
    const server = new Station("server");
    const sealed = concat(...seal(device, pattern(100)));
    const { sequence, mark: takeMark } = open(server, sealed, { qos: 1 }).end;
    strictEqual(sequence, 0);
    const mark = takeMark!();
    refuses(server, sealed, "SEALED_REPLAYED");
    server.powerCut();
    server.sealing.loadMark(mark);
    refuses(server, sealed, "SEALED_REPLAYED");
  });

  it("that were given up count as not received", () => {
    const device = new Station("device");
    const server = new Station("server");
    const sealed = concat(...seal(device, pattern(100)));
    const stream = server.sealing.openStream(topic, { onBytes: () => undefined });
    stream.write(sealed.subarray(0, 100));
    stream.close();
    throws(() => stream.write(sealed), "CLOSED");
    deepEqual(open(server, sealed).plain, pattern(100));
  });

  it("are refused before memory is spent on a chunk that is too large", () => {
    const device = new Station("device");
    const server = new Station("server");
    const [head] = seal(device, pattern(10));
    new DataView(head!.buffer).setUint32(1, 0xffffffff);
    refuses(server, head!, "SEALED_MALFORMED");
    // What anybody can ask for by a head that nothing authenticates yet: a chunk of the default size.
    refuses(server, seal(device, pattern(10), 50, 1025)[0]!, "SEALED_MALFORMED");
    const large = server.sealing.openStream(topic, { onBytes: () => undefined, chunkSize: 1025 });
    for (const part of seal(device, pattern(10), 50, 1025)) large.write(part);
    large.end();
    const small = server.sealing.openStream(topic, { onBytes: () => undefined, chunkSize: 32 });
    throws(() => small.write(seal(device, pattern(10))[0]!), "SEALED_MALFORMED");
    throws(() => device.sealing.sealStream(topic, { onBytes: () => undefined, chunkSize: 20_000 }), "INVALID_ARGUMENT");
  });
});
