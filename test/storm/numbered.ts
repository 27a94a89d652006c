/** Messages that say who they are, so that each can be found again wherever it lies. */

export type Assured = 1 | 2;

export interface Numbered {
  readonly qos: Assured;
  /** From 1 on, for each QoS. */
  readonly number: number;
}

/** Bytes before the padding. */
const headLength = 12;

/** Longest padding: messages of many sizes meet the bounds of buffers in many ways. */
const longestPadding = 400;

const letters = "abcdefghijklmnopqrstuvwxyz";

/** What no other message begins with. */
function headOf({ qos, number }: Numbered): string {
  return `[q${qos} ${String(number).padStart(7, "0")}]`;
}

export function encode(message: Numbered): Uint8Array {
  const { qos, number } = message;
  const length = (number * 37 + qos * 101) % longestPadding;
  let text = headOf(message);
  for (let i = 0; i < length; i++) text += letters[(number + i) % letters.length]!;
  return new TextEncoder().encode(text);
}

/** @returns `undefined` when the bytes are not, bit for bit, one of our messages */
export function decode(payload: Uint8Array): Numbered | undefined {
  const head = /^\[q([12]) (\d{7})\]$/.exec(new TextDecoder().decode(payload.subarray(0, headLength)));
  if (!head) return undefined;
  const message = { qos: Number(head[1]) as Assured, number: Number(head[2]) };
  return Buffer.compare(encode(message), payload) === 0 ? message : undefined;
}

/** Whether a value in storage holds this message. */
export function isWithin(value: Uint8Array, message: Numbered): boolean {
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength).includes(headOf(message));
}
