/** `sealwire open`: a sealed payload in, its content out; or all that arrives at a broker. */
import type { Command } from "commander";
import type { Sealing, Unsealed } from "../../src/sealing/index.js";
import { CommandFailure, exitCodes, usageFailure, type ExitCode } from "../failure.js";
import { Output } from "../output.js";
import { addCommonOptions, openStation, parseEpoch, readInput, writeOutput, type CommonArguments } from "./options.js";
import { readSecrets } from "./secret-file.js";
import { watchBroker } from "./watch.js";

interface OpenArguments extends CommonArguments {
  readonly topic: string;
  readonly device?: string;
  readonly hex?: true;
  readonly broker?: string;
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly count?: string;
  readonly json?: true;
}

const more = `
With --broker it subscribes to the topic filter and prints a line for each message: topic, sender, epoch, sequence number, content as JSON text.
What is refused goes to stderr. Without --state nothing is remembered from one call to the next, so that replays between calls are not seen.

Exit codes: 0 opened; 1 refused; 2 wrong arguments; 3 the broker or a folder cannot be used.

Examples:
  sealwire open --fleet-root root.key --topic sensor-1/telemetry < message.bin
  sealwire open --fleet-root root.key --topic '+/telemetry' --broker mqtt://localhost:1883 --state opened
  sealwire open --topic '+/telemetry' --broker           as the back end of the fleet in this folder (sealwire init)`;

/** Adds the command. @param ended takes its exit code */
export function addOpen(program: Command, ended: (exitCode: ExitCode) => void): void {
  addCommonOptions(program.command("open"))
    .summary("open sealed payloads: stdin to stdout, or all that arrives")
    .description("Opens a sealed payload from stdin, or each one that arrives at a broker.")
    .requiredOption("--topic <topic>", "the topic that it came by; with --broker a topic filter")
    .option("--device <name>", "with --fleet-root: open with the secret of this device, whoever the sender is")
    .option("--state <folder>", "where it is remembered what was opened")
    .option("--hex", "stdin is hexadecimal")
    .option(
      "--broker [url]",
      "mqtt://host:port, or mqtts://host:port with --ca, --cert and --key: subscribe and print; without a URL, that of fleet.json",
    )
    .option("--ca <file>", "PEM of the authorities that sign the broker's certificate")
    .option("--cert <file>", "PEM of our certificate and those above it")
    .option("--key <file>", "PEM of our private key, P-256")
    .option("--count <n>", "with --broker: end after so many messages")
    .option("--json", "print one JSON object for each message, its content in Base64")
    .addHelpText("after", more)
    .action(async (given: OpenArguments) => {
      const { device, algorithm, state } = given;
      const secrets = readSecrets({ ...given, epoch: parseEpoch(given.epoch) }, device);
      const options = { secrets, sender: "sealwire open", algorithm, acceptOwn: true };
      const sealing = openStation(state === undefined ? options : { ...options, state });
      try {
        ended(
          given.broker === undefined ? await openInput(sealing, given) : await openAll(sealing, given, given.broker),
        );
      } finally {
        sealing.close();
      }
    });
}

async function openInput(sealing: Sealing, { topic, hex, json }: OpenArguments): Promise<ExitCode> {
  let message = await readInput();
  if (hex) {
    const text = Buffer.from(message).toString("latin1").trim();
    if (!/^([0-9a-fA-F]{2})*$/.test(text)) throw usageFailure("The input is not hexadecimal.");
    message = new Uint8Array(Buffer.from(text, "hex"));
  }
  const result = sealing.unseal(topic, message);
  if (result.outcome === "delivered") {
    await writeOutput(json ? `${jsonOf(topic, result)}\n` : result.payload);
    return exitCodes.success;
  }
  if (result.outcome === "refused") throw new CommandFailure(exitCodes.failed, result.error.code, result.error.message);
  return exitCodes.failed;
}

async function openAll(sealing: Sealing, given: OpenArguments, url: string): Promise<ExitCode> {
  const errors = new Output(process.stderr);
  const count = given.count === undefined ? undefined : Number(given.count);
  if (count !== undefined && (!Number.isInteger(count) || count < 1))
    throw usageFailure("--count must be a whole number from 1 on.");
  await watchBroker({
    url,
    filter: given.topic,
    files: given,
    count,
    onMessage: (topic, payload) => {
      const result = sealing.unseal(topic, payload);
      if (result.outcome === "refused") errors.line(`${topic}: ${result.error.code}: ${result.error.message}`);
      else if (result.outcome === "delivered")
        process.stdout.write(`${given.json ? jsonOf(topic, result) : lineOf(topic, result)}\n`);
    },
  });
  return exitCodes.success;
}

type Opened = Extract<Unsealed, { outcome: "delivered" }>;

function jsonOf(topic: string, { sender, epoch, sequence, payload }: Opened): string {
  const by = Buffer.from(sender).toString("utf8");
  return JSON.stringify({ topic, sender: by, epoch, sequence, payload: Buffer.from(payload).toString("base64") });
}

/** Nothing in it can pass for another line, or for a control sequence of the terminal. */
function lineOf(topic: string, result: Opened): string {
  const text = (bytes: Uint8Array): string =>
    JSON.stringify(Buffer.from(bytes).toString("utf8")).replace(
      /[\u007f-\u009f]/g,
      (c) => `\\u00${c.charCodeAt(0).toString(16)}`,
    );
  return [JSON.stringify(topic), text(result.sender), result.epoch, result.sequence, text(result.payload)].join(" ");
}
