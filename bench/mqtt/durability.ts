/** What it costs that messages survive: ours alone, QoS 1 and 2 with window 20. */
import { round, spreadOf } from "../statistics.js";
import type { Durability } from "./contestant.js";
import type { CompareOptions } from "./compare.js";
import { run } from "./run.js";

export interface DurabilityResult {
  readonly name: string;
  readonly durability: Durability;
  readonly qos: 1 | 2;
  readonly messages: number;
  /** Messages per second, median. */
  readonly rate: number;
  /** Microseconds of processor time per message, median. */
  readonly cpu: number;
}

/** The disk is asked to make each write durable: fewer messages do. */
const messagesToDisk = 1_000;

const names: Readonly<Record<Durability, string>> = {
  none: "nothing",
  sleep: "sleep",
  "power-memory": "power (storage in memory)",
  power: "power (storage on disk)",
};

export async function measureDurability(options: CompareOptions): Promise<DurabilityResult[]> {
  const rows: { durability: Durability; qos: 1 | 2; messages: number; rates: number[]; cpus: number[] }[] = [];
  for (const qos of [1, 2] as const)
    for (const durability of ["none", "sleep", "power-memory", "power"] as const) {
      const messages = durability === "power" ? Math.min(options.messages, messagesToDisk) : options.messages;
      rows.push({ durability, qos, messages, rates: [], cpus: [] });
    }
  for (let i = 0; i < options.runs; i++)
    for (const { durability, qos, messages, rates, cpus } of rows) {
      options.onProgress(`what survives, QoS ${qos}: run ${i + 1} of ${options.runs}, ${names[durability]}`);
      const warmup = Math.min(options.warmup, messages);
      const { port } = options;
      const common = { port, direction: "send", contestant: "ours", window: 20 } as const;
      const { rate, cpu } = await run({ ...common, qos, messages, warmup, durability });
      rates.push(rate);
      cpus.push(cpu);
    }
  return rows.map(({ durability, qos, messages, rates, cpus }) => ({
    name: `QoS ${qos}, survives ${names[durability]}`,
    durability,
    qos,
    messages,
    rate: round(spreadOf(rates).median),
    cpu: round(spreadOf(cpus).median, 1),
  }));
}
