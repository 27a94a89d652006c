/**
 * Compiles the native code for the chips as far as a desktop can: as 32-bit objects with every warning an error, and as objects for the
 * ESP8266's processor where Debian's cross compiler is installed. Nothing is linked.
 */
import { execFile, execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { promisify } from "node:util";
import { packageFolder } from "../paths.js";
import type { SDK } from "./sdk.js";

const run = promisify(execFile);
const xtensa = "xtensa-lx106-elf-gcc";

interface Target {
  readonly name: string;
  readonly compiler: string;
  readonly flags: readonly string[];
  /** Source tree of Mbed TLS; the system's headers when left out. */
  readonly tree?: string | undefined;
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
  const strict = ["-Os", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-DINCLUDE_XSPLATFORM=1"];
  const glib = execFileSync("pkg-config", ["--cflags", "gio-2.0"], { encoding: "utf8" }).trim().split(/\s+/);
  const desktop = ["-m32", ...strict, '-DXSPLATFORM="lin_xs.h"', ...glib, ...engine];
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
  if (!has(xtensa))
    lines.push(`${xtensa} is not installed (sudo apt-get install gcc-xtensa-lx106): nothing compiled for it`);
  else if (trees.length === 0)
    lines.push("the environment variable MBEDTLS names no source tree: nothing compiled for the ESP8266");
  else {
    const chip = join(packageFolder, "hosts", "esp8266", "check");
    const flags = ["-mforce-l32", "-mlongcalls", "-mtext-section-literals", "-ffunction-sections", ...strict];
    for (const tree of trees.filter((each) => !is4(each)))
      lines.push(
        await compile({
          name: `ESP8266, ${basename(tree)}`,
          compiler: xtensa,
          flags: [...flags, '-DXSPLATFORM="check_xs.h"', "-I", chip, ...engine],
          tree,
        }),
      );
  }
  return lines;
}

/** From the environment variable MBEDTLS: folders, with colons between them. */
function namedTrees(): string[] {
  return (process.env["MBEDTLS"] ?? "").split(":").filter((folder) => existsSync(join(folder, "include", "mbedtls")));
}

function has(program: string): boolean {
  try {
    execFileSync(program, ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

const is4 = (tree: string): boolean => existsSync(join(tree, "tf-psa-crypto"));

function treeFlags(tree: string | undefined): string[] {
  if (tree === undefined) return [];
  const includes = ["include", "tf-psa-crypto/include", "tf-psa-crypto/drivers/builtin/include"]
    .map((name) => join(tree, name))
    .filter(existsSync)
    .flatMap((folder) => ["-isystem", folder]);
  // 4.0 splits its configuration in two files: its default is enough to see whether the API is there.
  if (is4(tree)) return includes;
  return [...includes, "-I", join(packageFolder, "hosts", "mbedtls"), '-DMBEDTLS_CONFIG_FILE="mbedtls_config.h"'];
}

async function compile({ name, compiler, flags, tree }: Target): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "sealwire-natives-"));
  try {
    const objects: string[] = [];
    for (const source of sources()) {
      const object = join(folder, `${basename(source)}.o`);
      await run(compiler, ["-c", ...treeFlags(tree), ...flags, source, "-o", object], { maxBuffer: 1 << 24 }).catch(
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
