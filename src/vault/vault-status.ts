/** What a vault tells of itself. */
import { SealwireError, type ErrorCode } from "../errors.js";
import type { Crypto } from "../platform.js";
import type { Credentials } from "./credentials.js";
import type { RotationOutcome } from "./rotation-note.js";

export type VaultIntegrity = "ok" | "empty" | "corrupt" | "wrong root" | "rolled back";

/**
 * Against whom a return to older credentials is refused:
 * - `none`: the root secret lies in the same flash, so whoever can write the flash can forge what it holds;
 * - `record`: the root is in hardware, so an older record is refused, but a copy of the whole flash is not;
 * - `hardware`: a counter in hardware refuses that too.
 */
export type RollbackProtection = "none" | "record" | "hardware";

export interface VaultStatus {
  readonly integrity: VaultIntegrity;
  readonly version: number | undefined;
  /** The version that is staged, or `undefined`. */
  readonly staged: number | undefined;
  /** Whether the root secret is one that software cannot read. */
  readonly hardwareBacked: boolean;
  readonly rollbackProtection: RollbackProtection;
  /** Ends of validity, milliseconds since 1970: the device certificate, the earliest trust anchor, the bootstrap certificate. */
  readonly expires: {
    readonly certificate: number | undefined;
    readonly trustAnchor: number | undefined;
    readonly bootstrap: number | undefined;
  };
  /** When the device certificate should be renewed, milliseconds since 1970. */
  readonly renewAt: number | undefined;
  readonly lastRotation: RotationOutcome | undefined;
}

/** The ends of what is in force. */
export function expiriesOf(
  crypto: Crypto,
  { certificateChain = [], trustAnchors = [], bootstrap }: Partial<Credentials> = {},
): VaultStatus["expires"] {
  const ends = trustAnchors.map((anchor) => endOf(crypto, anchor)).filter((end) => end !== undefined);
  return {
    certificate: endOf(crypto, certificateChain[0]),
    trustAnchor: ends.length === 0 ? undefined : Math.min(...ends),
    bootstrap: endOf(crypto, bootstrap?.certificateChain[0]),
  };
}

function endOf(crypto: Crypto, certificate: Uint8Array | undefined): number | undefined {
  try {
    return certificate && crypto.certificate(certificate).notAfter;
  } catch {
    return undefined; // A status must not fail over what the TLS engine will refuse anyway.
  }
}

const faults: Partial<
  Record<ErrorCode, { readonly integrity: VaultIntegrity; readonly code: ErrorCode; readonly message: string }>
> = {
  STORAGE_CORRUPT: {
    integrity: "corrupt",
    code: "VAULT_CORRUPT",
    message: "The vault is damaged or was tampered with: wipe it and provision the device again.",
  },
  STORAGE_WRONG_ROOT: {
    integrity: "wrong root",
    code: "VAULT_WRONG_ROOT",
    message:
      "The vault belongs to another device, or the root secret of this one was lost: wipe it and provision again.",
  },
  STORAGE_ROLLED_BACK: {
    integrity: "rolled back",
    code: "VAULT_ROLLED_BACK",
    message: "The vault holds older credentials than it once had, so a copy was put back: wipe it and provision again.",
  },
};

/** What a failure to read means for the vault. @returns `undefined` when it says nothing of what is stored: a read that failed, say */
export function faultOf(
  error: unknown,
): { readonly integrity: VaultIntegrity; readonly error: SealwireError } | undefined {
  const cause = error instanceof SealwireError ? error : undefined;
  const fault = cause && faults[cause.code];
  return fault && { integrity: fault.integrity, error: new SealwireError(fault.code, fault.message, { cause }) };
}
