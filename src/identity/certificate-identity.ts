/** Whether a client certificate is one of this device. */
import { SealwireError } from "../errors.js";
import type { Crypto } from "../platform.js";

/**
 * Checks that a certificate names the client identifier, as its common name or as one of its DNS names, letter by letter. Brokers that
 * take the client's name from its certificate would else know the device under another one.
 *
 * @param certificate DER
 * @throws SealwireError `IDENTITY_CERTIFICATE_MISMATCH`; `CRYPTO_INVALID` when the certificate cannot be read
 */
export function requireCertificateIdentity(
  crypto: Pick<Crypto, "certificate">,
  certificate: Uint8Array,
  clientIdentifier: string,
): void {
  const { commonName, dnsNames } = crypto.certificate(certificate);
  if (commonName === clientIdentifier || dnsNames.includes(clientIdentifier)) return;
  throw new SealwireError(
    "IDENTITY_CERTIFICATE_MISMATCH",
    `The device certificate is for "${commonName ?? dnsNames[0] ?? ""}", but the client identifier is "${clientIdentifier}".`,
  );
}
