/** What the verification of a server depended on, as one digest. */
import { toUTF8 } from "../bytes.js";
import { encodeCBOR, type CBORValue } from "../cose/index.js";
import type { Crypto, RevocationMode, TLSVersion } from "../platform.js";

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
  const digest = (bytes: Uint8Array): Uint8Array => crypto.sha256().update(bytes).digest();
  // Hashing each certificate first keeps the encoding small: a device has no room for a second copy of its chain.
  const fields: CBORValue = [
    policy.trustAnchors.map(digest),
    policy.revocationLists.map(digest),
    policy.revocation,
    policy.certificateChain.map(digest),
    policy.serverName,
    [...policy.applicationProtocols],
    policy.minimumVersion,
    policy.maximumVersion ?? null,
    policy.engineBuild,
  ];
  return crypto.sha256().update(toUTF8("sealwire policy 1")).update(encodeCBOR(fields)).digest();
}
