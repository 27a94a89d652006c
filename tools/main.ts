#!/usr/bin/env node
/** Entry of the `sealwire` command. */
import { run } from "./cli.js";
import { exitCodes } from "./failure.js";

// Whoever read the output has seen enough (`sealwire simulate | head -1`).
for (const stream of [process.stdout, process.stderr]) stream.on("error", () => process.exit(exitCodes.failed));

const exitCode = await run(process.argv.slice(2));
// Not left to the event loop: node 20 can spin for ever as it ends by itself with a socket that was reset. A pipe must first have
// taken what was written; a reader that is gone keeps nobody waiting.
await Promise.all(
  [process.stdout, process.stderr].map(
    (stream) => new Promise((resolve) => (stream.destroyed ? resolve(undefined) : stream.write("", resolve))),
  ),
);
process.exit(exitCode);
