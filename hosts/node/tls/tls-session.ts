/** Sessions as OpenSSL writes them: `SSL_SESSION_ASN1` of its ssl/ssl_asn1.c. */
import type { TLSSessionData, TLSVersion } from "../../../src/platform.js";
import { type Element, parse, small, tagged, tags, universal } from "../x509/asn1.js";

const versions = new Map<number, TLSVersion>([
  [0x0303, "TLSv1.2"],
  [0x0304, "TLSv1.3"],
]);
const lifetimeHint = 9;
const flags = 13;
const extendedMasterSecretFlag = 1;

/** @returns what is known of a session, or `undefined` when it is not one of OpenSSL's, or cannot be resumed */
export function readSession(bytes: Uint8Array): TLSSessionData | undefined {
  try {
    const fields = universal(parse(bytes), tags.sequence).children;
    const protocol = versions.get(small(universal(fields[1], tags.integer)));
    if (protocol === undefined) return undefined;
    const hint = number(fields, lifetimeHint);
    // OpenSSL leaves a lifetime of zero out: unspecified in TLS 1.2 (RFC 5077 section 3.3), already over in TLS 1.3.
    if (protocol === "TLSv1.3" && hint === undefined) return undefined;
    return {
      protocol,
      bytes,
      lifetime: hint === undefined ? undefined : hint * 1000,
      extendedMasterSecret: protocol === "TLSv1.3" || ((number(fields, flags) ?? 0) & extendedMasterSecretFlag) !== 0,
    };
  } catch {
    return undefined;
  }
}

function number(fields: readonly Element[], tagNumber: number): number | undefined {
  const field = tagged(fields, tagNumber)?.children[0];
  return field === undefined ? undefined : small(universal(field, tags.integer));
}
