/**
 * What a session takes of the heap on the SDK's own engine, against the budget that the XS host is held to (`npm run budget`). The simulator has 64
 * bits: slots, of 32 bytes there, are counted as the 16 that they have on a chip. The budget is for hard caps, with the stack; this is what is used,
 * without: it must be well below.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { PlainMosquitto } from "../../tools/brokers/index.js";
import { Cleanup } from "../../tools/cleanup.js";
import { runApp } from "../../tools/moddable/runner.js";
import { buildApp } from "../../tools/moddable/sdk.js";
import { packageFolder } from "../../tools/paths.js";
import { type CheckContext, want } from "./check-step.js";

interface Figures {
  readonly name: string;
  readonly slots: number;
  readonly chunks: number;
}

const steps = ["plain connect", "subscribed", "publish QoS 1, durable"];

export async function checkHeap({ sdk, program, output, say }: CheckContext): Promise<void> {
  const budget = JSON.parse(readFileSync(join(packageFolder, "test/budget.json"), "utf8")) as Record<string, number>;
  const manifest = join(packageFolder, "test/moddable/heap/manifest.json");
  const { app } = await buildApp(sdk, { manifest, output, debug: false });
  const cleanup = new Cleanup();
  try {
    const broker = new PlainMosquitto({});
    cleanup.add(() => broker.stop());
    await broker.start();
    const environment = { BROKER_PORT: String(broker.port) };
    const folder = cleanup.temporaryFolder("sealwire-device-");
    const { exitCode, lines } = await runApp(program, app, { folder, environment, timeout: 30_000 });
    const figures = lines.flatMap((line) => (line.startsWith("HEAP ") ? [JSON.parse(line.slice(5)) as Figures] : []));
    const [begin, ...rest] = figures;
    want(exitCode === 0 && begin !== undefined && rest.length === steps.length, `It ended with ${exitCode}:`, lines);
    for (const { name, slots, chunks } of rest) {
      const used = (slots - begin!.slots) / 2 + chunks - begin!.chunks;
      say(
        `  ${name}: ${used.toLocaleString("en")} bytes of slots and chunks, budget ${budget[name]!.toLocaleString("en")}`,
      );
      want(used > 0 && used <= budget[name]!, `${name} takes more than its budget.`, lines);
    }
  } finally {
    await cleanup.run();
  }
}
