/** The command line of `npm run soak:xs`. */
import { Command } from "commander";
import { positive } from "../positive.js";
import { hostOrSkip } from "./host-or-skip.js";
import { soak } from "./soak.js";

interface Arguments {
  readonly messages: number;
  readonly leak: number;
  readonly m64?: true;
  readonly json?: true;
}

await new Command("soak:xs")
  .description("Sends messages out and back on the XS engine, and fails when the heap grows.")
  .option("--messages <n>", "messages each way", positive, 100_000)
  .option("--leak <bytes>", "bytes that are lost with each message, to see it fail", positive, 0)
  .option("--m64", "64 bits (needs no gcc-multilib)")
  .option("--json", "one JSON object")
  .action(async ({ messages, leak, m64, json }: Arguments) => {
    const variant = { bits: m64 ? 64 : 32, sanitize: false } as const;
    if (!(await hostOrSkip(variant))) return;
    // Slots are twice as large on 64 bits.
    const result = await soak({ variant, messages, leak, heap: m64 ? 131_072 : 65_536 });
    if (json) console.log(JSON.stringify(result));
    else
      console.log(
        `${result.messages} messages out and back in ${result.seconds.toFixed(1)} s; heap without garbage ${result.begin} bytes ` +
          `after the first tenth, ${result.end} at the end, ${result.most} at most`,
      );
    for (const fault of result.faults) console.error(fault);
    if (result.faults.length > 0) process.exitCode = 1;
  })
  .parseAsync();
