/**
 * Who of a group sealed a payload: a COSE_Sign1 with ES256 inside of it (RFC 9052 section 4.2). Whoever holds a group secret can seal in
 * anyone's name; only the holder of the private key can sign. The signature covers sender, context, ID Context and sequence number too: taken out
 * of one message, it fits into no other.
 */
import { createSign1, decodeSign1, ES256, HEADER, verifySign1 } from "../cose/index.js";
import { SealwireError } from "../errors.js";
import type { Crypto, Key } from "../platform.js";

/** How messages of a group are signed and verified. */
export interface Signing {
  /** P-256 private key of this sender. Needed to seal. */
  readonly key?: Key | undefined;
  /** The P-256 public key of a sender; `undefined` for one that is not known. Needed to open. */
  readonly publicKey?: ((sender: Uint8Array) => Key | undefined) | undefined;
}

/** @throws SealwireError `INVALID_STATE` without a key */
export function sign(
  crypto: Pick<Crypto, "sign">,
  signing: Signing,
  payload: Uint8Array,
  externalData: Uint8Array,
): Uint8Array {
  if (!signing.key) throw new SealwireError("INVALID_STATE", "Payloads must be signed, and there is no key for it.");
  return createSign1(crypto, payload, {
    key: signing.key,
    protected: new Map([[HEADER.algorithm, ES256]]),
    unprotected: new Map(),
    externalData,
  });
}

/** @returns the payload. @throws SealwireError `SEALED_SIGNATURE_INVALID` */
export function verify(
  crypto: Pick<Crypto, "verify">,
  signing: Signing,
  sender: Uint8Array,
  signed: Uint8Array,
  externalData: Uint8Array,
): Uint8Array {
  try {
    const key = signing.publicKey?.(sender);
    const object = decodeSign1(signed);
    if (key && object.content && object.headers.protected.size === 1)
      return verifySign1(crypto, object, { key, externalData });
  } catch (error) {
    throw invalid(error);
  }
  throw invalid(undefined);
}

/** A stream holds no signature: among those who sign, anybody of the group could send one in another's name. */
export function unsignedStream(): SealwireError {
  return new SealwireError("UNSUPPORTED", "Streams cannot be signed: they need a secret that no group shares.");
}

function invalid(cause: unknown): SealwireError {
  return new SealwireError("SEALED_SIGNATURE_INVALID", "The sealed payload lacks a valid signature of its sender.", {
    cause,
  });
}
