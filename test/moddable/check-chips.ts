/**
 * Every example for the chips, as far as a desktop without their tools can go: the SDK resolves the manifests, compiles every module, runs those
 * that are preloaded, and links all of it to the C source that would be compiled for the chip. What follows needs Espressif's tools.
 */
import { execFile } from "node:child_process";
import { mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { packageFolder } from "../../tools/paths.js";
import type { SDK } from "../../tools/moddable/sdk.js";
import { chipHeap, esp8266 } from "../../tools/xs/chips.js";
import { examples } from "./check-examples.js";
import { type CheckContext, want } from "./check-step.js";

const run = promisify(execFile);

interface Chip {
  readonly platform: string;
  /** Where the SDK puts what it builds. */
  readonly folder: string;
  /** What the makefile looks for before it does anything: none of it is used. */
  readonly absent: (folder: string) => string[];
}

const esp32 = (folder: string): string[] => [`IDF_PATH=${folder}`, "IDF_VERSION=v6.0", "SDKCONFIG_H="];

const nvs = "hosts/esp32/nvs-encryption";

/** Of chunks and slots, initial and incremental: as `--static` of the XS host has them. */
const steps = "1536 512 512 64";

const chips: readonly Chip[] = [
  { platform: "esp32/nodemcu", folder: "esp32/nodemcu/release", absent: esp32 },
  { platform: "esp32/esp32c3", folder: "esp32/esp32c3/release", absent: esp32 },
  {
    platform: "esp",
    folder: "esp/release",
    absent: (folder) =>
      ["ESP_BASE", "ARDUINO_ROOT", "ESPRESSIF_SDK_ROOT", "TOOLS_ROOT"].map((name) => `${name}=${folder}`),
  },
];

/** What an app may include beside, for an ESP32. */
const fragments = ["hmac", "flash-encryption"];

export async function checkChips(context: CheckContext): Promise<void> {
  const { sdk, output, say } = context;
  for (const fragment of fragments) await checkFragment(context, fragment);
  for (const chip of chips)
    for (const name of examples()) {
      const begin = performance.now();
      const linked = await link(sdk, output, chip, name);
      want(statSync(linked).size > 0, `${name} for ${chip.platform}: the linker wrote nothing.`, []);
      if (chip.platform === "esp") checkHeapOf(join(output, "tmp", chip.folder, name, "makefile"), name);
      const seconds = ((performance.now() - begin) / 1000).toFixed(0);
      const tables = tableBytes(readFileSync(linked, "utf8")).toLocaleString("en");
      say(
        `  ${name} for ${chip.platform}: up to the chip's compiler, ${seconds} s; the engine's tables in RAM ${tables} bytes`,
      );
    }
}

/** An app's manifest, with a line more, gives ESP-IDF the configuration of that line. */
async function checkFragment({ sdk, output, say }: CheckContext, fragment: string): Promise<void> {
  const name = `nvs-${fragment}`;
  const folder = join(output, name);
  const path = (file: string): string => join(packageFolder, file);
  const include = [
    "$(MODDABLE)/examples/manifest_base.json",
    path("manifest.json"),
    path(`${nvs}/${fragment}/manifest.json`),
  ];
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "main.js"), "");
  writeFileSync(join(folder, "manifest.json"), JSON.stringify({ include, modules: { "*": "./main" } }));
  const options = { env: sdk.environment, cwd: output, maxBuffer: 1 << 26 };
  await run("mcconfig", ["-p", "esp32/nodemcu", "-o", output, join(folder, "manifest.json")], options);
  // The SDK's own lines with those of the app over them.
  const merged = join(output, "tmp/esp32/nodemcu/release", name, "xsProj-esp32", "sdkconfig.mc");
  const configuration = readFileSync(merged, "utf8");
  want(/^CONFIG_NVS_ENCRYPTION=y$/m.test(configuration), `${name}: the SDK did not take its configuration.`, []);
  say(`  NVS encryption by ${fragment}: in the configuration for ESP-IDF`);
}

/** The heap is that of `npm run budget`, and grows in the steps of the XS host. */
function checkHeapOf(makefile: string, name: string): void {
  const creation = /^CREATION = -c (.*)$/m.exec(readFileSync(makefile, "utf8"))?.[1] ?? "";
  const [chunk, chunkStep, slots, slotStep, stack] = creation.split(",").map(Number);
  const heap = chipHeap(esp8266);
  const found = { static: Number(creation.split(",")[11]), stack: stack! };
  want(
    found.static === heap.static &&
      found.stack === heap.stack &&
      `${chunk} ${chunkStep} ${slots} ${slotStep}` === steps,
    `${name} for esp has another heap than the one that was measured: ${creation}.`,
    [],
  );
}

/**
 * What the engine allocates beside its heap, a pointer each: the first new names, the tables of names and symbols, and one for each object and
 * variable that was preloaded and can be changed.
 */
function tableBytes(linked: string): number {
  const [, changeable, creation] = /gxScripts,\n\t(\d+),\n\t\{([\d, ]+)\}/.exec(linked) ?? [];
  want(changeable !== undefined, "The linker's output has no table of the changeable.", []);
  const [, , , , , keys, , names, symbols] = creation!.split(",").map(Number);
  return 4 * (Number(changeable) + keys! + names! + symbols!);
}

/** @returns the C source with all modules in it */
async function link(sdk: SDK, output: string, { platform, folder, absent }: Chip, name: string): Promise<string> {
  const manifest = join(packageFolder, "examples", name, "manifest.json");
  // The manifest for the ESP8266 takes the sources of Mbed TLS from there: any folder does when none of them is compiled.
  const environment = { ...sdk.environment, MBEDTLS: sdk.environment["MBEDTLS"]?.split(":")[0] ?? standIn(output) };
  const options = { env: environment, cwd: output, maxBuffer: 1 << 26 };
  const build = join(output, "tmp", folder, name);
  try {
    await run("mcconfig", ["-p", platform, "-o", output, manifest], options);
    const target = join(build, "mc.xs.c");
    await run("make", ["-f", join(build, "makefile"), ...absent(output), target], options);
    return target;
  } catch (error) {
    const { stdout = "", stderr = "", message } = error as Error & { stdout?: string; stderr?: string };
    const lines = `${stdout}${stderr}`.split("\n").filter((line) => line !== "" && !line.startsWith("### warning"));
    throw new Error(`${name} for ${platform}:\n${lines.slice(-20).join("\n") || message}`, { cause: error });
  }
}

function standIn(output: string): string {
  const folder = join(output, "no-mbedtls");
  mkdirSync(join(folder, "library"), { recursive: true });
  return folder;
}
