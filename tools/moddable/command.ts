/** `sealwire moddable`: apps of the Moddable simulator without its window, and what native code costs. */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import type { Command } from "commander";
import { type ExitCode, exitCodes, usageFailure } from "../failure.js";
import { createFolder } from "../files.js";
import { checkNatives } from "./natives.js";
import { deviceExit, headlessRunner, runApp, sleepOf } from "./runner.js";
import { needSDK } from "./sdk.js";

const description = [
  "Runs an app that mcconfig built for the desktop simulator (mc.so) without a window: at a terminal, or in continuous integration.",
  "When the device sleeps its process ends; it is started again when the time is over, as a chip starts from the top of its program.",
].join("\n\n");

const more = `
Exit codes:
  0    the device slept as often as --lives says
  1    the firmware ended in another way: the lines above say how
  2    wrong arguments
  3    something is missing: the Moddable SDK (MODDABLE), a C compiler, GLib's headers
  130  ended by Ctrl-C

Example:
  sealwire moddable run --device device --lives 2 build/bin/lin/mc/release/app/mc.so`;

interface RunArguments {
  readonly device: string;
  readonly lives: string;
  readonly timeout: string;
}

/** Adds the command. @param ended takes its exit code */
export function addModdable(program: Command, ended: (exitCode: ExitCode) => void): void {
  const moddable = program
    .command("moddable")
    .summary("run an app of the Moddable simulator without a window")
    .description("Apps that are built with the Moddable SDK.")
    .helpOption("-h, --help", "print this help");
  moddable
    .command("run")
    .summary("run an app of the simulator")
    .description(description)
    .helpOption("-h, --help", "print this help")
    .argument("<app>", "the mc.so that mcconfig built")
    .option("--device <folder>", "what the device keeps: its flash, RTC memory and fuses", ".sealwire/device")
    .option("--lives <count>", "how often it may start; it ends after so many sleeps", "1000000")
    .option("--timeout <seconds>", "longest time for one life; 0 for none", "0")
    .addHelpText("after", more)
    .allowExcessArguments(false)
    .action(async (app: string, given: RunArguments) => ended(await runLives(resolve(app), given)));
  moddable
    .command("natives")
    .summary("compile the native code for the chips as far as a desktop can, and print its size")
    .description("Source trees of Mbed TLS are named by the environment variable MBEDTLS, with colons between them.")
    .helpOption("-h, --help", "print this help")
    .allowExcessArguments(false)
    .action(async () => {
      for (const line of await checkNatives(needSDK())) process.stdout.write(`${line}\n`);
      ended(exitCodes.success);
    });
}

async function runLives(app: string, given: RunArguments): Promise<ExitCode> {
  const lives = wholeNumber("--lives", given.lives, 1);
  const seconds = wholeNumber("--timeout", given.timeout, 0);
  if (!existsSync(app)) throw usageFailure(`There is no app at ${app}: build one with mcconfig -m -p lin -t build.`);
  const program = headlessRunner(needSDK());
  const folder = resolve(given.device);
  createFolder(folder, 0o700);
  for (let life = 1; life <= lives; life++) {
    const { exitCode } = await runApp(program, app, {
      folder,
      timeout: seconds === 0 ? undefined : seconds * 1000,
      onLine: (line) => process.stdout.write(`${line}\n`),
    });
    if (exitCode !== deviceExit.sleep && exitCode !== deviceExit.restart) return exitCodes.failed;
    if (life < lives && exitCode === deviceExit.sleep) await new Promise((wake) => setTimeout(wake, sleepOf(folder)));
  }
  return exitCodes.success;
}

function wholeNumber(option: string, text: string, least: number): number {
  const value = Number(text);
  if (!/^\d{1,9}$/.test(text) || value < least)
    throw usageFailure(`${option} must be a whole number, at least ${least}.`);
  return value;
}
