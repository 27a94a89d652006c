/**
 * A strict reader of ESP-IDF NVS partitions, written after Espressif's documentation alone and with nothing of the writer: what is not exactly as it
 * says there is an error.
 */
import assert from "node:assert/strict";

export interface NVSValue {
  readonly namespace: string;
  readonly key: string;
  readonly value: number | Buffer;
}

/** CRC-32 of IEEE 802.3, reflected, as the ROM of the chips computes it with 0xffffffff for a start: its register begins with zeros. */
function checksum(bytes: Buffer): number {
  let register = 0;
  for (const byte of bytes) {
    register ^= byte;
    for (let bit = 0; bit < 8; bit++) register = register & 1 ? (register >>> 1) ^ 0xedb88320 : register >>> 1;
  }
  return (register ^ 0xffffffff) >>> 0;
}

function isErased(bytes: Buffer): boolean {
  return bytes.every((byte) => byte === 0xff);
}

export function parseNVS(image: Buffer): NVSValue[] {
  assert.ok(image.byteLength >= 0x3000 && image.byteLength % 4096 === 0, "size");
  const pages = Array.from({ length: image.byteLength / 4096 }, (_, i) => image.subarray(i * 4096, (i + 1) * 4096));
  const used = pages.filter((page) => !isErased(page));
  assert.ok(used.length < pages.length, "one page is free");
  const namespaces = new Map<number, string>();
  const values: NVSValue[] = [];
  const chunks = new Map<string, Map<number, Buffer>>();
  const indexed = new Set<string>();
  for (const [sequence, page] of used.entries()) {
    assert.equal(page, pages[sequence], "pages are used from the first on");
    const isLast = sequence === used.length - 1;
    assert.equal(
      page.readUInt32LE(0),
      isLast ? 0xfffffffe : 0xfffffffc,
      "active is the last page, the others are full",
    );
    assert.equal(page.readUInt32LE(4), sequence, "sequence number");
    assert.equal(page[8], 0xfe, "version 2");
    assert.ok(isErased(page.subarray(9, 28)), "unused bytes of the header");
    assert.equal(page.readUInt32LE(28), checksum(page.subarray(4, 28)), "checksum of the header");
    const state = (entry: number): number => (page[32 + (entry >> 2)]! >> ((entry & 3) * 2)) & 3;
    assert.deepEqual([state(126), state(127)], [3, 3], "there are 126 entries");
    let entry = 0;
    while (entry < 126 && state(entry) !== 3) {
      const head = page.subarray(64 + 32 * entry, 96 + 32 * entry);
      const [namespace, type, span, chunk] = [head[0]!, head[1]!, head[2]!, head[3]!];
      assert.equal(head.readUInt32LE(4), checksum(Buffer.concat([head.subarray(0, 4), head.subarray(8)])), "entry");
      assert.ok(span >= 1 && entry + span <= 126, "span");
      for (let i = 0; i < span; i++) assert.equal(state(entry + i), 2, "written");
      const end = head.indexOf(0, 8);
      assert.ok(end > 8 && end <= 23, "the key is 1 to 15 characters, ended by a zero");
      assert.ok(
        head.subarray(end, 24).every((byte) => byte === 0),
        "zeros after the key",
      );
      const key = head.toString("latin1", 8, end);
      const name = `${namespace} ${key}`;
      const data = page.subarray(96 + 32 * entry, 64 + 32 * (entry + span));
      switch (type) {
        case 0x01:
          assert.deepEqual([span, chunk], [1, 0xff]);
          assert.ok(isErased(head.subarray(25, 32)));
          if (namespace === 0) namespaces.set(head[24]!, key);
          else values.push({ namespace: namespaces.get(namespace)!, key, value: head[24]! });
          break;
        case 0x42: {
          const size = head.readUInt16LE(24);
          assert.equal(head.readUInt16LE(26), 0xffff, "reserved");
          assert.equal(span, 1 + Math.ceil(size / 32), "span of a chunk");
          assert.equal(head.readUInt32LE(28), checksum(data.subarray(0, size)), "checksum of the chunk");
          assert.ok(isErased(data.subarray(size)), "erased after the chunk");
          const known = chunks.get(name) ?? new Map<number, Buffer>();
          assert.ok(!known.has(chunk), "each chunk is there once");
          chunks.set(name, known.set(chunk, data.subarray(0, size)));
          break;
        }
        case 0x48: {
          assert.deepEqual([span, chunk], [1, 0xff]);
          const [count, first] = [head[28]!, head[29]!];
          assert.equal(head.readUInt16LE(30), 0xffff, "reserved");
          const parts = Array.from({ length: count }, (_, i) => chunks.get(name)?.get(first + i));
          assert.ok(parts.every((part) => part !== undefined));
          const value = Buffer.concat(parts);
          assert.equal(value.byteLength, head.readUInt32LE(24), "length of the blob");
          assert.ok(namespaces.has(namespace), "the namespace is known");
          assert.ok(!indexed.has(name), "one index");
          indexed.add(name);
          values.push({ namespace: namespaces.get(namespace)!, key, value });
          break;
        }
        default:
          assert.fail(`entry of type ${type}`);
      }
      entry += span;
    }
    for (; entry < 126; entry++) {
      assert.equal(state(entry), 3, "no entry after the first empty one");
      assert.ok(isErased(page.subarray(64 + 32 * entry, 96 + 32 * entry)), "empty entries are erased");
    }
  }
  assert.deepEqual([...chunks.keys()].sort(), [...indexed].sort(), "every blob has its index");
  return values;
}
