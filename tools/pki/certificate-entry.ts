/** What the index keeps of a certificate. */
import { X509Certificate } from "node:crypto";
import type { CertificateKind, NewEntry } from "./certificate-index.js";

/** A serial number as the index has it. */
export function indexed(serialNumber: string): string {
  return serialNumber
    .toLowerCase()
    .replaceAll(":", "")
    .replace(/^0+(?=.)/, "");
}

export function toEntry(kind: CertificateKind, certificate: Uint8Array): NewEntry {
  const parsed = new X509Certificate(certificate);
  return {
    serialNumber: indexed(parsed.serialNumber),
    kind,
    name: nameIn(parsed),
    notBefore: Date.parse(parsed.validFrom),
    notAfter: Date.parse(parsed.validTo),
    certificate,
  };
}

/** Its public key, as base64 of the DER. */
export function keyIn(certificate: Uint8Array): string {
  return new X509Certificate(certificate).publicKey.export({ type: "spki", format: "der" }).toString("base64");
}

export function commonNameOf(certificate: Uint8Array): string {
  return nameIn(new X509Certificate(certificate));
}

function nameIn(certificate: X509Certificate): string {
  // Node escapes what is special in a name; here names are compared and shown, so as it stands in the certificate.
  const { CN } = certificate.toLegacyObject().subject as { CN?: string };
  return CN ?? "";
}
