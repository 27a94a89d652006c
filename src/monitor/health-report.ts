/** What a device tells its back end of itself. */
import type { HeapFigures, WakeCause } from "../platform.js";
import type { Counters } from "./counters.js";
import type { LogEntry } from "./log-ring.js";
import type { SecurityKind } from "./security-event.js";

/** The format of a report; it grows by members, and this number changes when one of them changes its meaning. */
export const HEALTH_FORMAT = 1;

/** Lines of the log that go with a report that an event caused. */
const LINES = 8;

/**
 * A health report. As CBOR (RFC 8949, deterministic encoding) a map with these names as keys, as JSON an object. Members that are not known are left out.
 * Counters count from the start of the program.
 */
export interface HealthReport {
  readonly format: number;
  /** Why it is sent. */
  readonly reason: "schedule" | "event" | "request";
  readonly wake: WakeCause;
  /** Milliseconds since boot. */
  readonly uptime: number;
  /** Connects: full, resumed; disconnects. */
  readonly connects: readonly [full: number, resumed: number, lost: number];
  readonly bytes: readonly [incoming: number, outgoing: number];
  readonly sent: readonly [qos0: number, qos1: number, qos2: number];
  readonly received: readonly [qos0: number, qos1: number, qos2: number];
  readonly repeats: readonly [sent: number, received: number];
  readonly drops: number;
  readonly errors: number;
  /** Milliseconds of the last TLS handshake, and the longest. */
  readonly handshake: readonly [last: number, longest: number];
  /** Bytes that are free now, and the fewest that were. */
  readonly heap?: readonly [free: number, lowest: number];
  readonly writes: number;
  /** Security events by kind, those that happened. */
  readonly security: Partial<Record<SecurityKind, number>>;
  /** Reports that were held back. */
  readonly held: number;
  /** The newest lines of the log, with the letter of their level and the seconds since their program's start. */
  readonly log?: readonly string[];
}

/** The fewest free bytes of the engine's areas: the first that is full ends the program. */
export function freeHeap(figures: HeapFigures | undefined): number | undefined {
  let free: number | undefined;
  for (const area of Object.values(figures ?? {}) as HeapFigures["heap"][])
    if (area) free = Math.min(free ?? Number.MAX_SAFE_INTEGER, area.total - area.used);
  return free;
}

export function createReport(
  counters: Counters,
  state: {
    readonly reason: HealthReport["reason"];
    readonly wake: WakeCause;
    readonly uptime: number;
    readonly free: number | undefined;
    readonly log: readonly LogEntry[];
  },
): HealthReport {
  const { reason, wake, uptime, free, log } = state;
  const security = Object.entries(counters.security).filter(([, count]) => count > 0);
  return {
    format: HEALTH_FORMAT,
    reason,
    wake,
    uptime: Math.floor(uptime),
    connects: [counters.connectsFull, counters.connectsResumed, counters.disconnects],
    bytes: [counters.bytesIn, counters.bytesOut],
    sent: [...counters.sent],
    received: [...counters.received],
    repeats: [counters.retransmissions, counters.redeliveries],
    drops: counters.drops,
    errors: counters.errors,
    handshake: [Math.round(counters.handshakeMilliseconds), Math.round(counters.longestHandshakeMilliseconds)],
    ...(free === undefined ? undefined : { heap: [free, counters.heapLowWater ?? free] as const }),
    writes: counters.storageWrites,
    security: Object.fromEntries(security),
    held: counters.reportsHeldBack,
    ...(reason === "schedule" ? undefined : { log: log.slice(-LINES).map(shown) }),
  };
}

function shown({ level, seconds, text }: LogEntry): string {
  return `${level.slice(0, 1)} ${seconds} ${text}`;
}
