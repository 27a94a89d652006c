/** The frames of a WebSocket (RFC 6455 section 5), as a client reads them: payloads pass through in parts, nothing is kept but a control frame. */
import { SealwireError } from "../errors.js";

const CONTINUATION = 0;
export const BINARY = 2;
export const CLOSE = 8;
export const PING = 9;
export const PONG = 10;

/** Payload of a control frame at most. */
const LONGEST_CONTROL = 125;

/** Longer messages than MQTT's longest packet nobody needs. */
const LONGEST_PAYLOAD = 0x0fff_ffff + 5;

export interface FrameReceiver {
  /** The next bytes of the stream. They are not the receiver's own. */
  readonly onData: (bytes: Uint8Array) => void;
  readonly onControl: (opcode: number, payload: Uint8Array) => void;
}

export class FrameReader {
  readonly #receiver: FrameReceiver;
  /** Two bytes, and as many of the length as there are. */
  readonly #head = new Uint8Array(10);
  #headLength = 0;
  /** Payload that is still to come. */
  #missing = 0;
  #opcode = 0;
  #inMessage = false;
  #control: Uint8Array | undefined;
  #controlLength = 0;

  constructor(receiver: FrameReceiver) {
    this.#receiver = receiver;
  }

  /** @throws SealwireError `CONNECTION_LOST` when the server breaks the protocol; `reasonCode` is the status to close with */
  feed(bytes: Uint8Array): void {
    for (let offset = 0; offset < bytes.byteLength;) {
      if (this.#missing === 0) {
        this.#head[this.#headLength++] = bytes[offset++]!;
        if (this.#headLength >= 2 && this.#headLength === headLength(this.#head[1]!)) this.begin();
        continue;
      }
      const part = bytes.subarray(offset, offset + this.#missing);
      offset += part.byteLength;
      this.#missing -= part.byteLength;
      if (this.#control) {
        this.#control.set(part, this.#controlLength);
        this.#controlLength += part.byteLength;
        if (this.#missing === 0) this.endControl();
      } else this.#receiver.onData(part);
    }
  }

  private begin(): void {
    const head = this.#head;
    const final = (head[0]! & 0x80) !== 0;
    const opcode = (this.#opcode = head[0]! & 0x0f);
    if (head[0]! & 0x70) throw broken("sets bits that are reserved");
    if (head[1]! & 0x80) throw broken("masks its frames");
    const length = this.lengthOf();
    this.#headLength = 0;
    if (opcode & 8) {
      if (opcode > PONG) throw broken("sends frames of an unknown type");
      if (!final || length > LONGEST_CONTROL) throw broken("sends a control frame that is too long");
      this.#control = new Uint8Array(length);
      this.#controlLength = 0;
      this.#missing = length;
      if (length === 0) this.endControl();
      return;
    }
    if (opcode !== CONTINUATION && opcode !== BINARY) throw broken("sends what is not binary", 1003);
    if ((opcode === CONTINUATION) !== this.#inMessage) throw broken("mixes up the fragments of messages");
    this.#inMessage = !final;
    this.#missing = length;
  }

  private lengthOf(): number {
    const head = this.#head;
    const view = new DataView(head.buffer);
    const short = head[1]! & 0x7f;
    if (short < 126) return short;
    const length = short === 126 ? view.getUint16(2) : view.getUint32(2) * 2 ** 32 + view.getUint32(6);
    // The shortest form is a must (section 5.2).
    if (length < 126 || (short === 127 && length < 0x1_0000)) throw broken("encodes a length wrongly");
    if (length > LONGEST_PAYLOAD) throw broken("sends a frame that is too long", 1009);
    return length;
  }

  private endControl(): void {
    const payload = this.#control!;
    this.#control = undefined;
    this.#receiver.onControl(this.#opcode, payload);
  }
}

function headLength(second: number): number {
  const short = second & 0x7f;
  return short < 126 ? 2 : short === 126 ? 4 : 10;
}

function broken(what: string, status = 1002): SealwireError {
  return new SealwireError("CONNECTION_LOST", `The server breaks the WebSocket protocol: it ${what}.`, {
    reasonCode: status,
  });
}

/** Bytes that {@link encodeFrame} puts before a payload of up to 65,535 bytes at most. */
export const FRAME_OVERHEAD = 8;

/**
 * Writes one whole frame as a client does: masked (RFC 6455 section 5.3).
 * @param mask 4 fresh random bytes
 * @returns the part of `target` that was written
 */
export function encodeFrame(target: Uint8Array, opcode: number, payload: Uint8Array, mask: Uint8Array): Uint8Array {
  const length = payload.byteLength;
  target[0] = 0x80 | opcode;
  let offset = 2;
  if (length < 126) target[1] = 0x80 | length;
  else {
    target[1] = 0x80 | 126;
    target[2] = length >> 8;
    target[3] = length & 0xff;
    offset = 4;
  }
  target.set(mask, offset);
  offset += 4;
  for (let i = 0; i < length; i++) target[offset + i] = payload[i]! ^ mask[i & 3]!;
  return target.subarray(0, offset + length);
}
