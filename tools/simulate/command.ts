/** `sealwire simulate`: its options and help. */
import { type Command, Option } from "commander";
import type { ExitCode } from "../failure.js";
import { parseOptions, type SimulateArguments } from "./options.js";
import { simulate } from "./simulate.js";

const description = [
  "Runs a device on this machine and shows what a wake, a lost network, a deep sleep and a power cut cost it.",
  "A development PKI is made, a broker started, and the telemetry example run in the simulator. The device connects with a full " +
    "mutual-TLS handshake, then three times by resuming its TLS session; each time the broker's side confirms it. Its readings are sealed: only the " +
    "back end can read them.",
].join("\n\n");

const more = `
Exit codes:
  0    the story went as it should
  1    it did not: the last line says what was wrong
  2    wrong arguments
  3    something is missing or in the way: Mosquitto, a port, a folder, the broker
  130  ended by Ctrl-C before the story was over

Examples:
  sealwire simulate                                 all in one, nothing to install
  sealwire simulate --broker mosquitto --tls 1.2    against the Mosquitto of this machine
  sealwire simulate --engine xs32                   on the XS engine with Mbed TLS, 32 bits; needs a C compiler
  sealwire simulate --json                          one JSON object on stdout
  sealwire simulate --keep-running --port 8883      and leave the broker and the device running
  sealwire simulate --broker mqtts://broker.example:8883 --ca ca.pem --cert device.pem --key device.key`;

/** Adds the command. @param ended takes its exit code */
export function addSimulate(program: Command, ended: (exitCode: ExitCode) => void): void {
  program
    .command("simulate")
    .summary("run a device and a broker on this machine")
    .description(description)
    .helpOption("-h, --help", "print this help")
    .addOption(
      new Option(
        "--engine <engine>",
        "what the firmware runs on: node; xs, the engine of a chip; xs32, as on a chip",
      ).default("node"),
    )
    .option("--static <bytes>", "on XS: size of the heap, as on a chip (default: as much as it takes)")
    .addOption(new Option("--broker <broker>", "embedded, mosquitto, or mqtts://host:port").default("embedded"))
    .option("--tls <version>", "1.2 or 1.3 alone (default: both, so 1.3 where the broker has it)")
    .option("--port <port>", "port of the embedded broker or Mosquitto (default: a free one)")
    .option("--ca <file>", "external broker: PEM of the authorities that sign its certificate")
    .option("--cert <file>", "external broker: PEM of the device's certificate and those above it")
    .option("--key <file>", "external broker: PEM of the device's private key, P-256")
    .option("--certs <folder>", "folder of the development PKI (default: certs/dev of a clone, else a temporary one)")
    .option("--state <folder>", "folder of the device, kept (default: a temporary one)")
    .addOption(new Option("--timeout <seconds>", "longest time for the story").default("55"))
    .option("--no-seal", "leave the payloads as they are (default: sealed end to end)")
    .option("--keep-running", "leave broker and device running after the story, until Ctrl-C")
    .option("--json", "print one JSON object, and the story only with --verbose")
    .option("--verbose", "print the logs of device and broker, and where errors come from")
    .addHelpText("after", more)
    .allowExcessArguments(false)
    .action(async (given: SimulateArguments) => {
      ended(await simulate(parseOptions(given)));
    });
}
