/**
 * `npm run soak:xs`: 100,000 messages on the 32-bit XS host; fails when the heap grows. `-- --messages N`, `--leak BYTES` (to see it
 * fail), `--m64`, `--json`.
 */
import { parseArgs } from "node:util";
import { buildHost, MissingCompiler } from "./build.js";
import { soak } from "./soak.js";

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      messages: { type: "string", default: "100000" },
      leak: { type: "string", default: "0" },
      m64: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
    },
  });
  const variant = { bits: values.m64 ? 64 : 32, sanitize: false } as const;
  try {
    await buildHost(variant);
  } catch (error) {
    if (!(error instanceof MissingCompiler)) throw error;
    const mustRun = process.env["SEALWIRE_NO_SKIP"] === "1";
    console.error(`${mustRun ? "" : "Skipped: "}${error.message}`);
    return mustRun ? 1 : 0;
  }
  // Slots are twice as large on 64 bits.
  const heap = values.m64 ? 131_072 : 65_536;
  const result = await soak({ variant, messages: Number(values.messages), leak: Number(values.leak), heap });
  if (values.json) console.log(JSON.stringify(result));
  else
    console.log(
      `${result.messages} messages out and back in ${result.seconds.toFixed(1)} s; heap without garbage ${result.begin} bytes ` +
        `after the first tenth, ${result.end} at the end, ${result.most} at most`,
    );
  for (const fault of result.faults) console.error(fault);
  return result.faults.length === 0 ? 0 : 1;
}

process.exitCode = await main();
