/** `sealwire provision`: its options and help. */
import { type Command, Option } from "commander";
import { tellResult } from "../command-result.js";
import type { ExitCode } from "../failure.js";
import { exitCodeHelp, passphraseHelp, withCommonOptions } from "../pki/commands/common.js";
import { columns } from "./columns.js";
import type { ProvisionArguments } from "./options.js";
import { provision } from "./provision.js";

const description = [
  "Makes what a device is given at the factory: a provisioning record with the broker, whom to trust, a certificate and its key, " +
    "user name and password. The device's vault takes it over at the first start and erases it.",
  "With --csv, a device for each row. Every device appears whole or not at all; run again, the command goes on where it ended, and leaves alone what is there.",
].join("\n\n");

const more = `
Columns of the table: ${columns.join(", ")}. Each row has an id or a mac; paths of csr are relative to the table.
${passphraseHelp}

In a folder with a fleet.json (sealwire init) what is not given comes from there: PKI, broker, permissions, fleet root.

The best key is one that was born on the device: let it make a request (vault.certificateRequest) and give that with --csr or the column csr.
The record then holds no key. --simulator does just that with a simulated device.
${exitCodeHelp}
Rows that are refused are named, the others are done: exit code 1.

Examples:
  sealwire provision pump-0001 --broker broker.example --format nvs
  sealwire provision pump-0002 --broker broker.example --csr pump-0002.csr --format raw --encrypt
  sealwire provision --csv fleet.csv --broker broker.example:8883 --format nvs --encrypt --out batch-7
  sealwire provision --csv fleet.csv --broker example.iot.eu-central-1.amazonaws.com --ca AmazonRootCA1.pem --aws
  sealwire provision gauge --broker localhost:8883 --simulator .sealwire/device`;

/** Adds the command. @param ended takes its exit code */
export function addProvision(program: Command, ended: (exitCode: ExitCode) => void): void {
  withCommonOptions(program.command("provision [id]"))
    .summary("make what devices are given at the factory")
    .description(description)
    .option("--broker <host:port>", "where the device connects; the port is 8883 when left out")
    .option("--csv <file>", "table of devices")
    .option("--mac <address>", "the client identifier derives from this MAC address")
    .option("--prefix <text>", "put before identifiers that derive from MAC addresses")
    .option("--ca <file>", "PEM of the authorities that sign the broker's certificate (default: the root of the PKI)")
    .addOption(
      new Option("--revocation <mode>", "the device checks the broker against the PKI's lists")
        .choices(["off", "leaf", "chain"])
        .default("off"),
    )
    .option("--tls <version>", "1.2 or 1.3: the oldest version that the device accepts (default: 1.2)")
    .option("--days <days>", "validity of the certificate (default: 3650)")
    .option("--csr <file>", "certificate request of the device")
    .option("--no-certificate", "user name and password only")
    .option("--username <name>", "user name of the device")
    .option("--password-file <file>", "file whose first line is the password of the device")
    .option("--permissions <file>", "topic permissions that the device keeps, and holds itself to")
    .option("--fleet-root <file>", "file of the fleet root, mode 0600: the device's payload secret derives from it")
    .option("--epoch <n>", "epoch of that secret", "0")
    .option("--format <formats>", "record (CBOR), nvs, raw: one or several, with commas", "record")
    .option("--partition-size <bytes>", "of the image (default: nvs 0x6000, raw 0x4000)")
    .option("--encrypt", "encrypt each record to a one-time code")
    .option("--aws", "also what AWS IoT Core needs for bulk registration")
    .option("--aws-policy <file>", "the policy for it (default: each thing its own topics)")
    .option("--simulator [folder]", "provision a simulated device, in this folder (default: simulated/ID)")
    .option("--out <folder>", "where the devices go", "provisioned")
    .addHelpText("after", more)
    .action(async (id: string | undefined, given: ProvisionArguments) => {
      ended(await tellResult(given, () => provision(id, given)));
    });
}
