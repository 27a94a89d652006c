/** Keys of the host's cryptography: the bytes lie in native memory, the firmware has a handle. */
import type { Key } from "../../src/platform.js";
import { NativeKey } from "./crypto.js";

export class MbedTLSKey extends NativeKey implements Key {
  readonly type: Key["type"];

  /** Empty: a native function puts the key into it. Frozen: native code must know what it is handed. */
  constructor(type: Key["type"]) {
    super();
    this.type = type;
    Object.freeze(this);
  }
}
