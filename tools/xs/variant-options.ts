/** The options that choose a variant of the XS host, the same for every command that compiles one. */
import type { Command } from "commander";
import { positive } from "../positive.js";
import type { Variant } from "./paths.js";

export interface VariantArguments {
  readonly m32?: true;
  readonly sanitize?: true;
  readonly tls12?: true;
  readonly mbedtls?: string;
  readonly tlsInput?: number;
}

export function addVariantOptions(command: Command): Command {
  return command
    .option("--m32", "32 bits: a heap as on a chip (needs gcc-multilib)")
    .option("--sanitize", "under AddressSanitizer and UndefinedBehaviorSanitizer (64 bits)")
    .option("--mbedtls <dir>", "source tree of Mbed TLS; none: without cryptography")
    .option("--tls-input <bytes>", "largest record and handshake message that is taken", positive)
    .option("--tls12", "Mbed TLS without TLS 1.3 (not for the system's library)");
}

export function variantOf({ m32, sanitize, tls12, mbedtls, tlsInput }: VariantArguments): Variant {
  return { bits: m32 ? 32 : 64, sanitize: sanitize === true, tls12: tls12 === true, mbedtls, tlsInput };
}
