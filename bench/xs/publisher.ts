/** What is measured, the same on XS and on Node: a session that publishes over plain TCP. Imports nothing of either. */
import { MQTTSession } from "../../src/mqtt/index.js";
import type { Platform } from "../../src/platform.js";

export interface PublisherOptions {
  readonly platform: Platform;
  /** Milliseconds of processor time that the process has used. */
  readonly cpu: () => number;
  readonly port: number;
  readonly qos: 0 | 1;
  readonly messages: number;
  /** Messages before the clock runs: a compiler in the engine gets warm. */
  readonly warmup: number;
}

/** Milliseconds that `messages` took. */
export interface Measurement {
  readonly wall: number;
  readonly cpu: number;
}

export const payloadLength = 64;
/** Messages that are on their way at the same time. */
export const window = 16;

export async function measurePublishing(options: PublisherOptions): Promise<Measurement> {
  const { platform, cpu, port, qos, messages, warmup } = options;
  const session = new MQTTSession({
    clientIdentifier: "bench",
    timer: platform.timer,
    ticks: () => platform.ticks(),
    version: 4,
    window,
  });
  session.connect({ address: "127.0.0.1", port, socket: { io: platform.tcp } });
  const payload = new Uint8Array(payloadLength);

  const publish = async (count: number): Promise<void> => {
    let left = count;
    const work = async (): Promise<void> => {
      while (left-- > 0) await session.publish("bench/telemetry", payload, { qos });
    };
    await Promise.all(Array.from({ length: window }, work));
    // The server has seen everything that came before it.
    await session.publish("bench/end", "", { qos: 1 });
  };

  await publish(warmup);
  const begin = { wall: platform.ticks(), cpu: cpu() };
  await publish(messages);
  const result = { wall: platform.ticks() - begin.wall, cpu: cpu() - begin.cpu };
  await session.disconnect();
  session.close();
  return result;
}
