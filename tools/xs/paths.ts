/** Where the XS host is built and found. */
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

/** Of the package: this file is `dist/tools/xs/paths.js`. */
export const root = resolve(dirname(fileURLToPath(import.meta.url)), "../../..");
/** Not under version control, not in the package. */
export const cacheFolder = join(root, "node_modules", ".cache", "sealwire", "xs");
export const nativeFolder = join(root, "hosts", "xs", "native");

/** One way to compile the host: 32 bits for heap figures as on a chip, 64 for everything else, sanitizers to find errors in C. */
export interface Variant {
  readonly bits: 32 | 64;
  readonly sanitize: boolean;
}

export function variantName({ bits, sanitize }: Variant): string {
  return `${bits}${sanitize ? "-sanitized" : ""}`;
}

/** The compiled host. */
export function hostProgram(variant: Variant): string {
  return join(cacheFolder, variantName(variant), "sealwire-xs");
}
