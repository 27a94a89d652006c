/** Finds or builds the Mbed TLS that the host links. */
import { execFile, execFileSync } from "node:child_process";
import { mkdirSync, rmSync } from "node:fs";
import { isAbsolute, join } from "node:path";
import { promisify } from "node:util";
import { compileAll, modified } from "./compile.js";
import { mbedtlsSource, MissingSource } from "./mbedtls-source.js";
import { mbedtlsTree } from "./mbedtls-tree.js";
import { chosenMbedTLS, isSanitized, mbedtlsFolder, type Variant } from "./paths.js";

const run = promisify(execFile);

export interface Library {
  /** Options with which the host's own sources find its headers. */
  readonly flags: readonly string[];
  /** What the host is linked with: archives, or `-l` options. */
  readonly link: readonly string[];
}

/** Why there is none, and what helps. */
export interface NoLibrary {
  readonly reason: string;
}

const parts = ["mbedtls", "mbedx509", "mbedcrypto"] as const;
const install = "apt install libmbedtls-dev";
const renamed = ["calloc", "free"].flatMap((name) => ["--redefine-sym", `${name}=sw_memory_${name}`]);

/** The library compares names of no bytes at NULL, `x509_name_cmp()`, when a damaged certificate has such: harmless, and not ours. */
const sanitizers = [
  "-fsanitize=address,undefined",
  "-fno-sanitize=nonnull-attribute",
  "-fno-sanitize-recover=undefined",
];

/** @param folder where objects and archives of this variant lie */
export async function mbedtlsLibrary(variant: Variant, folder: string): Promise<Library | NoLibrary> {
  const source = chosenMbedTLS(variant);
  if (source === "none") return { reason: "it was asked for without Mbed TLS." };
  mkdirSync(folder, { recursive: true });
  if (source !== undefined) return buildLibrary(source, variant, folder);
  if (variant.bits === 64 && !variant.tls12 && !variant.tlsInput && !variant.unwatched)
    return systemLibrary(variant, folder);
  try {
    return await buildLibrary(mbedtlsSource(), variant, folder);
  } catch (error) {
    if (error instanceof MissingSource) return { reason: error.message };
    throw error;
  }
}

/**
 * The package of the distribution. Its archives are copied with the C library's allocation renamed, so that what the library allocates
 * can be counted and capped; with shared libraries alone that is not possible.
 */
function systemLibrary({ bits }: Variant, folder: string): Library | NoLibrary {
  const where = (file: string): string =>
    execFileSync("cc", [`-m${bits}`, `-print-file-name=${file}`], { encoding: "utf8" }).trim();
  const header = ["-E", "-include", "mbedtls/version.h", "-x", "c", "/dev/null"];
  try {
    execFileSync("cc", header, { stdio: "ignore" });
  } catch {
    return { reason: `the headers are missing: ${install}` };
  }
  const archives = parts.map((name) => where(`lib${name}.a`));
  if (archives.every((archive) => isAbsolute(archive))) {
    const link = archives.map((archive, i) => {
      const copy = join(folder, `lib${parts[i]!}.a`);
      if (modified(copy) < modified(archive)) execFileSync("objcopy", [...renamed, archive, copy]);
      return copy;
    });
    return { flags: [], link };
  }
  if (parts.every((name) => isAbsolute(where(`lib${name}.so`))))
    return { flags: ["-DSEALWIRE_MEMORY_UNWATCHED"], link: parts.map((name) => `-l${name}`) };
  return { reason: `the library is missing: ${install}` };
}

/** Compiles a source tree with our own configuration. */
async function buildLibrary(source: string, variant: Variant, folder: string): Promise<Library> {
  const tree = mbedtlsTree(source, join(folder, "generated"));
  const configs = ["sealwire_mbedtls_config.h", "sealwire_mbedtls_crypto_config.h"].map((name) =>
    join(mbedtlsFolder, name),
  );
  const flags = [
    ...tree.includes.map((include) => `-I${include}`),
    `-DMBEDTLS_CONFIG_FILE="${configs[0]!}"`,
    `-DTF_PSA_CRYPTO_CONFIG_FILE="${configs[1]!}"`,
    "-DSEALWIRE_MBEDTLS_OWN",
    ...(variant.tls12 ? ["-DSEALWIRE_TLS12_ONLY"] : []),
    ...(variant.unwatched ? ["-DSEALWIRE_MEMORY_UNWATCHED"] : []),
    ...(variant.tlsInput ? [`-DSEALWIRE_TLS_INPUT=${variant.tlsInput}`] : []),
  ];
  const options = [
    `-m${variant.bits}`,
    // As on a chip where memory and stack are measured.
    variant.bits === 32 ? "-Os" : "-O2",
    "-g1",
    "-std=c99",
    "-D_GNU_SOURCE",
    "-fno-omit-frame-pointer",
    ...(isSanitized(variant) ? sanitizers : []),
    ...flags,
    ...tree.privateIncludes.map((include) => `-I${include}`),
  ];
  const objects = await compileAll(tree.sources, folder, options, Math.max(...configs.map(modified)));
  const archive = join(folder, "libmbedtls-own.a");
  if (modified(archive) < Math.max(...objects.map(modified))) {
    rmSync(archive, { force: true });
    await run("ar", ["rcs", archive, ...objects]);
  }
  return { flags, link: [archive] };
}
