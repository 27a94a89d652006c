/** TLS versions, resumption, and the size of records. */
import { constants } from "node:crypto";
import * as net from "node:net";
import type { TLSSocket } from "node:tls";
import { MQTTProbe } from "../broker/probe.js";
import { probeFragmentLength } from "./fragment.js";
import { meaningOf, type Report } from "./report.js";
import { openTLS, type Target } from "./target.js";

type Version = "TLSv1.2" | "TLSv1.3";

/** Milliseconds in which tickets come after the CONNACK. */
const ticketTime = 300;

/**
 * Whether a handshake came so far that the version was settled, and ended since the broker does not accept the client's certificate.
 * Without a certificate, a broker that wants one says no more than that it failed (RFC 5246 section 7.4.6).
 */
function isOfCertificate(error: unknown, { certificate }: Target): boolean {
  const { code, message } = error as NodeJS.ErrnoException;
  const alert =
    /alert[ _]([a-z_ ]+)/i
      .exec(`${code ?? ""} ${message}`)?.[1]
      ?.replaceAll("_", " ")
      .toLowerCase() ?? "";
  return (
    /certificate|unknown ca|decrypt error/.test(alert) || (certificate === undefined && /handshake failure/.test(alert))
  );
}

export async function checkVersions(target: Target, report: Report): Promise<Version[]> {
  const spoken: Version[] = [];
  for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
    try {
      (await openTLS(target, { minVersion: version, maxVersion: version })).destroy();
      spoken.push(version);
    } catch (error) {
      if (isOfCertificate(error, target)) spoken.push(version);
    }
  }
  let old = false;
  try {
    // OpenSSL forbids it at its usual level of security.
    (await openTLS(target, { minVersion: "TLSv1", maxVersion: "TLSv1.1", ciphers: "ALL:@SECLEVEL=0" })).destroy();
    old = true;
  } catch (error) {
    // To be refused for the version is as it should be.
    old = target.certificate !== undefined && isOfCertificate(error, target);
  }
  const list = spoken.map((version) => version.replace("TLSv", "TLS ")).join(" and ");
  if (spoken.length === 0) report.fail("tls-versions", "The broker speaks neither TLS 1.2 nor TLS 1.3.");
  else if (old)
    report.warn(
      "tls-versions",
      `The broker speaks ${list}, and also TLS 1.1 or older, which it should refuse (RFC 8996).`,
      { spoken, old },
    );
  else report.pass("tls-versions", `The broker speaks ${list}, and nothing older.`, { spoken, old });
  return spoken;
}

interface Visit {
  readonly resumed: boolean;
  readonly session: Buffer | undefined;
  readonly ticket: boolean;
}

/** Connects as a device does, and leaves with a goodbye or without. */
async function visit(
  target: Target,
  version: Version,
  session: Buffer | undefined,
  options: { tickets: boolean; goodbye: boolean },
): Promise<Visit> {
  let newest: Buffer | undefined;
  const socket: TLSSocket = await openTLS(target, {
    minVersion: version,
    maxVersion: version,
    ...(session && { session }),
    ...(!options.tickets && { secureOptions: constants.SSL_OP_NO_TICKET }),
  });
  socket.on("session", (issued: Buffer) => (newest = issued));
  const { clientIdentifier, userName, password, timeout } = target;
  try {
    const probe = await MQTTProbe.connect(socket, { clientIdentifier, userName, password, timeout });
    // In TLS 1.3 tickets may come late.
    await new Promise((resolve) => setTimeout(resolve, ticketTime));
    const result = {
      resumed: socket.isSessionReused(),
      session: newest ?? socket.getSession(),
      ticket: socket.getTLSTicket() !== undefined,
    };
    if (options.goodbye) await probe.close();
    return result;
  } finally {
    socket.destroy();
  }
}

/** Each way of resumption, as a device would use it. */
export async function checkResumption(target: Target, spoken: readonly Version[], report: Report): Promise<void> {
  const ways = [
    { name: "resumption-ticket", version: "TLSv1.2", tickets: true, goodbye: false, what: "TLS 1.2 by ticket" },
    { name: "resumption-id", version: "TLSv1.2", tickets: false, goodbye: true, what: "TLS 1.2 by session ID" },
    { name: "resumption-tls13", version: "TLSv1.3", tickets: true, goodbye: false, what: "TLS 1.3" },
  ] as const;
  for (const { name, version, what, ...options } of ways) {
    if (!spoken.includes(version)) {
      report.skip(name, `${what}: the broker does not speak this version.`);
      continue;
    }
    try {
      const first = await visit(target, version, undefined, options);
      if (first.session === undefined || (options.tickets && version === "TLSv1.2" && !first.ticket)) {
        report.warn(
          name,
          `${what}: the broker offers none; every connection costs a full handshake, unless another way works.`,
          { resumed: false },
        );
        continue;
      }
      const { resumed } = await visit(target, version, first.session, options);
      if (resumed)
        report.pass(
          name,
          `${what}: a session is resumed${options.goodbye ? "" : ", also after the connection was lost without a goodbye"}.`,
          { resumed },
        );
      else
        report.warn(
          name,
          `${what}: the broker offers it, but did not resume; is it one of several behind a load balancer that do not share their keys?`,
          { resumed },
        );
    } catch (error) {
      report.warn(name, `${what}: could not be tried: ${meaningOf(error)}.`);
    }
  }
}

export async function checkFragmentLength({ host, port, timeout }: Target, report: Report): Promise<void> {
  const { result, largestRecord } = await probeFragmentLength(
    { host, port, serverName: net.isIP(host) === 0 ? host : undefined },
    512,
    timeout,
  );
  const data = { result, largestRecord };
  const name = "fragment-length";
  if (result === "honoured")
    report.pass(
      name,
      "Asked for TLS records of 512 bytes, the broker sends none that is larger: devices can do with small buffers in TLS 1.2.",
      data,
    );
  else if (result === "unknown")
    report.skip(
      name,
      "Whether small TLS records are honoured is not known: the broker did not answer a ClientHello of TLS 1.2.",
    );
  else
    report.warn(
      name,
      `Asked for TLS records of 512 bytes, the broker sends ${largestRecord.toLocaleString("en")} (${result}): devices need room for records of 16 KB.`,
      data,
    );
}
