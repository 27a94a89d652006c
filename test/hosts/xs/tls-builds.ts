/** The builds of the XS host that the tests of TLS run on, and the versions of TLS that each of them has. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { TLSVersion } from "../../../src/platform.js";
import { chosenMbedTLS, type Variant } from "../../../tools/xs/paths.js";

export interface TLSBuild {
  readonly name: string;
  readonly variant: Variant;
  /** Of Mbed TLS; of the system's library on Debian 12. */
  readonly major: number;
  readonly versions: readonly TLSVersion[];
  /** Largest record of the peer that its input buffer holds, and largest record of ours. */
  readonly content: { readonly input: number; readonly output: number };
  /** Whether a handshake message may come in several records. */
  readonly joins: boolean;
}

/** As sealwire_mbedtls_config.h has it. */
const ours = (major: number): Pick<TLSBuild, "major" | "versions" | "content" | "joins"> =>
  major < 3
    ? { major, versions: ["TLSv1.2"], content: { input: 4096, output: 4096 }, joins: false }
    : { major, versions: ["TLSv1.2", "TLSv1.3"], content: { input: 4096, output: 2048 }, joins: true };

function versionOf(tree: string): string {
  for (const header of ["build_info.h", "version.h"]) {
    const file = join(tree, "include", "mbedtls", header);
    const text = existsSync(file) ? readFileSync(file, "utf8") : "";
    const found = /^#define MBEDTLS_VERSION_STRING\s+"([\d.]+)"/m.exec(text);
    if (found) return found[1]!;
  }
  throw new Error(`SEALWIRE_MBEDTLS: ${tree} is no source tree of Mbed TLS.`);
}

function buildsOf(tree: string): TLSBuild[] {
  const version = versionOf(tree);
  return ([64, 32] as const).map((bits) => ({
    name: `Mbed TLS ${version} as on a chip, ${bits} bits`,
    variant: { bits },
    ...ours(Number.parseInt(version)),
  }));
}

const chosen = chosenMbedTLS({ bits: 64 });

/** The system's library and 3.6, or, with the environment variable SEALWIRE_MBEDTLS, the library of that source tree on 64 and 32 bits. */
export const tlsBuilds: readonly TLSBuild[] =
  chosen !== undefined && chosen !== "none"
    ? buildsOf(chosen)
    : [
        {
          name: "the system's Mbed TLS, 64 bits",
          variant: { bits: 64 },
          major: 2,
          versions: ["TLSv1.2"],
          content: { input: 16384, output: 16384 },
          joins: false,
        },
        { name: "Mbed TLS 3.6 as on a chip, 32 bits", variant: { bits: 32 }, ...ours(3) },
      ];

/** Those whose library allocates by itself, as in ESP-IDF. */
export const unwatchedBuilds: readonly TLSBuild[] = tlsBuilds
  .filter(({ variant }) => variant.bits === 32)
  .map((build) => ({
    ...build,
    name: `${build.name}, that allocates by itself`,
    variant: { ...build.variant, unwatched: true },
  }));

/** The same with an input buffer that holds a large server chain; not the system's library, whose buffers hold any record. */
export const largeInputBuilds: readonly TLSBuild[] = tlsBuilds
  .filter(({ content, variant }) => content.input < 8192 && variant.bits === 32)
  .map((build) => ({
    ...build,
    name: `${build.name}, with an input buffer of 8 KB`,
    variant: { ...build.variant, tlsInput: 8192 },
    content: { ...build.content, input: 8192 },
  }));
