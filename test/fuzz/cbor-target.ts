/** Hostile bytes for the CBOR reader: a value or a SealwireError, and what was read is written again as the same value. */
import assert from "node:assert/strict";
import { SealwireError } from "../../src/errors.js";
import { decodeCBOR, encodeCBOR } from "../../src/cbor/index.js";
import { readCorpus, type Target } from "./target.js";

export function cborTarget(): Target {
  return {
    corpus: readCorpus("cbor"),
    run: (input) => {
      let value;
      try {
        value = decodeCBOR(input);
      } catch (error) {
        if (!(error instanceof SealwireError)) throw error;
        assert.equal(error.code, "CBOR_INVALID");
        return;
      }
      const written = encodeCBOR(value);
      // The order of map keys may differ, nothing else can.
      assert.equal(written.byteLength, input.byteLength, "it is not the one encoding there is");
      assert.deepEqual(decodeCBOR(written), value);
    },
  };
}
