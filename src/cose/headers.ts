/** Header parameters of COSE objects (RFC 9052 section 3). */
import { SealwireError } from "../errors.js";
import { encodeCBOR, type CBORKey, type CBORMap, type CBORValue, CBORReader } from "../cbor/index.js";

/** Labels. `keyContext` is that of RFC 8613 section 5.1, the others of RFC 9052 section 3.1. */
export const HEADER = {
  algorithm: 1,
  critical: 2,
  contentType: 3,
  keyIdentifier: 4,
  iv: 5,
  partialIV: 6,
  keyContext: 10,
} as const;

const UNDERSTOOD: readonly CBORKey[] = Object.values(HEADER);
const EMPTY = new Uint8Array(0);

/** Both buckets of one COSE object. */
export class Headers {
  readonly protected: CBORMap;
  readonly unprotected: CBORMap;
  /** The protected ones as they are authenticated: of zero length when there are none (RFC 9052 section 3). */
  readonly protectedBytes: Uint8Array;

  constructor(protectedMap: CBORMap, unprotectedMap: CBORMap, protectedBytes = encodeProtected(protectedMap)) {
    this.protected = protectedMap;
    this.unprotected = unprotectedMap;
    this.protectedBytes = protectedBytes;
  }

  /**
   * Reads both buckets, and refuses what RFC 9052 section 3 forbids: a label in both, a critical one that is missing or not
   * understood, IV beside Partial IV, a parameter of a wrong type.
   * @throws SealwireError `CBOR_INVALID`, `COSE_INVALID`, `COSE_UNSUPPORTED`
   */
  static read(reader: CBORReader): Headers {
    const bytes = reader.bytes();
    let map: CBORMap = new Map();
    if (bytes.byteLength > 0) {
      const inner = new CBORReader(bytes);
      map = inner.map();
      inner.finish();
    }
    const headers = new Headers(map, reader.map(), map.size === 0 ? EMPTY : bytes);
    headers.check();
    return headers;
  }

  get(label: CBORKey): CBORValue | undefined {
    return this.protected.get(label) ?? this.unprotected.get(label);
  }

  /** A parameter that is a byte string. */
  bytes(label: number): Uint8Array | undefined {
    return this.get(label) as Uint8Array | undefined;
  }

  private check(): void {
    for (const label of this.unprotected.keys())
      if (this.protected.has(label)) throw invalid("a header parameter is both protected and unprotected");
    for (const label of [HEADER.keyIdentifier, HEADER.iv, HEADER.partialIV, HEADER.keyContext]) {
      const value = this.get(label);
      if (value !== undefined && !(value instanceof Uint8Array)) throw invalid("a header parameter has a wrong type");
    }
    const algorithm = this.get(HEADER.algorithm);
    if (algorithm !== undefined && typeof algorithm !== "number" && typeof algorithm !== "string")
      throw invalid("a header parameter has a wrong type");
    if (this.get(HEADER.iv) !== undefined && this.get(HEADER.partialIV) !== undefined)
      throw invalid("it has both an IV and a Partial IV");
    this.checkCritical();
  }

  /** RFC 9052 section 3.1: `crit` is protected, and lists protected parameters that must be understood. */
  private checkCritical(): void {
    if (this.unprotected.has(HEADER.critical)) throw invalid("the list of critical parameters is not protected");
    const critical = this.protected.get(HEADER.critical);
    if (critical === undefined) return;
    if (!Array.isArray(critical) || critical.length === 0) throw invalid("the list of critical parameters is empty");
    for (const label of critical as CBORValue[]) {
      if (typeof label !== "number" && typeof label !== "string") throw invalid("a header parameter has a wrong type");
      if (!this.protected.has(label)) throw invalid("a critical header parameter is missing");
      if (!UNDERSTOOD.includes(label))
        throw new SealwireError("COSE_UNSUPPORTED", "The COSE object has a critical parameter that is not known here.");
    }
  }
}

function encodeProtected(map: CBORMap): Uint8Array {
  return map.size === 0 ? EMPTY : encodeCBOR(map);
}

export function invalid(what: string): SealwireError {
  return new SealwireError("COSE_INVALID", `This is not a COSE object that can be used: ${what}.`);
}
