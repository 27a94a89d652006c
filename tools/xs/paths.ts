/** Where the XS host is built and found. */
import { createHash } from "node:crypto";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

/** Of the package: this file is `dist/tools/xs/paths.js`. */
export const root = resolve(dirname(fileURLToPath(import.meta.url)), "../../..");
/** Not under version control, not in the package. */
export const cacheFolder = join(root, "node_modules", ".cache", "sealwire", "xs");
export const nativeFolder = join(root, "hosts", "xs", "native");
/** Native parts that all XS hosts share. */
export const mbedtlsFolder = join(root, "hosts", "mbedtls");

/** One way to compile the host: 32 bits for heap figures as on a chip, 64 for everything else, sanitizers to find errors in C. */
export interface Variant {
  readonly bits: 32 | 64;
  /** When left out, the environment variable `SEALWIRE_SANITIZE=1` asks for it on 64 bits. */
  readonly sanitize?: boolean | undefined;
  /**
   * Source tree of Mbed TLS, or `none`; the environment variable `SEALWIRE_MBEDTLS` when left out. Without either the 64-bit host
   * links the system's library, and the 32-bit host one that is built from Debian's source package.
   */
  readonly mbedtls?: string | undefined;
  /** Builds the library without TLS 1.3, which costs memory in TLS 1.2, too. Not for the system's library. */
  readonly tls12?: boolean | undefined;
  /** Bytes of the library's input buffer, 4,096 when left out. Not for the system's library. */
  readonly tlsInput?: number | undefined;
}

/** The source tree of Mbed TLS that was asked for, as an absolute path; `none`; or `undefined` for the default. */
export function chosenMbedTLS({ mbedtls }: Variant): string | undefined {
  const chosen = mbedtls ?? process.env["SEALWIRE_MBEDTLS"];
  return chosen === undefined || chosen === "" || chosen === "none" ? chosen || undefined : resolve(chosen);
}

/** Whether it is built with AddressSanitizer and UndefinedBehaviorSanitizer. */
export function isSanitized({ bits, sanitize }: Variant): boolean {
  return sanitize ?? (bits === 64 && process.env["SEALWIRE_SANITIZE"] === "1");
}

/** Builds of one name share nothing with those of another. */
export function variantName(variant: Variant): string {
  const source = chosenMbedTLS(variant);
  const { bits, tls12, tlsInput } = variant;
  const parts = [
    `${bits}`,
    ...(isSanitized(variant) ? ["sanitized"] : []),
    ...(tls12 ? ["tls12"] : []),
    ...(tlsInput ? [`in${tlsInput}`] : []),
  ];
  if (source === "none") parts.push("none");
  // Two trees may have the same name.
  else if (source !== undefined)
    parts.push(basename(source), createHash("sha256").update(source).digest("hex").slice(0, 6));
  return parts.join("-");
}

/** The compiled host. */
export function hostProgram(variant: Variant): string {
  return join(cacheFolder, variantName(variant), "sealwire-xs");
}
