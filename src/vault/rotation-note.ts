/** What the vault remembers of its rotations, in the same write as the pointer: at which step one is, and how the last one ended. */
import { fromUTF8, toUTF8 } from "../bytes.js";
import { SealwireError, type ErrorCode } from "../errors.js";

/** How a rotation ended. */
export interface RotationOutcome {
  readonly outcome: "committed" | "rolled back";
  /** The version that was committed or given up. */
  readonly version: number;
  /** Why it was rolled back. */
  readonly code: ErrorCode | undefined;
  /** Milliseconds since 1970; `undefined` when there was no clock. */
  readonly at: number | undefined;
}

export interface RotationNote {
  /** Whether the staged record is being proved: found at a start, it tells of a power cut. */
  readonly proving: boolean;
  readonly last: RotationOutcome | undefined;
}

const HEAD = 14;

/** Bytes: whether proving (1), outcome (1: 0 none, 1 committed, 2 rolled back), version (4), time in ms (8), code (ASCII). */
export function encodeRotationNote({ proving, last }: RotationNote): Uint8Array {
  const code = toUTF8(last?.code ?? "");
  const bytes = new Uint8Array(HEAD + code.byteLength);
  const view = new DataView(bytes.buffer);
  bytes[0] = proving ? 1 : 0;
  bytes[1] = last === undefined ? 0 : last.outcome === "committed" ? 1 : 2;
  view.setUint32(2, last?.version ?? 0);
  view.setFloat64(6, last?.at ?? -1);
  bytes.set(code, HEAD);
  return bytes;
}

/** @throws SealwireError `STORAGE_CORRUPT` */
export function decodeRotationNote(bytes: Uint8Array): RotationNote {
  const code = bytes.byteLength < HEAD ? undefined : fromUTF8(bytes, HEAD);
  if (code === undefined || bytes[0]! > 1 || bytes[1]! > 2)
    throw new SealwireError("STORAGE_CORRUPT", "The vault's note of its rotations is damaged.");
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const at = view.getFloat64(6);
  return {
    proving: bytes[0] === 1,
    last:
      bytes[1] === 0
        ? undefined
        : {
            outcome: bytes[1] === 1 ? "committed" : "rolled back",
            version: view.getUint32(2),
            code: code === "" ? undefined : (code as ErrorCode),
            at: at < 0 ? undefined : at,
          },
  };
}
