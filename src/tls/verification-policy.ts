/** What the verification of a server depended on, as one digest. */
import { toUTF8 } from "../bytes.js";
import { CBORWriter, encodeCBOR, headLength } from "../cbor/index.js";
import type { Crypto, Hash, RevocationMode, TLSVersion } from "../platform.js";

/** Everything that decides whether a server is accepted, and as whom the client presents itself. */
export interface VerificationPolicy {
  readonly trustAnchors: readonly Uint8Array[];
  readonly revocationLists: readonly Uint8Array[];
  readonly revocation: RevocationMode;
  readonly certificateChain: readonly Uint8Array[];
  readonly serverName: string;
  readonly applicationProtocols: readonly string[];
  readonly minimumVersion: TLSVersion;
  readonly maximumVersion: TLSVersion | undefined;
  /** `Platform.tlsEngineBuild`. */
  readonly engineBuild: string;
}

/**
 * A resumed handshake checks no certificate: it leans on the checks of the full one. The digest tells whether those were the
 * checks that would be made today.
 * @returns SHA-256, 32 bytes
 */
export function policyDigest(crypto: Crypto, policy: VerificationPolicy): Uint8Array {
  const hash = crypto.sha256().update(toUTF8("sealwire policy 1"));
  // The CBOR of one array, hashed item by item, and each certificate by its digest: a device has no room for a second copy of its chain.
  hash.update(arrayHead(9));
  hashDigests(crypto, hash, policy.trustAnchors);
  hashDigests(crypto, hash, policy.revocationLists);
  hash.update(encodeCBOR(policy.revocation));
  hashDigests(crypto, hash, policy.certificateChain);
  hash.update(encodeCBOR(policy.serverName));
  hash.update(encodeCBOR([...policy.applicationProtocols]));
  hash.update(encodeCBOR(policy.minimumVersion));
  hash.update(encodeCBOR(policy.maximumVersion ?? null));
  return hash.update(encodeCBOR(policy.engineBuild)).digest();
}

function hashDigests(crypto: Crypto, hash: Hash, items: readonly Uint8Array[]): void {
  hash.update(arrayHead(items.length));
  for (const item of items) hash.update(encodeCBOR(crypto.sha256().update(item).digest()));
}

function arrayHead(count: number): Uint8Array {
  const head = new Uint8Array(headLength(count));
  new CBORWriter(head).array(count);
  return head;
}
