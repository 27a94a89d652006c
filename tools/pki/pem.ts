/** PEM, the textual encoding of RFC 7468. */
export type PEMLabel = "CERTIFICATE" | "CERTIFICATE REQUEST" | "ENCRYPTED PRIVATE KEY" | "PRIVATE KEY" | "X509 CRL";

/** The DER as one PEM block, with a line end after it. */
export function toPEM(label: PEMLabel, der: Uint8Array): string {
  const base64 = Buffer.from(der).toString("base64");
  const lines = base64.match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}

/** The DER of every block with this label, in order; text around the blocks is ignored. */
export function fromPEM(label: PEMLabel, text: string): Uint8Array[] {
  const block = new RegExp(`-----BEGIN ${label}-----([A-Za-z0-9+/=\\s]*)-----END ${label}-----`, "g");
  return Array.from(text.matchAll(block), (match) => new Uint8Array(Buffer.from(match[1] ?? "", "base64")));
}
