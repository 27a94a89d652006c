/** When a certificate should be renewed. */
import { SealwireError } from "../errors.js";
import type { Crypto } from "../platform.js";

export interface RenewalOptions {
  /** Share of the lifetime after which renewal begins, above 0 and below 1: two thirds when left out. */
  readonly fraction?: number | undefined;
  /** Share of the lifetime over which a fleet spreads from there: a tenth when left out. Together they are at most 1. */
  readonly jitter?: number | undefined;
}

/** @throws SealwireError `INVALID_ARGUMENT` */
export function checkRenewal({ fraction = 2 / 3, jitter = 0.1 }: RenewalOptions): Required<RenewalOptions> {
  if (!(fraction > 0 && fraction < 1 && jitter >= 0 && fraction + jitter <= 1))
    throw new SealwireError("INVALID_ARGUMENT", "Renewal: fraction is above 0 and below 1, with jitter at most 1.");
  return { fraction, jitter };
}

/**
 * The time at which to renew, in milliseconds since 1970. The jitter is drawn from the certificate itself: the same after every start, and
 * another for each device and each certificate, so that a fleet provisioned in one hour is not renewed in one.
 * @param certificate DER
 * @throws SealwireError `CRYPTO_INVALID`
 */
export function renewalTime(
  crypto: Pick<Crypto, "certificate" | "sha256">,
  certificate: Uint8Array,
  options: RenewalOptions = {},
): number {
  const { fraction, jitter } = checkRenewal(options) as { fraction: number; jitter: number };
  const { notBefore, notAfter } = crypto.certificate(certificate);
  const digest = crypto.sha256().update(certificate).digest();
  const drawn = new DataView(digest.buffer, digest.byteOffset).getUint32(0) / 2 ** 32;
  return notBefore + (notAfter - notBefore) * (fraction + jitter * drawn);
}
