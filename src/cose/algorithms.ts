/** The COSE algorithms that Sealwire knows (RFC 9053, and the IANA registry of COSE). */
import { SealwireError } from "../errors.js";
import type { AEADAlgorithm } from "../platform.js";

/** An algorithm for content encryption. Lengths are in bytes. */
export interface ContentAlgorithm {
  /** In the IANA registry. */
  readonly id: number;
  readonly aead: AEADAlgorithm;
  readonly keyLength: 16 | 32;
  readonly nonceLength: 12 | 13;
  readonly tagLength: 8 | 16;
  /** Longest content: of AES-CCM by the length field that the nonce leaves, of AES-GCM what one array can hold. */
  readonly maximumLength: number;
}

/** RFC 9053 sections 4.1 and 4.2. */
export const CONTENT_ALGORITHM = {
  A128GCM: { id: 1, aead: "AES-GCM", keyLength: 16, nonceLength: 12, tagLength: 16, maximumLength: 0x7fffffff },
  A256GCM: { id: 3, aead: "AES-GCM", keyLength: 32, nonceLength: 12, tagLength: 16, maximumLength: 0x7fffffff },
  "AES-CCM-16-64-128": {
    id: 10,
    aead: "AES-CCM",
    keyLength: 16,
    nonceLength: 13,
    tagLength: 8,
    maximumLength: 0xffff,
  },
  "AES-CCM-16-128-128": {
    id: 30,
    aead: "AES-CCM",
    keyLength: 16,
    nonceLength: 13,
    tagLength: 16,
    maximumLength: 0xffff,
  },
} as const satisfies Record<string, ContentAlgorithm>;

export type ContentAlgorithmName = keyof typeof CONTENT_ALGORITHM;

/** RFC 9053 section 3.1: HMAC-SHA-256, whole and truncated to 64 bits. */
export const MAC_ALGORITHM = { "HMAC 256/64": 4, "HMAC 256/256": 5 } as const;

/** RFC 9053 section 2.1: ECDSA with SHA-256, here over P-256. */
export const ES256 = -7;

/** RFC 9053 section 6.1: the key is used as it is. */
export const DIRECT = -6;

/** @throws SealwireError `COSE_UNSUPPORTED` */
export function contentAlgorithm(id: unknown): ContentAlgorithm {
  for (const name in CONTENT_ALGORITHM) {
    const algorithm = CONTENT_ALGORITHM[name as ContentAlgorithmName];
    if (algorithm.id === id) return algorithm;
  }
  throw new SealwireError("COSE_UNSUPPORTED", "The COSE object names no algorithm for content that is known here.");
}
