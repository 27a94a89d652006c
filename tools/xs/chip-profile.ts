/** What of the device's work fits the memory of a small chip: XS and TLS together, by hard caps. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { chipHeap, type ChipHeap, type ChipProfile, esp8266 } from "./chips.js";
import { root } from "./paths.js";
import { smallestCaps } from "./smallest-caps.js";
import { TLSBudgetBench } from "./tls-budget-bench.js";
import { type Start, TLSFirmwareBench } from "./tls-firmware-bench.js";

/** What the telemetry firmware with its vault and mutual TLS needs. Bytes. */
export interface ProfileRow {
  /** Whether its payloads are sealed, and how it comes to its connection. */
  readonly name: string;
  readonly sealed: boolean;
  /** The smallest JavaScript stack. */
  readonly stack: number;
  /** The smallest `--static` with that stack: chunks, slots and stack in one block, grown in steps as on a chip. */
  readonly static: number;
  /** Native memory of TLS and cryptography, at the peak. */
  readonly native: number;
  /** Whether it came through with both capped: `--static` as above, and `--native` at what the chip has beside it. */
  readonly fits: boolean;
}

const slotBytes = 16;
const roomy = ["--static", "131072", "--stack", "1024"];
const payloads = { "payloads in the clear": false, "sealed payloads": true };
const starts: readonly Start[] = ["first start, full handshake", "full handshake", "resumed handshake"];

/** @throws Error when the firmware does not come through with 128 KB */
export async function measureProfile(chip: ChipProfile = esp8266): Promise<ProfileRow[]> {
  const rows: ProfileRow[] = [];
  for (const [what, sealed] of Object.entries(payloads)) {
    const bench = await TLSFirmwareBench.open({ sealed });
    try {
      for (const start of starts)
        rows.push({ name: `${what}, ${start}`, sealed, ...(await measureStart(bench, start, chip)) });
    } finally {
      await bench.close();
    }
  }
  return rows;
}

async function measureStart(
  bench: TLSFirmwareBench,
  start: Start,
  chip: ChipProfile,
): Promise<Omit<ProfileRow, "name" | "sealed">> {
  const attempt = async (heap: readonly string[]): Promise<number> => Number((await bench.run(start, heap)).complete);
  const first = await bench.run(start, roomy);
  if (!first.complete) throw new Error(`${start}: the firmware does not come through with 128 KB: ${first.report}`);
  const [stack] = await smallestCaps({
    enough: [1024],
    tooSmall: 128,
    resolution: 8,
    attempt: (cap) => attempt(["--static", "131072", "--stack", String(cap)]),
  });
  const heapOf = (bytes: number): string[] => ["--static", String(bytes), "--stack", String(stack)];
  // The smallest stack may not do each time: what comes when is up to the network. Of the heap that says nothing.
  const attemptHeap = async (cap: number): Promise<number> => {
    for (let tries = 3; tries > 0; tries--) {
      const { complete, report } = await bench.run(start, heapOf(cap));
      if (complete) return 1;
      if (report.includes("MEMORY_FULL")) break;
    }
    return 0;
  };
  const [smallest] = await smallestCaps({ enough: [65_536], tooSmall: 8192, resolution: 256, attempt: attemptHeap });
  const beside = chip.bytes - smallest!;
  const capped = [...heapOf(smallest!), "--native", String(Math.max(beside, 1))];
  return {
    stack: stack! * slotBytes,
    static: smallest!,
    native: first.native,
    fits: beside > 0 && (await attempt(capped)) === 1,
  };
}

/** A firmware in a heap of a fixed size. */
export interface HeapFit {
  readonly what: string;
  /** Bytes. */
  readonly heap: number;
  /** The smallest `--static` with the same stack: the firmware's own data may take the rest. Bytes. */
  readonly smallest: number;
  /** Native memory of TLS and cryptography, at the peak. Bytes. */
  readonly native: number;
  /** Whether it came through with that heap and stack, and native memory capped at what the chip has beside them. */
  readonly fits: boolean;
}

/** With stack for what the budget's firmware does: what a manifest would say of a firmware that seals. */
const sealedHeap: ChipHeap = { static: 20_480, stack: 352 };

/**
 * Durable sessions over mutual TLS 1.2, full and resumed, with the library without TLS 1.3, as on the chip.
 * @returns one that publishes a message, in the heap of the chip's manifest; one that publishes a sealed message
 */
export async function measureHeaps(chip: ChipProfile = esp8266): Promise<[manifest: HeapFit, sealed: HeapFit]> {
  return [
    await measureHeap("MQTT over TLS 1.2 alone, heap of the manifest", "session", chipHeap(chip), chip),
    await measureHeap("MQTT over TLS 1.2 alone, sealed", "sealed", sealedHeap, chip),
  ];
}

async function measureHeap(
  what: string,
  mqtt: "session" | "sealed",
  { static: heap, stack }: ChipHeap,
  chip: ChipProfile,
): Promise<HeapFit> {
  const bench = await TLSBudgetBench.open({ protocol: "TLSv1.2", mqtt, tls12: true });
  try {
    const heapOf = (bytes: number): string[] => ["--static", String(bytes), "--stack", String(stack)];
    const attempt = async (options: readonly string[]): Promise<number> => Number((await bench.run(options)).complete);
    const run = await bench.run(heapOf(131_072));
    if (!run.complete) throw new Error(`${what}: it does not come through with ${stack} slots of stack: ${run.report}`);
    const [smallest] = await smallestCaps({
      enough: [65_536],
      tooSmall: 8192,
      resolution: 128,
      attempt: (cap) => attempt(heapOf(cap)),
    });
    const capped = [...heapOf(heap), "--native", String(chip.bytes - heap)];
    return {
      what,
      heap,
      smallest: smallest!,
      native: Math.max(...run.steps.map(({ library }) => library.peak)),
      fits: (await attempt(capped)) === 1,
    };
  } finally {
    await bench.close();
  }
}

/** @param fit of the chip's manifest @returns a sentence when it does not fit */
export function heapFaults({ what, heap, smallest, native, fits }: HeapFit, chip: ChipProfile = esp8266): string[] {
  const beside = chip.bytes - heap;
  return fits
    ? []
    : [
        `${what}: ${chip.manifest} gives XS ${heap} bytes and leaves ${beside} to TLS; it needs ${smallest} and ${native}.`,
      ];
}

/** What a start may need at most. */
export interface ProfileLimit {
  readonly static: number;
  readonly native: number;
}
export type ProfileLimits = Readonly<Record<string, ProfileLimit>>;

/** What of the whole firmware is to be reached: the heap that the Moddable SDK gives an ESP8266. */
export const staticTarget = 32_768;
/** What was measured when the target was set. */
const staticStart = 49_152;

export function readProfileLimits(): ProfileLimits {
  const { profile = {} } = JSON.parse(readFileSync(join(root, "test", "budget.json"), "utf8")) as {
    profile?: ProfileLimits;
  };
  return profile;
}

/** @returns a sentence for each figure that is larger than it may be, or that one side does not know */
export function profileOverruns(rows: readonly ProfileRow[], limits: ProfileLimits): string[] {
  const unknown = Object.keys(limits).filter((name) => !rows.some((row) => row.name === name));
  return [
    ...unknown.map((name) => `"${name}" of the budget was not measured.`),
    ...rows.flatMap((row) => {
      const limit = limits[row.name];
      if (limit === undefined) return [`"${row.name}" has no budget.`];
      return (
        (["static", "native"] as const)
          // So that a figure that is missing is told, too.
          .filter((what) => !(row[what] <= limit[what]))
          .map(
            (what) =>
              `A telemetry firmware, ${row.name}, needs ${row[what]} bytes (${what}); its budget is ${limit[what]}.`,
          )
      );
    }),
  ];
}

/** One line of the table: a firmware and how it comes to its connection. */
interface Line {
  readonly what: string;
  readonly xs: number;
  readonly native: number;
  readonly fits: boolean;
}

/**
 * Rows of a table, its head first: what fits the chip, beside what the whole firmware needs.
 * @param sessions steps of the firmware without a `Device`
 */
export function profileRows(
  rows: readonly ProfileRow[],
  sessions: readonly { readonly step: string; readonly xs: number; readonly native: number; readonly fits: boolean }[],
  limits: ProfileLimits,
  heaps: readonly HeapFit[],
  chip: ChipProfile = esp8266,
): string[][] {
  const figure = (value: number): string => value.toLocaleString("en");
  const line = ({ what, xs, native, fits }: Line, budget = "", start = "", target = ""): string[] => [
    what,
    figure(xs),
    budget,
    start,
    target,
    figure(native),
    figure(xs + native),
    figure(chip.bytes),
    fits ? "yes" : "no",
  ];
  return [
    ["firmware", "XS", "budget", "start", "target", "native peak", "together", chip.name, "fits"],
    ...sessions.map(({ step, ...session }) => line({ what: step, ...session })),
    ...heaps.map(({ what, heap, smallest, native, fits }) => line({ what, xs: smallest, native, fits }, figure(heap))),
    ...rows.map(({ name, sealed, static: xs, native, fits }) =>
      line(
        { what: `telemetry with vault, ${name}`, xs, native, fits },
        limits[name] ? figure(limits[name].static) : "none",
        // They were set for what there was then.
        sealed ? "" : figure(staticStart),
        sealed ? "" : figure(staticTarget),
      ),
    ),
  ];
}
