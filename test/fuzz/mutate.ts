/** Makes new inputs out of known ones. */
import type { Random } from "./random.js";

/** Bytes that sit at the borders of formats. */
const interesting = [0x00, 0x01, 0x7f, 0x80, 0xff, 0x23, 0x2b, 0xc0, 0xed, 0xf4];
const maximumLength = 4096;

/** One input with a few random changes, or several joined. */
export function mutate(random: Random, corpus: readonly Uint8Array[]): Uint8Array {
  let bytes: number[] = [...random.pick(corpus)];
  for (let joins = random.below(4); joins > 0; joins--) bytes.push(...random.pick(corpus));
  for (let changes = random.below(6); changes > 0; changes--) bytes = change(random, bytes, corpus);
  return Uint8Array.from(bytes.slice(0, maximumLength));
}

function change(random: Random, bytes: number[], corpus: readonly Uint8Array[]): number[] {
  const at = random.below(bytes.length + 1);
  const count = 1 + random.below(8);
  switch (random.below(8)) {
    case 0: // flip a bit
      return bytes.map((byte, index) => (index === at ? byte ^ (1 << random.below(8)) : byte));
    case 1: // another byte
      return bytes.map((byte, index) => (index === at ? random.below(256) : byte));
    case 2: // a byte at the border
      return bytes.map((byte, index) => (index === at ? random.pick(interesting) : byte));
    case 3: // one more or less: lengths
      return bytes.map((byte, index) => (index === at ? (byte + (random.below(2) === 0 ? 1 : 255)) & 0xff : byte));
    case 4: // leave out
      return [...bytes.slice(0, at), ...bytes.slice(at + count)];
    case 5: // put in
      return [...bytes.slice(0, at), ...Array.from({ length: count }, () => random.below(256)), ...bytes.slice(at)];
    case 6: // repeat
      return [...bytes.slice(0, at), ...bytes.slice(Math.max(0, at - count), at), ...bytes.slice(at)];
    default: // a piece of another input
      return [...bytes.slice(0, at), ...random.pick(corpus).subarray(0, 1 + random.below(40)), ...bytes.slice(at)];
  }
}
