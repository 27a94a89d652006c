/**
 * What TLS takes of an ESP8266 before it allocates anything: all of hosts/mbedtls and Mbed TLS, compiled with the very flags of the manifest, and linked as far as dropping
 * what nobody calls. Constants lie in RAM on that chip, but for the tables that the manifest moves to flash.
 */
import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { promisify } from "node:util";
import { packageFolder } from "../paths.js";
import { esp8266, esp8266Constants } from "../xs/chips.js";

const run = promisify(execFile);
const tool = (name: string): string => `xtensa-lx106-elf-${name}`;
const maxBuffer = 1 << 26;
/** Moves bytes out of words: what lies in flash can be read by words alone. */
const byWords = "-mforce-l32";

export interface ESP8266Memory {
  /** Constants and variables. */
  readonly ram: number;
  /** Constants that were moved to flash. */
  readonly tables: number;
  readonly code: number;
}

/**
 * @param tree source tree of Mbed TLS 3.6
 * @param system flags for the headers of the chip's SDK
 * @param sources of our own
 * @returns a line for a person @throws Error when a compiler fails, or when more RAM is taken than the budget puts aside
 */
export async function checkESP8266Memory(
  tree: string,
  system: readonly string[],
  sources: readonly string[],
): Promise<string> {
  const flags = manifestFlags(tree);
  const all = [...sources, ...filesIn(join(tree, "library"))];
  const { ram, tables, code } = await measure(all, [...flags, ...system]);
  const plain = await measure(all, [...flags.filter((flag) => flag !== byWords), ...system]);
  if (!(ram <= esp8266Constants))
    throw new Error(
      `TLS takes ${ram} bytes of an ESP8266's RAM before it begins; the budget puts ${esp8266Constants} aside.`,
    );
  const figure = (bytes: number): string => bytes.toLocaleString("en");
  return (
    `ESP8266, all of TLS with ${basename(tree)}: ${figure(ram)} bytes of constants and variables in RAM, ${figure(tables)} of tables in flash, ` +
    `${figure(code)} of code (${figure(plain.code)} without ${byWords}, which the tables rely on)`
  );
}

const filesIn = (folder: string): string[] =>
  readdirSync(folder)
    .filter((name) => name.endsWith(".c"))
    .map((name) => join(folder, name));

/** As the SDK's makefile would have them. */
function manifestFlags(tree: string): string[] {
  const { build } = JSON.parse(readFileSync(join(packageFolder, esp8266.manifest), "utf8")) as {
    build: Readonly<Record<string, string>>;
  };
  const variables: Readonly<Record<string, string>> = {
    MBEDTLS: tree,
    SEALWIRE_FLASH_TABLES: join(packageFolder, esp8266.manifest, "..", build["SEALWIRE_FLASH_TABLES"]!),
  };
  const flags = build["C_FLAGS"]!.replace(/\$\((\w+)\)/g, (_, name: string) => variables[name] ?? "").replaceAll(
    "'",
    "",
  );
  return flags.split(" ").filter((flag) => !["-g", "-MMD", "-Wl,-EL"].includes(flag));
}

async function measure(sources: readonly string[], flags: readonly string[]): Promise<ESP8266Memory> {
  const folder = mkdtempSync(join(tmpdir(), "sealwire-esp8266-"));
  try {
    const objects = sources.map((source) => join(folder, `${basename(source)}.o`));
    const waiting = sources.map((source, i) => [
      ...flags,
      "-I",
      join(packageFolder, "hosts/mbedtls"),
      source,
      "-o",
      objects[i]!,
    ]);
    const worker = async (): Promise<void> => {
      for (let parameters = waiting.pop(); parameters; parameters = waiting.pop())
        await run(tool("gcc"), parameters, { maxBuffer });
    };
    await Promise.all([worker(), worker()]);
    const { stdout: symbols } = await run(tool("nm"), objects, { maxBuffer });
    // What JavaScript calls.
    const roots = [...symbols.matchAll(/ T (xs_\w+)$/gm)].flatMap(([, name]) => ["-u", name!]);
    const linked = join(folder, "all.o");
    await run(tool("ld"), ["-r", "--gc-sections", "-e", "xs_tls", ...roots, "-o", linked, ...objects], { maxBuffer });
    return sizesOf((await run(tool("size"), ["-A", linked], { maxBuffer })).stdout);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function sizesOf(sections: string): ESP8266Memory {
  const sum = (pattern: RegExp): number =>
    [...sections.matchAll(/^(\.\S+) +(\d+)/gm)].reduce(
      (all, [, name, size]) => all + (pattern.test(name!) ? Number(size) : 0),
      0,
    );
  return { ram: sum(/^\.(rodata|data|bss)/), tables: sum(/^\.irom0\.str/), code: sum(/^\.(text|literal)/) };
}
