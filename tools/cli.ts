/** The `sealwire` command: its arguments and how it ends. */
import { Command, CommanderError } from "commander";
import { exitCodes, type ExitCode } from "./failure.js";
import { exitCodeOf, Output, reportFailure } from "./output.js";
import { packageVersion } from "./paths.js";
import { addBroker } from "./broker/command.js";
import { addDoctor } from "./doctor/command.js";
import { applyFleet } from "./fleet/defaults.js";
import { addInit } from "./fleet/init-command.js";
import { addRun } from "./fleet/run-command.js";
import { addModdable } from "./moddable/command.js";
import { addPermissions } from "./permissions/command.js";
import { addPKI } from "./pki/command.js";
import { addProvision } from "./provision/command.js";
import { addOpen } from "./sealing/open-command.js";
import { addSeal } from "./sealing/seal-command.js";
import { addSimulate } from "./simulate/command.js";
import { addXS } from "./xs/command.js";

/**
 * Runs the command.
 * @param args what stands after the command's name
 * @returns its exit code, once all is undone that must be
 */
export async function run(args: readonly string[]): Promise<ExitCode> {
  const errors = new Output(process.stderr);
  let exitCode: ExitCode = exitCodes.success;
  const program = new Command("sealwire")
    .description("Tools for devices that use Sealwire.")
    .version(packageVersion(), "-V, --version", "print the version")
    .helpOption("-h, --help", "print this help")
    .helpCommand("help [command]", "print the help of a command")
    .configureOutput({ outputError: (text) => errors.line(sentenceOf(text)) })
    .exitOverride()
    .showSuggestionAfterError();
  program.hook("preAction", (_, action) => applyFleet(action));
  addInit(program, (code) => (exitCode = code));
  addRun(program, (code) => (exitCode = code));
  addBroker(program, (code) => (exitCode = code));
  addDoctor(program, (code) => (exitCode = code));
  addModdable(program, (code) => (exitCode = code));
  addPermissions(program, (code) => (exitCode = code));
  addSimulate(program, (code) => (exitCode = code));
  addPKI(program, (code) => (exitCode = code));
  addProvision(program, (code) => (exitCode = code));
  addXS(program, (code) => (exitCode = code));
  addSeal(program, (code) => (exitCode = code));
  addOpen(program, (code) => (exitCode = code));
  // Without a command there is nothing to do: that is a wrong use, and the help says what the right one is.
  if (args.length === 0) {
    program.outputHelp({ error: true });
    return exitCodes.usage;
  }
  try {
    await program.parseAsync(args, { from: "user" });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.success : exitCodes.usage;
    reportFailure(errors, error, isVerbose(args));
    return exitCodeOf(error);
  }
}

/** Commander's errors in the form of ours. */
function sentenceOf(text: string): string {
  const sentence = text
    .trim()
    .replace(/^error: /, "")
    .replace(/\s*\n\s*/g, " ");
  const capital = sentence.charAt(0).toUpperCase() + sentence.slice(1);
  return `sealwire: ${capital}${/[.?)]$/.test(capital) ? "" : "."}`;
}

function isVerbose(args: readonly string[]): boolean {
  return args.includes("--verbose") || Boolean(process.env["DEBUG"]);
}
