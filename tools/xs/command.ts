/** `sealwire xs run`: a compiled firmware on the XS host. */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { Command } from "commander";
import { CommandFailure, type ExitCode, exitCodes, usageFailure } from "../failure.js";
import { buildHost, MissingCompiler } from "./build.js";
import { chipHeap, type ChipProfile, esp8266 } from "./chips.js";
import { preloadOptions } from "./manifest.js";
import { hostProgram, type Variant } from "./paths.js";
import { mapOptions } from "./run.js";

interface RunArguments {
  readonly static?: string;
  readonly stack?: string;
  readonly native?: string;
  readonly profile?: string;
  readonly bits: string;
  readonly device?: string;
  readonly settings?: string;
  readonly map: readonly string[];
  readonly preload: readonly string[];
  readonly heap?: boolean;
  readonly wakes: string;
  readonly xsbug?: string;
  readonly sanitize?: boolean;
}

const description = [
  "Runs a compiled firmware on the engine that runs on the chip, with a heap of the chip's size. The host program is compiled when it is first " +
    "needed: that takes a C compiler.",
  "The modules of sealwire are preloaded, as its manifest says, and so lie in flash. sealwire/host is the XS host. Everything else is imported as " +
    "on a chip, with --map for bare names.",
].join("\n\n");

const more = `
Exit codes: those of the firmware. 80 and 81 are a deep sleep and a restart; 70 to 77 say why it failed, with one sentence on standard error,
which names file and line of the TypeScript source: an exception (70) or rejection (71) that nobody handled, a full heap (72) or stack (73), a
missing module (74), a syntax error (75), a change of what lies in flash (76), another failure of the engine (77).

Examples:
  sealwire xs run dist/app.js --static 32768 --heap       in the heap of an ESP8266
  sealwire xs run dist/app.js --profile esp8266           with TLS capped at what the chip has beside that heap
  sealwire xs run dist/app.js --device ./mydevice --wakes 5   through four deep sleeps, with what outlives them in ./mydevice
  sealwire xs run dist/app.js --settings '{"hosts":{"broker.local":"127.0.0.1"}}'
  sealwire xs run dist/app.js --xsbug localhost:5002      under the debugger`;

const collect = (value: string, all: readonly string[]): string[] => [...all, value];

/** Adds the commands. @param ended takes the exit code */
export function addXS(program: Command, ended: (exitCode: ExitCode) => void): void {
  program
    .command("xs")
    .summary("run a firmware on the XS engine")
    .description("Works with the host on the XS engine.")
    .helpOption("-h, --help", "print this help")
    .command("run <module> [arguments...]")
    .summary("run a compiled firmware")
    .description(description)
    .helpOption("-h, --help", "print this help")
    .option("--static <bytes>", "size of the heap, as on a chip (default: as much as it takes)")
    .option("--stack <slots>", "size of the JavaScript stack (default: 256 with --static, as on an ESP8266)")
    .option("--native <bytes>", "hard cap for what TLS and cryptography allocate beside the heap")
    .option(
      "--profile <chip>",
      `esp8266: the heap and stack of that chip's manifest, and ${esp8266.bytes} bytes for heap and native memory together, as are left beside Wi-Fi and lwIP`,
    )
    .option("--bits <32|64>", "32: figures as on a chip; 64: needs no gcc-multilib", "32")
    .option(
      "--device <folder>",
      "what outlives the process: storage, RTC memory, MAC address (default: a temporary one)",
    )
    .option(
      "--settings <json>",
      "options of createPlatform: hosts, wakeCause, retainedBytes, storage, counter, networkUp",
    )
    .option(
      "--map <name=path>",
      "the file that a bare import means; name/* for a folder (repeat as needed)",
      collect,
      [],
    )
    .option("--preload <module>", "also lies in flash, with what it makes (repeat as needed)", collect, [])
    .option("--heap", "print what the heap holds at the end")
    .option("--wakes <count>", "start again after a deep sleep or restart, up to so many starts", "1")
    .option("--xsbug <host:port>", "attach the debugger xsbug")
    .option("--sanitize", "under AddressSanitizer and UndefinedBehaviorSanitizer (64 bits)")
    .addHelpText("after", more)
    .action(async (module: string, parameters: string[], given: RunArguments) => {
      ended((await runFirmware(module, parameters, given)) as ExitCode);
    });
}

/** @returns the exit code of the last start */
async function runFirmware(module: string, parameters: readonly string[], given: RunArguments): Promise<number> {
  const wakes = wholeNumber("--wakes", given.wakes);
  const variant: Variant = { bits: bitsOf(given), sanitize: given.sanitize === true };
  if (!module.endsWith(".js"))
    throw usageFailure(`${module} is not compiled JavaScript: compile it, with npx tsc say, and name the .js file.`);
  if (statSync(module, { throwIfNoEntry: false }) === undefined) throw usageFailure(`There is no file ${module}.`);
  const host = hostOptions(given);
  try {
    await buildHost(variant);
  } catch (error) {
    if (error instanceof MissingCompiler)
      throw new CommandFailure(exitCodes.environment, "UNSUPPORTED", error.message, { cause: error });
    throw error;
  }
  const temporary = given.device === undefined ? mkdtempSync(join(tmpdir(), "sealwire-device-")) : undefined;
  const environment = {
    ...process.env,
    SEALWIRE_DEVICE: temporary ?? resolve(given.device!),
    ...(given.settings === undefined ? {} : { SEALWIRE_DEVICE_SETTINGS: given.settings }),
  };
  try {
    for (let wake = 1; ; wake++) {
      const code = await start(
        hostProgram(variant),
        [...mapOptions(), ...host, module, "--", ...parameters],
        environment,
      );
      if ((code !== 80 && code !== 81) || wake >= wakes) return code;
    }
  } finally {
    if (temporary !== undefined) rmSync(temporary, { recursive: true, force: true });
  }
}

function hostOptions(given: RunArguments): string[] {
  const options = preloadOptions();
  for (const module of given.preload) options.push("--preload", resolve(module));
  for (const map of given.map) {
    if (!/^[^=]+=./.test(map)) throw usageFailure(`--map wants NAME=PATH, not ${map}.`);
    options.push("--map", map);
  }
  const profile = given.profile === undefined ? undefined : profileOf(given.profile);
  const sized = profile && chipHeap(profile);
  const heap = given.static === undefined ? sized?.static : wholeNumber("--static", given.static);
  if (heap !== undefined) options.push("--static", String(heap));
  const native = given.native === undefined ? undefined : wholeNumber("--native", given.native);
  const beside = profile && profile.bytes - heap!;
  if (beside !== undefined && beside < 1)
    throw usageFailure(`--static ${given.static} leaves nothing of the ${profile!.bytes} bytes of --profile.`);
  if (native ?? beside) options.push("--native", String(native ?? beside));
  const stack = given.stack === undefined ? sized?.stack : wholeNumber("--stack", given.stack);
  if (stack !== undefined) options.push("--stack", String(stack));
  if (given.heap) options.push("--heap");
  if (given.xsbug !== undefined) options.push("--xsbug", given.xsbug);
  if (given.settings !== undefined)
    try {
      JSON.parse(given.settings);
    } catch {
      throw usageFailure("--settings wants a JSON object.");
    }
  return options;
}

function profileOf(name: string): ChipProfile {
  if (name !== esp8266.name) throw usageFailure(`--profile wants ${esp8266.name}, not ${name}.`);
  return esp8266;
}

function bitsOf({ bits, sanitize }: RunArguments): 32 | 64 {
  if (bits !== "32" && bits !== "64") throw usageFailure(`--bits wants 32 or 64, not ${bits}.`);
  return sanitize === true || bits === "64" ? 64 : 32;
}

function wholeNumber(option: string, text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw usageFailure(`${option} wants a whole number, not ${text}.`);
  return Number(text);
}

function start(program: string, parameters: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, parameters, { env, stdio: "inherit" });
    child.on("error", reject);
    // Ctrl-C reaches both; the firmware ends, and then so does the command. Being told to end, it passes that on.
    const onInterrupt = (): void => undefined;
    const onTerminate = (): void => void child.kill("SIGTERM");
    process.on("SIGINT", onInterrupt).on("SIGTERM", onTerminate);
    child.on("close", (code, signal) => {
      process.off("SIGINT", onInterrupt).off("SIGTERM", onTerminate);
      resolve(code ?? (signal === "SIGINT" ? exitCodes.interrupted : exitCodes.failed));
    });
  });
}
