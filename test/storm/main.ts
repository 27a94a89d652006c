/**
 * The storm: messages both ways while connections are cut at random bytes and the device loses its power at every kind of operation.
 *
 *     npm run storm -- --messages 10000 --seed 1
 *
 * Prints what each leg did and, last, the counts; exits with 1 when a message was lost, repeated where it must not be, or overtaken.
 */
import { Command, Option } from "commander";
import { PlainMosquitto } from "../../tools/brokers/index.js";
import { positive } from "../../tools/positive.js";
import { type Damage, damages } from "./damage.js";
import type { LegResult } from "./leg.js";
import { modelLeg } from "./model-leg.js";
import { brokerSettings, mosquittoLeg } from "./mosquitto-leg.js";

interface Options {
  readonly messages: number;
  readonly seed: number;
  readonly broker: "model" | "mosquitto" | "both";
  readonly leg?: number;
  readonly break?: Damage;
  readonly verbose: boolean;
}

/** Messages from which on chance must have reached every kind of operation, and cut so many connections to Mosquitto. */
const full = 10_000;
const cutsOfMosquitto = 300;

type Kind = readonly [version: 4 | 5, manual: boolean];

/** Each way of acknowledgement with each version. */
const kinds: readonly Kind[] = [
  [5, true],
  [4, false],
  [4, true],
  [5, false],
];

function describeLeg(result: LegResult, seconds: number, verbose: boolean): string {
  const { name, outbound, inbound, connections, cuts, crashes, struck, excused, violations, violationCount } = result;
  const lines = [`${violationCount === 0 ? "ok  " : "FAIL"} ${name}, ${seconds.toFixed(1)} s`];
  for (const qos of [1, 2] as const) {
    const out = outbound[qos];
    const back = inbound[qos];
    lines.push(
      `     QoS ${qos} out: ${out.stored} stored, ${out.delivered} delivered, ${out.repeated} repeats; ` +
        `in: ${back.published} published, ${back.recorded} in the ledger, ${back.repeated} marked repeats`,
    );
  }
  lines.push(`     ${connections} connections, ${cuts} of them cut; power lost ${crashes} times`);
  if (excused.repeated + excused.early > 0)
    lines.push(
      `     excused, as the wire shows: the broker sent ${excused.repeated} messages again after PUBREL [MQTT-4.3.3-1] ` +
        `and ${excused.early} before their turn [MQTT-4.6.0-5]`,
    );
  if (verbose) for (const [operation, times] of Object.entries(struck)) lines.push(`       ${times} × ${operation}`);
  for (const violation of violations) lines.push(`     ${violation}`);
  if (violationCount > violations.length) lines.push(`     and ${violationCount - violations.length} more`);
  return lines.join("\n");
}

/** What must be true of all legs together. */
function shortcomings(results: readonly LegResult[], { messages, broker, leg }: Options): string[] {
  if (messages < full || leg !== undefined) return [];
  const list: string[] = [];
  const struck = new Set(results.flatMap((result) => Object.keys(result.struck)));
  for (const operation of new Set(results.flatMap(({ missed }) => missed)))
    if (!struck.has(operation)) list.push(`The power never failed at: ${operation}.`);
  const cuts = results.filter(({ real }) => real).reduce((sum, result) => sum + result.cuts, 0);
  if (broker !== "model" && cuts < cutsOfMosquitto)
    list.push(`Only ${cuts} connections to Mosquitto were cut; ${cutsOfMosquitto} are wanted.`);
  return list;
}

async function storm(options: Options): Promise<void> {
  const { messages, seed, broker, leg, break: damage, verbose } = options;
  const started = performance.now();
  const results: LegResult[] = [];
  const run = async (begin: () => Promise<LegResult>): Promise<void> => {
    const begun = performance.now();
    const result = await begin();
    results.push(result);
    console.log(describeLeg(result, (performance.now() - begun) / 1000, verbose));
  };
  const wanted = (number: number): boolean => leg === undefined || leg === number;
  // Each way of acknowledgement gets all messages, half of them over each version.
  const share = Math.ceil(messages / 2);
  if (broker !== "mosquitto")
    for (const [i, [version, manual]] of kinds.entries())
      if (wanted(i + 1))
        await run(() => modelLeg({ messages: share, seed: seed * 1_000 + i, version, manual, damage }));
  if (broker !== "model") {
    const mosquitto = new PlainMosquitto({ persistence: true, settings: brokerSettings });
    await mosquitto.start();
    try {
      for (const [i, [version, manual]] of kinds.entries())
        if (wanted(kinds.length + i + 1))
          await run(() =>
            mosquittoLeg({ broker: mosquitto, messages: share, seed: seed * 1_000 + 100 + i, version, manual, damage }),
          );
    } finally {
      await mosquitto.stop();
    }
  }
  const faults = shortcomings(results, options);
  for (const fault of faults) console.log(`FAIL ${fault}`);
  const sum = (pick: (result: LegResult) => number): number => results.reduce((total, each) => total + pick(each), 0);
  const both = (pick: (result: LegResult, qos: 1 | 2) => number): string =>
    ([1, 2] as const).map((qos) => `${sum((result) => pick(result, qos))} QoS ${qos}`).join(" + ");
  const violations = sum(({ violationCount }) => violationCount) + faults.length;
  console.log(
    [
      `seed ${seed}: stored ${both((result, qos) => result.outbound[qos].stored)}`,
      `delivered ${both((result, qos) => result.outbound[qos].delivered)}`,
      `published ${both((result, qos) => result.inbound[qos].published)}`,
      `in the ledger ${both((result, qos) => result.inbound[qos].recorded)}`,
      `${sum(({ cuts }) => cuts)} cuts`,
      `${sum(({ crashes }) => crashes)} losses of power`,
      `${violations} violations`,
      `${((performance.now() - started) / 1000).toFixed(1)} s`,
    ].join("; "),
  );
  if (violations > 0) process.exitCode = 1;
}

const command = new Command("storm")
  .description("Messages both ways while connections are cut and the device loses its power.")
  .option(
    "--messages <n>",
    "messages of each QoS, each way, for each broker and way of acknowledgement",
    positive,
    full,
  )
  .option("--seed <n>", "the same seed cuts at the same places", positive, 1)
  .addOption(new Option("--broker <name>", "which legs").choices(["model", "mosquitto", "both"]).default("both"))
  .option("--leg <n>", "only this leg, counted from 1", positive)
  .addOption(new Option("--break <what>", "use a storage that fails, to see that the storm tells").choices(damages))
  .option("--verbose", "also where the power failed", false)
  .action(storm);

try {
  await command.parseAsync();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
