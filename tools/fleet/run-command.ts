/** `sealwire run`: options and help. */
import { type Command, Option } from "commander";
import { type ExitCode, usageFailure } from "../failure.js";
import { checkClientIdentifier } from "../pki/index.js";
import { runDevice, type RunOptions } from "./run.js";

const description = [
  "Runs a simulated device of the fleet in this folder, and the back end beside it: the device publishes sealed readings, tries what its permissions do not " +
    "allow, sleeps, and resumes its TLS session; the back end opens what arrives, and sends a sealed command that the device answers.",
  "Device and back end are clients of their own, with certificates of their own, of the broker that fleet.json names: sealwire broker run starts it.",
].join("\n\n");

const more = `
Exit codes:
  0    everything went as it should
  1    it did not: the last line says what was wrong
  2    wrong arguments
  3    something is missing or in the way: the fleet, the device, the broker
  130  ended by Ctrl-C

Examples:
  sealwire run pump-1                       after: sealwire provision pump-1 --simulator
  sealwire run pump-1 --keep-running        and leave the device running until Ctrl-C
  sealwire run pump-1 --no-back-end         while another terminal says: sealwire open --topic '+/telemetry' --broker
  sealwire run pump-1 --json`;

interface RunArguments {
  readonly folder?: string;
  readonly timeout: string;
  readonly keepRunning?: boolean;
  /** False with --no-back-end. */
  readonly backEnd: boolean;
  readonly json?: boolean;
  readonly verbose?: boolean;
}

/** Adds the command. @param ended takes its exit code */
export function addRun(program: Command, ended: (exitCode: ExitCode) => void): void {
  program
    .command("run <id>")
    .summary("run a simulated device of this fleet, and its back end")
    .description(description)
    .helpOption("-h, --help", "print this help")
    .option("--folder <folder>", "of the simulated device (default: simulated/ID)")
    .addOption(new Option("--timeout <seconds>", "longest time for it all").default("55"))
    .option("--no-back-end", "the device alone, until Ctrl-C: for a back end elsewhere, such as sealwire open")
    .option("--keep-running", "leave device and back end running until Ctrl-C")
    .option("--json", "print one JSON object")
    .option("--verbose", "print the device's log, and where errors come from")
    .addHelpText("after", more)
    .allowExcessArguments(false)
    .action(async (id: string, given: RunArguments) => {
      ended(await runDevice(optionsOf(id, given)));
    });
}

function optionsOf(id: string, given: RunArguments): RunOptions {
  checkClientIdentifier(id);
  const seconds = Number(given.timeout);
  if (!/^\d{1,4}$/.test(given.timeout) || seconds < 1 || seconds > 3600)
    throw usageFailure("--timeout must be a whole number of seconds from 1 to 3600.");
  return {
    id,
    folder: given.folder,
    timeLimit: seconds * 1000,
    keepRunning: given.keepRunning ?? false,
    backEnd: given.backEnd,
    json: given.json ?? false,
    verbose: given.verbose ?? false,
  };
}
