/** A soak on the XS engine: very many messages through one session, and a heap that must not grow. */
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Aedes } from "aedes";
import { preloadOptions } from "./manifest.js";
import { root, type Variant } from "./paths.js";
import { runOnXS } from "./run.js";

export interface SoakOptions {
  readonly variant: Variant;
  /** Messages that go out and come back. */
  readonly messages: number;
  /** Bytes that the firmware keeps of each message: for the proof that a leak is seen. */
  readonly leak?: number;
  /** The heap's fixed size, in bytes. */
  readonly heap?: number;
}

export interface SoakResult {
  readonly messages: number;
  readonly seconds: number;
  /** Chunks and slots in use without garbage, in bytes: after the first tenth, at the end, and the most that was seen. */
  readonly begin: number;
  readonly end: number;
  readonly most: number;
  /** What is wrong; empty when nothing is. */
  readonly faults: readonly string[];
}

/** The samples are taken at rest, but an acknowledgement may still be on its way. */
const tolerance = 512;

/** Runs `test/xs/firmware/soak.ts` against a broker in this process. */
export async function soak({ variant, messages, leak = 0, heap = 65_536 }: SoakOptions): Promise<SoakResult> {
  const aedes = await Aedes.createBroker();
  const server = createServer((socket) => void aedes.handle(socket.setNoDelay(true)));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const folder = mkdtempSync(join(tmpdir(), "sealwire-soak-"));
  const start = performance.now();
  try {
    const { port } = server.address() as { port: number };
    const module = join(root, "dist", "test", "xs", "firmware", "soak.js");
    const parameters = [join(folder, "device"), String(port), String(messages), String(leak)];
    const run = await runOnXS(module, parameters, {
      variant,
      host: ["--static", String(heap), "--stack", "512", ...preloadOptions()],
      timeout: 60_000 + messages * 20,
    });
    return judge(messages, (performance.now() - start) / 1000, run);
  } finally {
    await new Promise<void>((resolve) => aedes.close(() => server.close(() => resolve())));
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What the firmware's output says. */
export function judge(
  messages: number,
  seconds: number,
  run: { readonly exitCode: number | null; readonly output: string; readonly errors: string },
): SoakResult {
  const samples = run.output
    .split("\n")
    .filter((line) => line.startsWith("SOAK "))
    .map((line) => line.split(" ").slice(1).map(Number) as [count: number, used: number]);
  const settled = samples.filter(([count]) => count >= messages / 10);
  // A heap that is full early leaves the first samples only.
  const judged = settled.length > 1 ? settled : samples;
  const [first, last] = [judged[0], judged.at(-1)];
  const faults: string[] = [];
  if (first && last) {
    const growth = (last[1] - first[1]) / Math.max(1, last[0] - first[0]);
    if (last[1] - first[1] > tolerance)
      faults.push(
        `The heap grows: from ${first[1]} bytes after ${first[0]} messages to ${last[1]} after ${last[0]}, ${growth.toFixed(2)} bytes per message.`,
      );
  }
  if (run.exitCode !== 0)
    faults.push(
      `The firmware ended after ${last?.[0] ?? 0} messages (exit code ${run.exitCode}): ${run.errors.trim()}`,
    );
  else if (!run.output.includes(`DONE ${messages} ${messages} 0 `))
    faults.push(`Not every message came back as it was sent: ${/^DONE.*/m.exec(run.output)?.[0] ?? "no result"}.`);
  const used = judged.map(([, bytes]) => bytes);
  return { messages, seconds, begin: used[0] ?? 0, end: used.at(-1) ?? 0, most: Math.max(0, ...used), faults };
}
