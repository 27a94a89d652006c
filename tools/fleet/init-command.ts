/** `sealwire init`: options and help. */
import type { Command } from "commander";
import { tellResult } from "../command-result.js";
import type { ExitCode } from "../failure.js";
import { exitCodeHelp } from "../pki/commands/common.js";
import { init, type InitArguments } from "./init.js";

const description = [
  "Makes a fleet in the current folder: a PKI with certificates for the broker and a back end, topic permissions that give each device its own topics and no " +
    "other, and the fleet root that payload secrets derive from.",
  "fleet.json then stands for the options of the other commands: provision, broker, run, open, seal, pki. What is given to a command goes before it.",
].join("\n\n");

const more = `
The passphrase of the authorities' keys comes from --passphrase-file, else from the environment variable SEALWIRE_PKI_PASSPHRASE, else one is made and
kept in pki.passphrase. What is there already is left as it is.
${exitCodeHelp}

Examples:
  sealwire init
  sealwire init --name "Acme Pumps" --broker broker.example:8883 --passphrase-file ~/acme.passphrase`;

/** Adds the command. @param ended takes its exit code */
export function addInit(program: Command, ended: (exitCode: ExitCode) => void): void {
  program
    .command("init")
    .summary("make a fleet in this folder: PKI, permissions, secrets")
    .description(description)
    .helpOption("-h, --help", "print this help")
    .option("--name <name>", "begins the names of the authorities", "Sealwire")
    .option("--broker <host:port>", "where devices will connect (default: localhost:8883, or a free port)")
    .option("--passphrase-file <file>", "file whose first line is the passphrase of the authorities' keys")
    .option("--json", "print one JSON object")
    .option("--verbose", "print where errors come from")
    .addHelpText("after", more)
    .allowExcessArguments(false)
    .action(async (given: InitArguments) => {
      ended(await tellResult(given, () => init(given)));
    });
}
