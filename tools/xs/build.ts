/**
 * `npm run build:xs`: compiles the engine and the host program. `-- --m32` for 32 bits, `-- --sanitize` for ASan and UBSan,
 * `-- --mbedtls DIR` for a source tree of Mbed TLS, `-- --tls12` for one without TLS 1.3.
 */
import { execFile, execFileSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { compileAll, modified } from "./compile.js";
import { engineSource } from "./engine-source.js";
import { type Library, mbedtlsLibrary } from "./mbedtls-library.js";
import {
  chosenMbedTLS,
  cacheFolder,
  hostProgram,
  isSanitized,
  mbedtlsFolder,
  nativeFolder,
  root,
  type Variant,
  variantName,
} from "./paths.js";

const run = promisify(execFile);

/** What the machine lacks, and how to install it. */
export class MissingCompiler extends Error {}

const features = [
  "-DINCLUDE_XSPLATFORM",
  '-DXSPLATFORM="xs-platform.h"',
  "-DmxParse=1",
  "-DmxRun=1",
  "-DmxDebug=1",
  "-DmxNoConsole=1",
  "-DmxBoundsCheck=1",
  "-DmxRegExpUnicodePropertyEscapes=1",
  "-DmxStringNormalize=1",
  "-DmxMinusZero=1",
];

function flags(variant: Variant, xs: string): string[] {
  return [
    `-m${variant.bits}`,
    "-O2",
    "-g1",
    "-fno-strict-aliasing",
    "-fno-omit-frame-pointer",
    ...features,
    "-DSEALWIRE_MEMORY_FAULTS",
    ...["sources", "includes", "platforms"].map((folder) => `-I${join(xs, folder)}`),
    `-I${nativeFolder}`,
    `-I${mbedtlsFolder}`,
  ];
}

/**
 * The engine reads strings a word at a time, beyond their end, and keeps its heap in one block: the sanitizers watch the host's own
 * sources, and what the engine hands to the C library.
 */
const ownFlags = (variant: Variant): string[] => [
  "-std=gnu17",
  "-Wall",
  "-Wextra",
  "-Werror",
  ...(isSanitized(variant) ? ["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"] : []),
];

/** @throws MissingCompiler */
export function checkCompiler(variant: Variant): void {
  const probe = join(cacheFolder, `probe-${process.pid}`);
  mkdirSync(cacheFolder, { recursive: true });
  writeFileSync(`${probe}.c`, '#include <stdio.h>\nint main(void) { return puts("") < 0; }\n');
  const compile = (bits: number): boolean => {
    try {
      execFileSync("cc", [`-m${bits}`, `${probe}.c`, "-o", probe], { stdio: "ignore" });
      return true;
    } catch {
      return false;
    }
  };
  try {
    if (!compile(64)) throw new MissingCompiler("There is no C compiler. Install one: apt install gcc libc6-dev");
    if (variant.bits === 32 && !compile(32))
      throw new MissingCompiler(
        "The C compiler cannot build for 32 bits. Install what it lacks: apt install gcc-multilib",
      );
  } finally {
    for (const file of [`${probe}.c`, probe]) if (existsSync(file)) execFileSync("rm", [file]);
  }
}

const sourcesIn = (folder: string, ending: string): string[] =>
  readdirSync(folder)
    .filter((file) => file.endsWith(ending))
    .map((file) => join(folder, file));

/** Builds what is not up to date. @returns the host program */
export async function buildHost(variant: Variant): Promise<string> {
  checkCompiler(variant);
  const xs = engineSource();
  const program = hostProgram(variant);
  const folder = join(cacheFolder, variantName(variant));
  const options = flags(variant, xs);
  const engine = await compileAll(
    sourcesIn(join(xs, "sources"), ".c"),
    join(folder, "engine"),
    [...options, "-w"],
    modified(join(nativeFolder, "xs-platform.h")),
  );
  const library = await mbedtlsLibrary(variant, join(folder, "library"));
  if ("reason" in library) {
    const message = `The XS host is built without TLS and cryptography: ${library.reason}`;
    if (chosenMbedTLS(variant) !== "none" && process.env["SEALWIRE_NO_SKIP"] === "1")
      throw new MissingCompiler(message);
    console.error(message);
  }
  const ownOptions = [...options, ...ownFlags(variant), ...("flags" in library ? library.flags : [])];
  const headers = Math.max(...[nativeFolder, mbedtlsFolder].flatMap((from) => sourcesIn(from, ".h")).map(modified));
  const native = sourcesIn(nativeFolder, ".c");
  const own = await compileAll(native, join(folder, "native"), ownOptions, headers);
  const mbedtls = await compileAll(mbedtlsSources(library), join(folder, "mbedtls"), ownOptions, headers);
  await link(program, [...own, ...mbedtls, ...engine], "link" in library ? library.link : [], variant, options);
  copyDeclarations();
  return program;
}

/** The natives of hosts/mbedtls, or what stands for them where there is no library. */
function mbedtlsSources(library: Library | { reason: string }): string[] {
  const absent = join(mbedtlsFolder, "absent.c");
  return "reason" in library ? [absent] : sourcesIn(mbedtlsFolder, ".c").filter((file) => file !== absent);
}

async function link(
  program: string,
  objects: string[],
  libraries: readonly string[],
  variant: Variant,
  options: string[],
): Promise<void> {
  const parameters = [
    ...options,
    ...(isSanitized(variant) ? ["-fsanitize=address,undefined"] : []),
    "-rdynamic",
    ...objects,
    ...libraries,
    "-lm",
    "-ldl",
    "-lpthread",
  ];
  const stamp = `${program}.options`;
  const text = parameters.join("\n");
  const files = [...objects, ...libraries];
  const before = existsSync(stamp) ? readFileSync(stamp, "utf8") : "";
  if (before === text && modified(program) >= Math.max(...files.map(modified))) return;
  // Under another name first: an interrupted link must not leave half a program that counts as up to date.
  const unfinished = `${program}.${process.pid}.tmp`;
  try {
    await run("cc", [...parameters, "-o", unfinished], { maxBuffer: 1 << 24 });
    renameSync(unfinished, program);
  } finally {
    rmSync(unfinished, { force: true });
  }
  writeFileSync(stamp, text);
}

/** Modules with native functions are JavaScript and pass the TypeScript compiler by. */
export function copyDeclarations(): void {
  for (const [from, ...to] of [
    [nativeFolder, "xs", "native"],
    [mbedtlsFolder, "mbedtls"],
  ] as const) {
    const target = join(root, "dist", "hosts", ...to);
    mkdirSync(target, { recursive: true });
    for (const file of sourcesIn(from, ".js")) copyFileSync(file, join(target, file.replace(/^.*\//, "")));
  }
}
