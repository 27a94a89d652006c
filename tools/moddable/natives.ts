/**
 * Compiles the native code for the chips as far as a desktop can: as 32-bit objects with every warning an error, and as objects for the
 * ESP8266's processor where Debian's cross compiler is installed. Nothing is linked.
 */
import { execFile, execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { promisify } from "node:util";
import { packageFolder } from "../paths.js";
import { checkESP8266Memory } from "./esp8266-memory.js";
import { mbedtlsTree } from "../xs/mbedtls-tree.js";
import type { SDK } from "./sdk.js";

const run = promisify(execFile);
const xtensa = "xtensa-lx106-elf-gcc";

interface Target {
  readonly name: string;
  readonly compiler: string;
  readonly flags: readonly string[];
  /** Source tree of Mbed TLS; the system's headers when left out. */
  readonly tree?: string | undefined;
  /** Those of hosts/mbedtls when left out. */
  readonly files?: readonly string[] | undefined;
}

/** The sources of hosts/mbedtls that a device is built from. */
function sources(): string[] {
  const folder = join(packageFolder, "hosts", "mbedtls");
  return readdirSync(folder)
    .filter((name) => name.endsWith(".c") && name !== "absent.c")
    .map((name) => join(folder, name));
}

/**
 * @param sdk its headers of the engine are compiled against
 * @param trees source trees of Mbed TLS beside the system's library
 * @returns a line for each combination @throws Error with what the compiler said
 */
export async function checkNatives(sdk: SDK, trees: readonly string[] = namedTrees()): Promise<string[]> {
  const engine = ["includes", "platforms", "sources"].flatMap((name) => ["-I", join(sdk.folder, "xs", name)]);
  const strict = ["-Os", "-std=gnu11", "-Wall", "-Wextra", "-Werror"];
  const glib = execFileSync("pkg-config", ["--cflags", "gio-2.0"], { encoding: "utf8" }).trim().split(/\s+/);
  const desktop = ["-m32", ...strict, "-DINCLUDE_XSPLATFORM=1", '-DXSPLATFORM="lin_xs.h"', ...glib, ...engine];
  const lines: string[] = [];
  for (const tree of [undefined, ...trees])
    lines.push(
      await compile({
        name: `32-bit, ${tree ? basename(tree) : "system's Mbed TLS"}`,
        compiler: "cc",
        flags: desktop,
        tree,
      }),
    );
  const chip = esp8266(sdk);
  if (!has(xtensa))
    lines.push(`${xtensa} is not installed (sudo apt-get install gcc-xtensa-lx106): nothing compiled for it`);
  else if (chip === undefined)
    lines.push(
      "the environment variable ESP_BASE names no tools for the ESP8266, and so no C library: nothing compiled for it",
    );
  else {
    const code = ["-mforce-l32", "-mlongcalls", "-mtext-section-literals", "-ffunction-sections", "-fdata-sections"];
    const flags = [...code, ...strict, ...chip.flags];
    for (const tree of trees)
      lines.push(
        await compile({
          name: `ESP8266, ${basename(tree)}`,
          compiler: xtensa,
          flags: [...flags, "-DSEALWIRE_TLS12_ONLY"],
          tree,
        }),
      );
    lines.push(await compile({ name: "ESP8266, its own", compiler: xtensa, flags, files: chip.files }));
    // The version that its guide names.
    const tree = trees.find((folder) => isVersion(folder, 3));
    if (tree) lines.push(await checkESP8266Memory(tree, chip.flags, [...sources(), ...chip.files!]));
  }
  return lines;
}

/** From the environment variable MBEDTLS: folders, with colons between them. */
function namedTrees(): string[] {
  return (process.env["MBEDTLS"] ?? "").split(":").filter((folder) => existsSync(join(folder, "include", "mbedtls")));
}

function isVersion(tree: string, major: number): boolean {
  const file = join(tree, "include", "mbedtls", "build_info.h");
  return existsSync(file) && readFileSync(file, "utf8").includes(`#define MBEDTLS_VERSION_MAJOR  ${major}`);
}

function has(program: string): boolean {
  try {
    execFileSync(program, ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

function treeFlags(tree: string | undefined, generated: string): string[] {
  if (tree === undefined) return [];
  const includes = mbedtlsTree(tree, generated).includes.flatMap((folder) => ["-isystem", folder]);
  const configurations = [
    '-DMBEDTLS_CONFIG_FILE="sealwire_mbedtls_config.h"',
    '-DTF_PSA_CRYPTO_CONFIG_FILE="sealwire_mbedtls_crypto_config.h"',
  ];
  return [...includes, "-I", join(packageFolder, "hosts", "mbedtls"), ...configurations, "-DSEALWIRE_MBEDTLS_OWN"];
}

/**
 * The ESP8266's own native code, and the flags for all of it: the headers that the Moddable SDK wants in `ESP_BASE` (Arduino core 2.3.0, Espressif's RTOS SDK 3.2 for its C library).
 * @returns `undefined` when they are not there
 */
function esp8266(sdk: SDK): Pick<Target, "flags" | "files"> | undefined {
  const base = process.env["ESP_BASE"] ?? "";
  const core = join(base, "esp8266-2.3.0");
  const headers = join(core, "tools/sdk/include");
  if (base === "" || !existsSync(join(headers, "user_interface.h"))) return undefined;
  const system = [
    headers,
    join(core, "tools/sdk/lwip/include"),
    join(core, "cores/esp8266"),
    join(core, "variants/generic"),
    join(base, "ESP8266_RTOS_SDK/components/newlib/newlib/include"),
    join(sdk.folder, "build/devices/esp"),
    join(sdk.folder, "build/devices/esp/lib/rtc"),
    ...["includes", "platforms/esp", "platforms/mc", "sources"].map((name) => join(sdk.folder, "xs", name)),
  ];
  const defines = [
    "-D__ets__",
    "-DICACHE_FLASH",
    "-U__STRICT_ANSI__",
    "-DESP8266",
    "-DARDUINO=10605",
    "-DkESP8266Version=23",
  ];
  const folder = join(packageFolder, "hosts/esp8266/native");
  return {
    flags: [
      ...defines,
      ...system.flatMap((each) => ["-isystem", each]),
      "-I",
      join(packageFolder, "hosts/moddable/chip"),
    ],
    files: ["chip.c", "retained.c"].map((name) => join(folder, name)),
  };
}

async function compile({ name, compiler, flags, tree, files = sources() }: Target): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "sealwire-natives-"));
  try {
    const objects: string[] = [];
    const library = treeFlags(tree, join(folder, "generated"));
    for (const source of files) {
      const object = join(folder, `${basename(source)}.o`);
      await run(compiler, ["-c", ...library, ...flags, source, "-o", object], { maxBuffer: 1 << 24 }).catch(
        (error: unknown) => {
          throw new Error(`${name}: ${(error as { stderr?: string }).stderr ?? String(error)}`);
        },
      );
      objects.push(object);
    }
    const sizes = await run(compiler === xtensa ? "xtensa-lx106-elf-size" : "size", ["-t", ...objects]);
    const [code, data, bss] = sizes.stdout.trim().split("\n").pop()!.trim().split(/\s+/);
    return `${name}: ${objects.length} files, ${code!} bytes of code and constants, ${data!} of data, ${bss!} of zeroed data`;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
