/** Entry of a firmware process: `node runner.js FIRMWARE`. */
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { SealwireError } from "../../../src/errors.js";
import { boardLink } from "./board-link.js";
import { exitCodes } from "./exit-codes.js";

/** An error that escapes the firmware ends it with one plain line, as a chip restarts with one. */
function crash(error: unknown): never {
  const code = error instanceof SealwireError ? error.code : undefined;
  const message = error instanceof Error ? error.message : String(error);
  const line = message.replace(/\s+/g, " ");
  process.stderr.write(`The firmware crashed: ${line}${code === undefined ? "" : ` (${code})`}\n`);
  if (process.env["SEALWIRE_DEBUG"] !== undefined && error instanceof Error)
    process.stderr.write(`${error.stack ?? ""}\n`);
  boardLink()?.send({ kind: "crash", code, message: line });
  process.exit(exitCodes.crash);
}

process.on("uncaughtException", crash);
process.on("unhandledRejection", crash);

const firmware = process.argv[2];
if (firmware === undefined)
  crash(new SealwireError("INVALID_ARGUMENT", "Name the firmware to run: node runner.js FIRMWARE"));
boardLink()?.send({ kind: "running" });
import(pathToFileURL(resolve(firmware)).href).catch(crash);
