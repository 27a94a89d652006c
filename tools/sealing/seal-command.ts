/** `sealwire seal`: a payload in, a sealed one out. */
import { Option, type Command } from "commander";
import type { Encoding } from "../../src/sealing/index.js";
import { exitCodes, type ExitCode } from "../failure.js";
import { addCommonOptions, openStation, parseEpoch, readInput, writeOutput, type CommonArguments } from "./options.js";
import { readSecrets } from "./secret-file.js";

interface SealArguments extends CommonArguments {
  readonly topic: string;
  readonly sender: string;
  readonly device?: string;
  readonly encoding: Encoding;
  readonly fullIv?: true;
  readonly hex?: true;
  readonly json?: true;
}

const more = `
Without --state each call draws a new random ID Context, and every receiver keeps one more entry: name a folder to seal often.

Example:
  echo open | sealwire seal --fleet-root root.key --device sensor-1 --sender back-end --topic sensor-1/commands > command.bin
  mosquitto_pub -t sensor-1/commands -q 1 -f command.bin`;

/** Adds the command. @param ended takes its exit code */
export function addSeal(program: Command, ended: (exitCode: ExitCode) => void): void {
  addCommonOptions(program.command("seal"))
    .summary("seal a payload: stdin to stdout")
    .description("Seals what comes in on stdin for a topic, and writes the sealed payload to stdout.")
    .requiredOption("--topic <topic>", "the topic that it will be published to")
    .requiredOption("--sender <name>", "who seals it")
    .option("--device <name>", "with --fleet-root: the device that it is for")
    .addOption(new Option("--encoding <name>", "how it is written").choices(["cose", "compact"]).default("cose"))
    .option("--full-iv", "write the whole IV, for COSE libraries that do not know Partial IV")
    .option("--state <folder>", "where sequence numbers are remembered")
    .option("--hex", "write hexadecimal")
    .option("--json", "write a JSON object: topic, sender, and what is sealed in Base64")
    .addHelpText("after", more)
    .action(async (given: SealArguments) => {
      const { topic, sender, device = sender, state, algorithm, encoding } = given;
      const secrets = readSecrets({ ...given, epoch: parseEpoch(given.epoch) }, device);
      const options = { secrets, sender, algorithm, encoding, fullIV: given.fullIv === true };
      const sealing = openStation(state === undefined ? options : { ...options, state });
      try {
        const sealed = sealing.seal(topic, await readInput());
        if (given.json)
          await writeOutput(`${JSON.stringify({ topic, sender, sealed: Buffer.from(sealed).toString("base64") })}\n`);
        else await writeOutput(given.hex ? `${Buffer.from(sealed).toString("hex")}\n` : sealed);
      } finally {
        sealing.close();
      }
      ended(exitCodes.success);
    });
}
