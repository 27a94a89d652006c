/** `sealwire pki`: certificates for a fleet. */
import type { Command } from "commander";
import type { ExitCode } from "../failure.js";
import { addIssue } from "./commands/issue.js";
import { addManage } from "./commands/manage.js";

/** Adds the command. @param ended takes its exit code */
export function addPKI(program: Command, ended: (exitCode: ExitCode) => void): void {
  const pki = program
    .command("pki")
    .summary("certificates: root, issuing authority, servers, devices, revocation")
    .description(
      "Makes and runs the PKI of a fleet, in a folder: a root and an issuing authority whose keys are encrypted, certificates of servers and devices, revocation lists.",
    )
    .helpOption("-h, --help", "print this help")
    .helpCommand("help [command]", "print the help of a command")
    .addHelpText(
      "after",
      `
Examples:
  sealwire pki init --name "Acme Pumps"
  sealwire pki server broker.example
  sealwire pki device pump-0001
  sealwire pki sign pump-0002.csr --id pump-0002
  sealwire pki revoke pump-0001 --reason keyCompromise
  sealwire pki list`,
    );
  addManage(pki, ended);
  addIssue(pki, ended);
}
