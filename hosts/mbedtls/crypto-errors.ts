/** What the native functions' statuses mean to the firmware: the codes of `status.h`. */
import { SealwireError } from "../../src/errors.js";

const ok = 0;
const argument = -1;
const closed = -2;
const keyType = -3;
const curve = -4;
const invalid = -5;
export const mismatch = -6;
const memory = -7;
const entropy = -8;
const unsupported = -9;

/** @param wrong the sentence for what cannot be parsed, or has a length that is not allowed */
function failure(status: number, wrong: string): SealwireError {
  switch (status) {
    case argument:
      return new SealwireError("INVALID_ARGUMENT", "An argument is not of its type: a key of this host, or bytes.");
    case closed:
      return new SealwireError("INVALID_STATE", "The key was closed, or the hash has ended.");
    case keyType:
      return new SealwireError("CRYPTO_INVALID", "A key of another type is needed here: secret, private or public.");
    case curve:
      return new SealwireError("CRYPTO_INVALID", "A key on the curve P-256 is needed here.");
    case invalid:
      return new SealwireError("CRYPTO_INVALID", wrong);
    case mismatch:
      return new SealwireError(
        "CRYPTO_AUTHENTICATION_FAILED",
        "The authentication tag does not match: the key is another one or the data was changed.",
      );
    case memory:
      return new SealwireError("CRYPTO_OUT_OF_MEMORY", "The cryptography ran out of native memory.");
    case entropy:
      return new SealwireError("CRYPTO_FAILED", "The random number generator of the host failed.");
    case unsupported:
      return new SealwireError("UNSUPPORTED", "Mbed TLS is built without this algorithm.");
    default:
      return new SealwireError("CRYPTO_FAILED", "The cryptography of the host failed.");
  }
}

const general = "A parameter does not fit the algorithm.";

/** @throws SealwireError when `status` is not 0 */
export function check(status: number, wrong = general): void {
  if (status !== ok) throw failure(status, wrong);
}

/** The bytes of an answer. @throws SealwireError when it is a status */
export function bytesOf(answer: ArrayBuffer | number, wrong = general): Uint8Array {
  if (typeof answer === "number") throw failure(answer, wrong);
  return new Uint8Array(answer);
}

/** A whole number in bounds. @throws SealwireError `CRYPTO_INVALID` */
export function checkLength(value: number, minimum: number, maximum: number): number {
  if (!Number.isInteger(value) || value < minimum || value > maximum)
    throw new SealwireError("CRYPTO_INVALID", `The number of bytes must be ${minimum} to ${maximum}.`);
  return value;
}
