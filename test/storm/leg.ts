/** What a leg of the storm gives. */
import type { StormDevice } from "./device.js";
import type { ChanceFate } from "./fate.js";
import type { InboundCounts, InboundLedger } from "./inbound-ledger.js";
import type { OutboundCounts, OutboundLedger } from "./outbound-ledger.js";
import type { Violations } from "./violations.js";

export interface LegResult {
  readonly name: string;
  /** Whether the broker is a real one. */
  readonly real: boolean;
  readonly outbound: Readonly<Record<1 | 2, OutboundCounts>>;
  readonly inbound: Readonly<Record<1 | 2, InboundCounts>>;
  /** Connections that the broker accepted. */
  readonly connections: number;
  /** Connections that were cut. */
  readonly cuts: number;
  /** Losses of power. */
  readonly crashes: number;
  /** Losses of power by operation. */
  readonly struck: Readonly<Record<string, number>>;
  /** Operations at which the power could have failed and never did. */
  readonly missed: readonly string[];
  /** What the broker did against its rules, as the wire shows, and the device cannot make good. */
  readonly excused: InboundLedger["excused"];
  /** What went wrong; of many, the first. */
  readonly violations: readonly string[];
  readonly violationCount: number;
}

export function legName(broker: string, version: 4 | 5, manual: boolean): string {
  return `${broker}, MQTT ${version === 4 ? "3.1.1" : "5.0"}, ${manual ? "manual" : "automatic"} acknowledgement`;
}

interface Parts {
  readonly outbound: OutboundLedger;
  readonly inbound: InboundLedger;
  readonly device: StormDevice;
  readonly cuts: number;
  readonly fate: ChanceFate;
  readonly violations: Violations;
  readonly real: boolean;
}

export function resultOf(name: string, { outbound, inbound, device, cuts, fate, violations, real }: Parts): LegResult {
  return {
    name,
    real,
    excused: inbound.excused,
    outbound: { 1: outbound.counts(1), 2: outbound.counts(2) },
    inbound: { 1: inbound.counts(1), 2: inbound.counts(2) },
    connections: device.connects,
    cuts,
    crashes: device.crashes,
    struck: Object.fromEntries([...fate.struck].sort(([a], [b]) => (a < b ? -1 : 1))),
    missed: [...fate.met.keys()].filter((operation) => !fate.struck.has(operation)).sort(),
    violations: violations.list,
    violationCount: violations.count,
  };
}
