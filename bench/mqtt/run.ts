/**
 * One run: messages go to the broker, which keeps them for a session whose client is away; then that client comes and checks each of them.
 * One side is measured, the other is always the plain socket. So the broker does nothing during a measurement but serve the client that is
 * measured, and three processes do not fight for two processors.
 */
import type { Durability } from "./contestant.js";
import type { Verdict } from "./messages.js";
import { WorkerProcess } from "./worker-process.js";
import type { ContestantName, Measured } from "./worker-protocol.js";

export interface RunOptions {
  readonly port: number;
  readonly direction: "send" | "receive";
  readonly contestant: ContestantName;
  readonly qos: 0 | 1 | 2;
  readonly window: number;
  readonly messages: number;
  /** Messages before the clock runs, so that code is compiled and buffers have grown. */
  readonly warmup: number;
  readonly durability?: Durability | undefined;
  /** Options of Node for the client that is measured, such as `--cpu-prof`. */
  readonly nodeOptions?: readonly string[] | undefined;
}

export interface RunResult {
  /**
   * Messages per second. Sending: until each is acknowledged as its QoS promises and the broker has answered a request that was sent after
   * them, so that QoS 0 counts what the broker took and not what a buffer did. Receiving: from the connection's beginning to the last message.
   */
  readonly rate: number;
  /** Microseconds of processor time of the client's process, per message. */
  readonly cpu: number;
}

/** What the broker must be told for that: nothing is dropped, and no window is narrower than the client's. */
export const brokerSettings = ["queue_qos0_messages true", "max_inflight_messages 0"];

/** @throws Error when a message was lost, repeated, out of order or damaged */
export async function run(options: RunOptions): Promise<RunResult> {
  const { port, direction, contestant, qos, window, messages, warmup, durability, nodeOptions } = options;
  const sending = direction === "send";
  const workers: WorkerProcess[] = [];
  const start = async (task: Parameters<typeof WorkerProcess.start>[0], measured: boolean): Promise<WorkerProcess> => {
    const worker = await WorkerProcess.start(task, measured ? nodeOptions : []);
    workers.push(worker);
    return worker;
  };
  try {
    const receiver = await start(
      {
        kind: "receive",
        contestant: sending ? "bare" : contestant,
        settings: { port, qos: sending || qos === 0 ? 0 : 1 },
      },
      !sending,
    );
    const sender = await start(
      {
        kind: "send",
        contestant: sending ? contestant : "bare",
        settings: { port, qos, window, durability },
      },
      sending,
    );
    if (warmup > 0) await once(sender, receiver, 0, warmup, options);
    const { sent, received } = await once(sender, receiver, warmup, messages, options);
    const measured = sending ? sent : received;
    return {
      rate: (1000 * messages) / measured.elapsed,
      cpu: measured.cpu / messages,
    };
  } finally {
    await Promise.all(workers.map((worker) => worker.end()));
  }
}

async function once(
  sender: WorkerProcess,
  receiver: WorkerProcess,
  first: number,
  count: number,
  options: RunOptions,
): Promise<{ sent: Measured; received: Measured }> {
  await receiver.prepare({ first, count });
  await sender.prepare({ first, count });
  const sent = await sender.go();
  const received = await receiver.go();
  check(received.verdict, count, options);
  return { sent, received };
}

function check(verdict: Verdict | undefined, count: number, { direction, contestant, qos }: RunOptions): void {
  if (verdict?.received === count && verdict.outOfOrder === 0 && verdict.damaged === 0) return;
  throw new Error(
    `Not what was sent arrived (${contestant}, ${direction}, QoS ${qos}): ${JSON.stringify(verdict)} of ${count}.`,
  );
}
