/** The certificates of both sides: chain, name, dates, revocation. */
import { createPrivateKey, X509Certificate } from "node:crypto";
import * as tls from "node:tls";
import { fromPEM, readRevocationList } from "../pki/index.js";
import { type Chain, chainOf, nameOf } from "./chain.js";
import { meaningOf, type Report } from "./report.js";
import { openTLS, type Target } from "./target.js";

const day = 24 * 60 * 60 * 1000;

/** Days before the end of a certificate in which it is time to renew it. */
const renewalTime = 30;

/** Looks at the device's own certificate and key, without the broker. @returns whether they can be used */
export function checkOwnCertificate({ certificate, key, clientIdentifier }: Target, report: Report): boolean {
  if (certificate === undefined) return true;
  const name = "client-certificate";
  let own: X509Certificate;
  try {
    const [der] = fromPEM("CERTIFICATE", certificate);
    if (der === undefined) throw new Error("there is none in PEM");
    own = new X509Certificate(der);
  } catch (error) {
    report.fail(name, `The client certificate cannot be read: ${meaningOf(error)}.`);
    return false;
  }
  try {
    if (!own.checkPrivateKey(createPrivateKey(key ?? ""))) {
      report.fail(name, "The private key is not that of the client certificate.");
      return false;
    }
  } catch {
    // The cause is left out: it might quote what is in the file.
    report.fail(name, "The private key cannot be read, or wants a passphrase.");
    return false;
  }
  const dates = datesOf(own);
  if (dates.fault !== undefined) {
    report.fail(name, `The client certificate ${dates.fault}.`);
    return false;
  }
  const commonName = /^CN=(.*)$/m.exec(own.subject)?.[1];
  if (commonName !== clientIdentifier)
    report.warn(
      name,
      `The client certificate is for ${JSON.stringify(commonName ?? "nobody")}, and the client identifier is ${JSON.stringify(clientIdentifier)}: many brokers want them to be the same.`,
    );
  else if (dates.days < renewalTime) report.warn(name, `The client certificate ends in ${dates.days} days: renew it.`);
  else
    report.pass(
      name,
      `The client certificate is for ${commonName}, goes with the key, and is valid for ${dates.days} days more.`,
    );
  return true;
}

function datesOf(certificate: X509Certificate): { fault?: string; days: number } {
  const now = Date.now();
  const from = Date.parse(certificate.validFrom);
  const to = Date.parse(certificate.validTo);
  const days = Math.floor((to - now) / day);
  if (now < from) return { fault: `is not valid before ${certificate.validFrom}: is the clock right?`, days };
  if (now > to) return { fault: `expired on ${certificate.validTo}`, days };
  return { days };
}

/** Looks at the broker's certificates. @returns whether they can be trusted, so that a password may be sent */
export async function checkServerCertificates(target: Target, report: Report): Promise<boolean> {
  let socket: tls.TLSSocket;
  try {
    socket = await openTLS(target, { maxVersion: "TLSv1.2" }).catch(() => openTLS(target));
  } catch (error) {
    report.fail("tls", `There is no TLS connection: ${meaningOf(error)}.`);
    return false;
  }
  try {
    const peer = socket.getPeerX509Certificate();
    const name = socket.getCipher().standardName;
    report.pass("tls", `TLS is spoken: ${socket.getProtocol() ?? "unknown version"}, ${name}.`);
    if (peer === undefined) {
      report.fail("chain", "The broker sent no certificate.");
      return false;
    }
    const chain = chainOf(peer, target.ca);
    const good = [
      checkChain(socket, chain, report),
      checkName(target, peer, report),
      checkDates(chain.certificates, report),
      await checkRevocation(target, chain.certificates, report),
    ];
    return !good.includes(false);
  } finally {
    socket.destroy();
  }
}

const chainFaults: Readonly<Record<string, string>> = {
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    "the authority that signed it is not among those given with --ca, or the broker does not send the authorities between",
  UNABLE_TO_GET_ISSUER_CERT: "an authority above it is missing",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    "the broker sends its own certificate alone: it must send the authorities between, too",
  SELF_SIGNED_CERT_IN_CHAIN: "its root is not among the authorities given with --ca",
  DEPTH_ZERO_SELF_SIGNED_CERT: "it signed itself, and is not among the authorities given with --ca",
  CERT_SIGNATURE_FAILURE: "a signature in the chain is wrong",
  INVALID_PURPOSE: "it is not a certificate for servers",
  INVALID_CA: "a certificate above it is not one of an authority",
};

/** Faults that have checks of their own; OpenSSL tells the last one alone, which may hide that the chain is not trusted. */
const otherFaults = ["CERT_HAS_EXPIRED", "CERT_NOT_YET_VALID", "ERR_TLS_CERT_ALTNAME_INVALID"];

function checkChain(socket: tls.TLSSocket, { certificates, isAnchored }: Chain, report: Report): boolean {
  const text = certificates.map(nameOf).join(" < ");
  const fault = socket.authorized ? undefined : (socket.authorizationError as unknown as string | Error);
  let code = fault instanceof Error ? ((fault as NodeJS.ErrnoException).code ?? fault.message) : fault;
  if (code !== undefined && otherFaults.includes(code))
    code = isAnchored ? undefined : "UNABLE_TO_GET_ISSUER_CERT_LOCALLY";
  if (code === undefined) {
    report.pass("chain", `The broker's certificate chains to an authority that is trusted: ${text}.`);
    return true;
  }
  report.fail("chain", `The broker's certificate is not trusted: ${chainFaults[code] ?? code}. It is ${text}.`, {
    code,
  });
  return false;
}

function checkName({ host }: Target, peer: X509Certificate, report: Report): boolean {
  const fault = tls.checkServerIdentity(host, peer.toLegacyObject());
  if (fault === undefined) {
    report.pass("name", `The broker's certificate is for ${host}.`);
    return true;
  }
  report.fail(
    "name",
    `The broker's certificate is not for ${host}: it is for ${peer.subjectAltName ?? "no name at all"}.`,
  );
  return false;
}

function checkDates(chain: readonly X509Certificate[], report: Report): boolean {
  let least = Infinity;
  for (const certificate of chain) {
    const { fault, days } = datesOf(certificate);
    if (fault !== undefined) {
      report.fail("dates", `${nameOf(certificate)} ${fault}.`);
      return false;
    }
    least = Math.min(least, days);
  }
  if (least < renewalTime)
    report.warn("dates", `A certificate of the broker ends in ${least} days: it should be renewed.`, { days: least });
  else report.pass("dates", `The broker's certificates are valid for ${least} days more.`, { days: least });
  return true;
}

async function checkRevocation(
  { revocationLists }: Target,
  chain: readonly X509Certificate[],
  report: Report,
): Promise<boolean> {
  const name = "revocation";
  if (revocationLists === undefined) {
    report.skip(name, "No revocation list was given: nothing says whether the broker's certificate was revoked.");
    return true;
  }
  const lists = fromPEM("X509 CRL", revocationLists);
  const unlisted: string[] = [];
  for (const [i, certificate] of chain.entries()) {
    const issuer = chain[i + 1] ?? certificate;
    // Nobody revokes the root, unless it is all there is.
    if (issuer === certificate && i > 0) break;
    let found = false;
    for (const list of lists) {
      const info = await readRevocationList(list, issuer.raw).catch(() => undefined);
      if (info === undefined) continue;
      found = true;
      if (info.nextUpdate.getTime() < Date.now()) {
        report.fail(
          name,
          `The revocation list of ${nameOf(issuer)} ended on ${info.nextUpdate.toISOString()}: devices that check it refuse the broker.`,
        );
        return false;
      }
      const serials = info.serialNumbers.map((serial) => serial.toUpperCase().replace(/^0+/, ""));
      if (serials.includes(certificate.serialNumber.replace(/^0+/, ""))) {
        report.fail(name, `${nameOf(certificate)} is revoked.`);
        return false;
      }
    }
    if (found) continue;
    if (i === 0) {
      report.fail(
        name,
        `None of the revocation lists is of ${nameOf(issuer)}, which signed the broker's certificate: devices that check it refuse the broker.`,
      );
      return false;
    }
    unlisted.push(nameOf(issuer));
  }
  const more =
    unlisted.length === 0
      ? ""
      : `; there is no list of ${unlisted.join(" nor of ")}, which devices want that check the whole chain`;
  report.pass(name, `No certificate of the broker is on the revocation lists${more}.`);
  return true;
}
