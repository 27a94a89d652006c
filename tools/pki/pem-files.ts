/** Reads certificates and keys that the user brings. */
import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { readFile } from "../files.js";
import { type CommandFailure, usageFailure } from "../failure.js";
import type { Credentials } from "./development.js";
import { fromPEM } from "./pem.js";

/** PEM files, as options name them. */
export interface CredentialFiles {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/**
 * Reads and checks them.
 * @throws CommandFailure with exit code 2 when one of them is not what its option wants; never quotes what is in it
 */
export function readCredentialFiles(files: CredentialFiles): Credentials & { readonly trustAnchors: Uint8Array[] } {
  const trustAnchors = certificatesOf("--ca", files.ca);
  const certificateChain = certificatesOf("--cert", files.cert);
  const key = privateKeyOf(files.key);
  if (!new X509Certificate(certificateChain[0]!).checkPrivateKey(key))
    throw usageFailure(`The private key in ${files.key} (--key) does not belong to the certificate in ${files.cert}.`);
  return {
    trustAnchors,
    certificateChain,
    privateKey: new Uint8Array(key.export({ format: "der", type: "pkcs8" })),
  };
}

/** @throws CommandFailure with exit code 2 when the file of this option holds none, or one that cannot be read */
export function certificatesOf(option: string, file: string): Uint8Array[] {
  const found = fromPEM("CERTIFICATE", readFile(file) ?? "");
  if (found.length === 0) throw usageFailure(`${file} (${option}) holds no certificate in PEM form.`);
  try {
    for (const der of found) new X509Certificate(der);
  } catch {
    throw usageFailure(`${file} (${option}) holds a certificate that cannot be read.`);
  }
  return found;
}

function privateKeyOf(file: string): KeyObject {
  const unusable = (): CommandFailure =>
    usageFailure(`${file} (--key) must hold an unencrypted P-256 private key in PEM form.`);
  let key: KeyObject;
  try {
    key = createPrivateKey(readFile(file) ?? "");
  } catch {
    // The cause is left out: it might quote what is in the file.
    throw unusable();
  }
  if (key.asymmetricKeyDetails?.namedCurve !== "prime256v1") throw unusable();
  return key;
}
