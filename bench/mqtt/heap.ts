/** The memory of a connection that does nothing. */
import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { round } from "../statistics.js";
import type { ContestantName } from "./worker-protocol.js";

export interface HeapTask {
  readonly contestant: ContestantName;
  readonly port: number;
  readonly connections: number;
}

/** Bytes per connection: JavaScript heap and array buffers. */
export interface HeapResult {
  readonly connections: number;
  readonly ours: number;
  readonly theirs: number;
  readonly bare: number;
  /** ours / theirs */
  readonly ratio: number;
}

const patience = 60_000;

export async function measureHeap(
  port: number,
  connections: number,
  onProgress: (text: string) => void,
): Promise<HeapResult> {
  const measure = (contestant: ContestantName): Promise<number> => {
    onProgress(`heap of ${connections} connections, ${contestant}`);
    return perConnection({ contestant, port, connections });
  };
  const bare = await measure("bare");
  const theirs = await measure("theirs");
  const ours = await measure("ours");
  return { connections, ours: round(ours), theirs: round(theirs), bare: round(bare), ratio: round(ours / theirs, 2) };
}

function perConnection(task: HeapTask): Promise<number> {
  const child = fork(fileURLToPath(new URL("heap-worker.js", import.meta.url)), [], { execArgv: ["--expose-gc"] });
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      child.kill("SIGKILL");
      reject(new Error(`The connections were not measured within ${patience / 1000} s (${task.contestant}).`));
    }, patience);
    let result: number | undefined;
    child.on("message", (message: { perConnection: number }) => {
      result = message.perConnection;
    });
    child.once("exit", (code) => {
      clearTimeout(timer);
      if (result !== undefined) resolve(result);
      else
        reject(new Error(`The process that opens connections ended with ${code ?? "a signal"} (${task.contestant}).`));
    });
    child.send(task);
  });
}
