/** A process that opens connections and says what they cost. Started with `--expose-gc`. */
import type { Idle } from "./contestant.js";
import { load } from "./load.js";
import type { HeapTask } from "./heap.js";

/** Connections that are opened at a time. */
const batch = 20;

/** Connections before anything is measured: code is compiled and tables have grown by then. */
const warmup = 100;

async function open(task: HeapTask, first: number, count: number): Promise<Idle[]> {
  const contestant = await load(task.contestant);
  const opened: Idle[] = [];
  for (let i = 0; i < count; i += batch)
    opened.push(
      ...(await Promise.all(
        Array.from({ length: Math.min(batch, count - i) }, (_, j) =>
          contestant.idle(task.port, `bench-${task.contestant}-${first + i + j}`),
        ),
      )),
    );
  return opened;
}

/** Bytes of the heap, and of array buffers, which lie outside it. */
async function settled(): Promise<number> {
  // Some things are freed only after the event loop has gone round.
  for (let i = 0; i < 5; i++) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    globalThis.gc?.();
  }
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

async function measure(task: HeapTask): Promise<void> {
  const opened = await open(task, 0, warmup);
  const before = await settled();
  opened.push(...(await open(task, warmup, task.connections)));
  const after = await settled();
  process.send?.({ perConnection: (after - before) / task.connections });
  for (const idle of opened) idle.close();
  process.disconnect();
}

process.on("disconnect", () => setImmediate(() => process.exit()));
process.once("message", (task: HeapTask) => void measure(task));
