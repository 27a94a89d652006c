/** AES-GCM of the XS host against the library that it links, called from C alone. */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { mbedtlsLibrary } from "../../tools/xs/mbedtls-library.js";
import { cacheFolder, mbedtlsFolder, nativeFolder, root, type Variant, variantName } from "../../tools/xs/paths.js";
import { runOnXS } from "../../tools/xs/run.js";
import { round, type Spread, spreadOf } from "../statistics.js";

const run = promisify(execFile);

export interface AESCase {
  /** Bytes of a message. */
  readonly size: number;
  /** Megabytes (10^6 bytes) for each second of processor time. */
  readonly xs: Spread;
  readonly library: Spread;
  readonly ratio: number;
}

/** Milliseconds of processor time for one measurement. */
const limit = 300;

/** Compiles the loop that calls the library, with what the library wants of the host. */
export async function buildLibraryLoop(variant: Variant, folder: string): Promise<string> {
  const library = await mbedtlsLibrary(variant, join(cacheFolder, variantName(variant), "library"));
  if ("reason" in library) throw new Error(`There is no Mbed TLS to compare with: ${library.reason}`);
  const program = join(folder, "aes-gcm");
  const sources = [
    join(root, "bench", "xs", "aes-gcm.c"),
    ...["memory.c", "random.c"].map((file) => join(mbedtlsFolder, file)),
    join(nativeFolder, "mbedtls-port.c"),
  ];
  const includes = [nativeFolder, mbedtlsFolder].map((path) => `-I${path}`);
  await run("cc", [
    `-m${variant.bits}`,
    "-O2",
    "-D_GNU_SOURCE",
    ...includes,
    ...library.flags,
    ...sources,
    ...library.link,
    "-o",
    program,
  ]);
  return program;
}

export async function measureAES(
  folder: string,
  module: string,
  variant: Variant,
  program: string,
  size: number,
  runs: number,
): Promise<AESCase> {
  const xs: number[] = [];
  const library: number[] = [];
  // In turn, so that what else the machine does hits both.
  for (let i = 0; i < runs; i++) {
    const { exitCode, output, errors } = await runOnXS(module, [join(folder, "aes"), String(size), String(limit)], {
      variant,
    });
    if (exitCode !== 0) throw new Error(`AES-GCM on XS ended with ${exitCode}: ${output}${errors}`);
    xs.push(Number(output) / 1e6);
    library.push(Number((await run(program, [String(size), String(limit)])).stdout) / 1e6);
  }
  const spread = (values: readonly number[]): Spread => {
    const { median, lowest, highest } = spreadOf(values);
    return { median: round(median, 2), lowest: round(lowest, 2), highest: round(highest, 2) };
  };
  return {
    size,
    xs: spread(xs),
    library: spread(library),
    ratio: round(spreadOf(xs).median / spreadOf(library).median, 2),
  };
}
