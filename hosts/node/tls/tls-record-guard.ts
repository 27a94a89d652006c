/** Watches the headers of incoming TLS records, so that a record that must be refused costs no memory. */
import { SealwireError } from "../../../src/errors.js";

const headerLength = 5;
const [changeCipherSpec, applicationData] = [20, 23];

/** Room for what protects a record: RFC 8446 section 5.2 allows 256 bytes; the AEAD suites of TLS 1.2 take 24 at most. */
const expansion = { unknown: 256, "TLSv1.2": 24, "TLSv1.3": 256 };

export class RecordGuard {
  protocol: keyof typeof expansion = "unknown";
  readonly #inputBuffer: number;
  readonly #header = new Uint8Array(headerLength);
  #headerFilled = 0;
  #bodyLeft = 0;

  constructor(inputBuffer: number) {
    this.#inputBuffer = inputBuffer;
  }

  /**
   * Looks at the next bytes of the stream, which may begin and end anywhere in a record.
   * @throws SealwireError `TLS_RECORD_TOO_LARGE`, or `TLS_HANDSHAKE_FAILED` for what is not a TLS record
   */
  check(bytes: Uint8Array): void {
    let offset = 0;
    while (offset < bytes.byteLength) {
      const skipped = Math.min(this.#bodyLeft, bytes.byteLength - offset);
      this.#bodyLeft -= skipped;
      offset += skipped;
      while (this.#bodyLeft === 0 && offset < bytes.byteLength && this.#headerFilled < headerLength)
        this.#header[this.#headerFilled++] = bytes[offset++]!;
      // Checked as far as it came: who does not speak TLS may not send five bytes.
      if (this.#headerFilled > 0) this.#checkKind();
      if (this.#headerFilled < headerLength) continue;
      this.#bodyLeft = this.#checkedLength();
      this.#headerFilled = 0;
    }
  }

  #checkKind(): void {
    const [type, major] = this.#header as unknown as [number, number];
    if (type < changeCipherSpec || type > applicationData || (this.#headerFilled > 1 && major !== 3))
      throw new SealwireError("TLS_HANDSHAKE_FAILED", "The peer does not speak TLS on this port.");
  }

  #checkedLength(): number {
    const length = (this.#header[3]! << 8) | this.#header[4]!;
    if (length > this.#inputBuffer + expansion[this.protocol])
      throw new SealwireError(
        "TLS_RECORD_TOO_LARGE",
        `The peer sent a TLS record of ${length} bytes; the input buffer holds ${this.#inputBuffer} bytes of plaintext.`,
      );
    return length;
  }
}
