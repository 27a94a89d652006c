/** Where things lie in a source tree of Mbed TLS: 2.28 and 3.6 are one library, 4.0 has its cryptography (TF-PSA-Crypto) in a folder of its own. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";

export interface MbedTLSTree {
  readonly sources: readonly string[];
  /** For who uses the library. */
  readonly includes: readonly string[];
  /** For its own sources. */
  readonly privateIncludes: readonly string[];
}

const sourcesIn = (folder: string): string[] =>
  readdirSync(folder)
    .filter((file) => file.endsWith(".c"))
    .map((file) => join(folder, file));

/**
 * @param source the folder of a release, or a checkout of 4.0 with its submodules
 * @param generated a folder for what a checkout lacks, and a release has
 * @throws Error when it is no such tree, or is not complete
 */
export function mbedtlsTree(source: string, generated: string): MbedTLSTree {
  const library = join(source, "library");
  const crypto = join(source, "tf-psa-crypto");
  if (!existsSync(join(library, "ssl_tls.c"))) throw new Error(`${source} is no source tree of Mbed TLS.`);
  if (existsSync(join(library, "aes.c")))
    return { sources: sourcesIn(library), includes: [join(source, "include")], privateIncludes: [library] };
  const core = join(crypto, "core");
  const builtin = join(crypto, "drivers", "builtin");
  if (!existsSync(join(core, "psa_crypto.c")))
    throw new Error(
      `${source} lacks TF-PSA-Crypto: take a release of Mbed TLS, or the submodules (git submodule update --init --recursive).`,
    );
  const isComplete =
    existsSync(join(core, "psa_crypto_driver_wrappers.h")) && existsSync(join(library, "mbedtls_config_check_user.h"));
  if (!isComplete) generate(source, crypto, generated);
  const folders = [library, core, join(builtin, "src"), ...(isComplete ? [] : [generated])];
  return {
    sources: folders.flatMap(sourcesIn),
    includes: [join(source, "include"), join(crypto, "include"), join(builtin, "include")],
    privateIncludes: folders,
  };
}

/** By the tree's own scripts: the wrappers of drivers, and checks of the configuration. Texts of errors are not needed. */
function generate(source: string, crypto: string, target: string): void {
  mkdirSync(target, { recursive: true });
  if (
    existsSync(join(target, "psa_crypto_driver_wrappers.h")) &&
    existsSync(join(target, "mbedtls_config_check_user.h"))
  )
    return;
  for (const [folder, script] of [
    [crypto, "generate_driver_wrappers.py"],
    [crypto, "generate_config_checks.py"],
    [source, "generate_config_checks.py"],
  ] as const)
    try {
      execFileSync("python3", [join("scripts", script), target], { cwd: folder, stdio: "pipe" });
    } catch (error) {
      const { message, stderr } = error as Error & { stderr?: Buffer };
      const reason = stderr?.toString().trim().split("\n").at(-1) || message;
      throw new Error(
        `${source} is a checkout, and ${script} failed, which makes a part of it (${reason}). It wants python3 with jinja2 and ` +
          "jsonschema, and the framework in both of its places; a release has everything.",
        { cause: error },
      );
    }
}
