/** What is measured, and what is to be reached. */

export interface Targets {
  /** Rate against that of MQTT.js. */
  readonly ratio?: number;
  /** Rate against the plain socket. */
  readonly ofBare?: number;
  /** Processor time per message against that of MQTT.js. */
  readonly cpuRatio?: number;
}

export interface Case {
  readonly name: string;
  readonly direction: "send" | "receive";
  readonly qos: 0 | 1 | 2;
  /** Of ours and the plain socket. */
  readonly window: number;
  /** MQTT.js is given the best of these. */
  readonly theirWindows: readonly number[];
  /** Empty: reported, not judged. */
  readonly targets: Targets;
}

const windows = [1, 20, 500];

/** Publications that may be under way in the case without a window: as many as there are packet identifiers. */
const unlimited = 65_535;

export const cases: readonly Case[] = [
  { name: "QoS 0", direction: "send", qos: 0, window: 20, theirWindows: windows, targets: { ratio: 1.5 } },
  {
    name: "QoS 1, window 20",
    direction: "send",
    qos: 1,
    window: 20,
    theirWindows: windows,
    targets: { ratio: 1.5, ofBare: 0.8, cpuRatio: 0.5 },
  },
  {
    name: "QoS 2, window 20",
    direction: "send",
    qos: 2,
    window: 20,
    theirWindows: windows,
    targets: { ofBare: 0.8 },
  },
  { name: "QoS 2, unlimited", direction: "send", qos: 2, window: unlimited, theirWindows: [unlimited], targets: {} },
  { name: "receiving QoS 0", direction: "receive", qos: 0, window: 20, theirWindows: [20], targets: { ratio: 1.5 } },
  { name: "receiving QoS 1", direction: "receive", qos: 1, window: 20, theirWindows: [20], targets: { ratio: 1.5 } },
];

/** Heap per idle connection against that of MQTT.js. */
export const heapTarget = 1 / 3;
