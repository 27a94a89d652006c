/** `npm run build:xs`: compiles the engine and the host program. `-- --m32` for 32 bits, `-- --sanitize` for ASan and UBSan. */
import { execFile, execFileSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { engineSource } from "./engine-source.js";
import { cacheFolder, hostProgram, nativeFolder, root, type Variant, variantName } from "./paths.js";

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
    ...["sources", "includes", "platforms"].map((folder) => `-I${join(xs, folder)}`),
    `-I${nativeFolder}`,
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
  ...(variant.sanitize ? ["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"] : []),
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

const modified = (file: string): number => statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0;

/** Compiles `sources` into `folder`, those that changed, two at a time. @returns the object files */
async function compileAll(sources: string[], folder: string, options: string[], newest: number): Promise<string[]> {
  const todo = sources.map((source) => ({
    source,
    object: join(folder, `${source.replace(/^.*\//, "").replace(/\.c$/, "")}.o`),
  }));
  const stale = todo.filter(({ source, object }) => modified(object) < Math.max(modified(source), newest));
  const work = async (): Promise<void> => {
    for (let next = stale.pop(); next; next = stale.pop())
      await run("cc", [...options, "-c", next.source, "-o", next.object], { maxBuffer: 1 << 24 });
  };
  await Promise.all([work(), work()]);
  return todo.map(({ object }) => object);
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
  const engineFolder = join(folder, "engine");
  mkdirSync(engineFolder, { recursive: true });
  const platformHeader = join(nativeFolder, "xs-platform.h");
  const options = flags(variant, xs);
  const engine = await compileAll(
    sourcesIn(join(xs, "sources"), ".c"),
    engineFolder,
    [...options, "-w"],
    modified(platformHeader),
  );
  const headers = Math.max(...sourcesIn(nativeFolder, ".h").map(modified));
  const own = await compileAll(sourcesIn(nativeFolder, ".c"), folder, [...options, ...ownFlags(variant)], headers);
  const objects = [...own, ...engine];
  if (modified(program) < Math.max(...objects.map(modified)))
    await run("cc", [
      ...options,
      ...(variant.sanitize ? ["-fsanitize=address,undefined"] : []),
      "-rdynamic",
      ...objects,
      "-lm",
      "-ldl",
      "-lpthread",
      "-o",
      program,
    ]);
  copyDeclarations();
  return program;
}

/** Modules with native functions are JavaScript and pass the TypeScript compiler by. */
export function copyDeclarations(): void {
  const target = join(root, "dist", "hosts", "xs", "native");
  mkdirSync(target, { recursive: true });
  for (const file of sourcesIn(nativeFolder, ".js")) copyFileSync(file, join(target, file.replace(/^.*\//, "")));
}
