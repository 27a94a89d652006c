/** Checks what a broker is to read, before it reads it: one wrong file, and Mosquitto admits nobody, or does not start. */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { CommandFailure, exitCodes } from "../failure.js";
import { fromPEM, readRevocationList } from "../pki/index.js";

function wrong(file: string, what: string, cause?: unknown): CommandFailure {
  return new CommandFailure(exitCodes.environment, "CRYPTO_INVALID", `${file} ${what}.`, { cause });
}

function certificatesOf(text: string, file: string): X509Certificate[] {
  const ders = fromPEM("CERTIFICATE", text);
  if (ders.length === 0) throw wrong(file, "has no certificate in PEM");
  try {
    return ders.map((der) => new X509Certificate(der));
  } catch (error) {
    throw wrong(file, "has a certificate that cannot be read", error);
  }
}

export function checkAuthorities(text: string, file: string): void {
  for (const certificate of certificatesOf(text, file))
    if (!certificate.ca)
      throw wrong(file, `holds ${certificate.subject.replace(/\n/g, ", ")}, which is not an authority`);
}

/** @param key text of a PEM private key, which no error quotes */
export function checkKeyPair(certificates: string, key: string, file: string): void {
  const [own] = certificatesOf(certificates, file);
  let fits: boolean;
  try {
    fits = own!.checkPrivateKey(createPrivateKey(key));
  } catch {
    throw wrong(file, "does not go with a private key that can be read without a passphrase");
  }
  if (!fits) throw wrong(file, "and the private key do not belong together");
  if (Date.parse(own!.validTo) <= Date.now()) throw wrong(file, `expired on ${own!.validTo}`);
}

/** What revocation lists say together. */
export interface Revoked {
  /** When the first of them ends, in milliseconds since 1970. */
  readonly end: number;
  readonly serialNumbers: ReadonlySet<string>;
}

/**
 * Every list must be of one of the authorities, and not past its next update.
 */
export async function checkRevocationLists(text: string, file: string, authorities: string): Promise<Revoked> {
  const lists = fromPEM("X509 CRL", text);
  if (lists.length === 0) throw wrong(file, "has no revocation list in PEM");
  const issuers = fromPEM("CERTIFICATE", authorities);
  let end = Infinity;
  const serialNumbers = new Set<string>();
  for (const list of lists) {
    const attempts = await Promise.allSettled(issuers.map((issuer) => readRevocationList(list, issuer)));
    const info = attempts.find((attempt) => attempt.status === "fulfilled")?.value;
    if (info === undefined) throw wrong(file, "holds a revocation list that none of the authorities signed");
    if (info.nextUpdate.getTime() <= Date.now())
      throw wrong(
        file,
        `holds a revocation list that ended on ${info.nextUpdate.toISOString()}: the broker would refuse every client`,
      );
    end = Math.min(end, info.nextUpdate.getTime());
    for (const serialNumber of info.serialNumbers) serialNumbers.add(serialNumber);
  }
  return { end, serialNumbers };
}

export function checkPasswordFile(text: string, file: string): void {
  text.split("\n").forEach((line, i) => {
    if (line === "" || line.startsWith("#")) return;
    if (!/^[^:]+:\$[67]\$[^:]+$/.test(line.trimEnd()))
      throw wrong(file, `has no hashed password in line ${i + 1}; sealwire broker password makes such lines`);
  });
}
