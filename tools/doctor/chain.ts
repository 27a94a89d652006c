/** The certificates of a broker up to the root, which brokers need not send. */
import { X509Certificate } from "node:crypto";
import * as tls from "node:tls";
import { fromPEM } from "../pki/index.js";

/** Longer chains are cut: no device takes them. */
const longestChain = 10;

export interface Chain {
  /** The broker's own certificate first. */
  readonly certificates: readonly X509Certificate[];
  /** Whether it ends at one of those that are trusted; dates are not looked at. */
  readonly isAnchored: boolean;
}

/** @param authorities PEM of those that are trusted; those of Node when left out */
export function chainOf(peer: X509Certificate, authorities: string | undefined): Chain {
  const certificates: X509Certificate[] = [];
  for (let next: X509Certificate | undefined = peer; next !== undefined; next = next.issuerCertificate) {
    if (certificates.length >= longestChain || certificates.some((one) => isSame(one, next))) break;
    certificates.push(next);
  }
  const anchors = anchorsOf(authorities);
  for (
    let last = certificates.at(-1)!;
    last.subject !== last.issuer && certificates.length < longestChain;
    last = certificates.at(-1)!
  ) {
    const issuers = anchors.filter((anchor) => last.checkIssued(anchor) && last.verify(anchor.publicKey));
    // Of several with the same key the one that lasts longest.
    const [issuer] = issuers.sort((a, b) => Date.parse(b.validTo) - Date.parse(a.validTo));
    if (issuer === undefined) break;
    certificates.push(issuer);
  }
  return { certificates, isAnchored: anchors.some((anchor) => isSame(anchor, certificates.at(-1)!)) };
}

export function nameOf({ subject }: X509Certificate): string {
  return subject.replaceAll("\n", ", ");
}

function isSame(one: X509Certificate, other: X509Certificate): boolean {
  return one.fingerprint256 === other.fingerprint256;
}

function anchorsOf(authorities: string | undefined): X509Certificate[] {
  const ders = authorities === undefined ? tls.rootCertificates : fromPEM("CERTIFICATE", authorities);
  return ders.flatMap((der) => {
    try {
      return [new X509Certificate(der)];
    } catch {
      return [];
    }
  });
}
