/** The command line of `npm run check:moddable`. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { Command } from "commander";
import { packageFolder } from "../../tools/paths.js";
import { checkChips } from "./check-chips.js";
import { checkDropIn } from "./check-drop-in.js";
import { checkExamples, examples } from "./check-examples.js";
import { checkGuide } from "./check-guide.js";
import { checkHeap } from "./check-heap.js";
import type { CheckStep } from "./check-step.js";
import { checkTests } from "./check-tests.js";
import { checkTypeScript } from "./check-typescript.js";
import { checkNatives } from "../../tools/moddable/natives.js";
import { headlessRunner } from "../../tools/moddable/runner.js";
import { findSDK, installSDK, versionOf } from "../../tools/moddable/sdk.js";

const steps: Readonly<Record<string, { readonly what: string; readonly check: CheckStep }>> = {
  examples: { what: "Examples in the desktop simulator", check: (context) => checkExamples(context) },
  heap: { what: "Heap, against the XS host's budget", check: checkHeap },
  tests: { what: "Portable tests, preloaded", check: checkTests },
  dropin: { what: "Apps written for the SDK's MQTT clients", check: checkDropIn },
  guide: { what: "The guide, from the packed tarball", check: checkGuide },
  typescript: { what: "TypeScript, with the SDK's configuration", check: checkTypeScript },
  chips: { what: "Examples for the chips, as far as there are no tools of theirs", check: checkChips },
  natives: {
    what: "Native code",
    check: async ({ sdk, say }) => {
      for (const line of await checkNatives(sdk)) say(`  ${line}`);
    },
  },
};

interface Arguments {
  readonly debug: boolean;
}

const names = [...Object.keys(steps), ...examples()].join(", ");

await new Command("check:moddable")
  .description("Builds and runs everything with the Moddable SDK that the environment variable MODDABLE names.")
  .argument("[steps...]", `only these steps or examples: ${names}`)
  .option("--no-debug", "leave out the builds for debugging")
  .action(async (chosen: readonly string[], { debug }: Arguments, command: Command) => {
    const apps = chosen.filter((name) => examples().includes(name));
    const unknown = chosen.find((name) => !(name in steps) && !apps.includes(name));
    if (unknown !== undefined) command.error(`There is no step ${unknown}: ${names}.`);
    const sdk = findSDK();
    if (sdk === undefined) {
      console.log(`Skipped: ${installSDK}`);
      return;
    }
    const say = (line: string): void => console.log(line);
    say(`Moddable SDK ${versionOf(sdk)} in ${sdk.folder}`);
    const output =
      process.env["SEALWIRE_MODDABLE_OUTPUT"] ?? join(packageFolder, "node_modules/.cache/sealwire/moddable");
    mkdirSync(output, { recursive: true });
    const context = { sdk, program: headlessRunner(sdk), output, debug, say };
    const failed: string[] = [];
    const step = async (name: string, what: string, check: CheckStep): Promise<void> => {
      say(`${what}:`);
      try {
        await check(context);
      } catch (error) {
        failed.push(name);
        console.error(`  FAILED: ${error instanceof Error ? error.message : String(error)}`);
      }
    };
    if (apps.length > 0) await step("examples", "Examples", (given) => checkExamples(given, apps));
    for (const [name, { what, check }] of Object.entries(steps))
      if (chosen.length === 0 || chosen.includes(name)) await step(name, what, check);
    if (failed.length === 0) return;
    console.error(`Failed: ${failed.join(", ")}.`);
    process.exitCode = 1;
  })
  .parseAsync();
