/**
 * What a sealed payload is bound to beside its content: an Enc_structure (RFC 9052 section 5.3) whose external data is the CBOR array
 * `["sealwire", purpose, sender, context]`. The context is the topic, unless the application says otherwise. The ID Context and the sequence
 * number are bound by key and nonce.
 */
import { bytesLength, CBORWriter, encodeCBOR, textLength } from "../cbor/index.js";
import { encStructureLength, writeEncStructure } from "../cose/index.js";

/** A plain payload, one that holds a signature, a chunk of a stream: none of them passes for another. */
export type Purpose = "message" | "signed" | "stream";

const LABEL = "sealwire";

/** The external data, for those who open messages with another COSE library. */
export function externalData(purpose: Purpose, sender: Uint8Array, context: string): Uint8Array {
  return encodeCBOR([LABEL, purpose, sender, context]);
}

/** What a signature inside a payload is bound to: all of the above, and one message only. */
export function signedData(sender: Uint8Array, context: string, idContext: Uint8Array, sequence: number): Uint8Array {
  return encodeCBOR([LABEL, "signature", sender, context, idContext, sequence]);
}

/** Builds Enc_structures in memory that is reused: as long as the longest one so far. */
export class AdditionalData {
  readonly #protected: Uint8Array;
  #buffer = new Uint8Array(96);
  #built = this.#buffer.subarray(0, 0);
  #purpose: Purpose | undefined;
  #context = "";
  #sender: Uint8Array | undefined;

  constructor(protectedHeader: Uint8Array) {
    this.#protected = protectedHeader;
  }

  /** @returns a view that is valid until the next call; `sender` must not change its bytes */
  build(purpose: Purpose, sender: Uint8Array, context: string): Uint8Array {
    if (this.#sender === sender && this.#context === context && this.#purpose === purpose) return this.#built;
    const external = 1 + textLength(LABEL) + textLength(purpose) + bytesLength(sender.byteLength) + textLength(context);
    const length = encStructureLength("Encrypt0", this.#protected, external);
    if (length > this.#buffer.byteLength) this.#buffer = new Uint8Array(length);
    const writer = new CBORWriter(this.#buffer);
    writeEncStructure(writer, "Encrypt0", this.#protected, external);
    writer.array(4).text(LABEL).text(purpose).bytes(sender).text(context);
    this.#purpose = purpose;
    this.#context = context;
    this.#sender = sender;
    return (this.#built = this.#buffer.subarray(0, length));
  }
}
