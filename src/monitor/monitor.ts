/** What a device sees of itself: counters, a log that survives a restart, security events, health reports. An optional room: hand it to the device. */
import { toUTF8 } from "../bytes.js";
import { encodeCBOR, type CBORValue } from "../cbor/index.js";
import { SealwireError, type ErrorCode } from "../errors.js";
import type { Platform, TimerHandle } from "../platform.js";
import { Counters } from "./counters.js";
import { createReport, freeHeap, type HealthReport } from "./health-report.js";
import { line, plain, type LogLine } from "./log-line.js";
import { LOG_LEVELS, LogRing, type LogEntry, type LogLevel } from "./log-ring.js";
import { PacketCounter } from "./packet-counter.js";
import { RateLimit } from "./rate-limit.js";
import type { SecurityEvent, SecurityKind } from "./security-event.js";

export interface HealthOptions {
  /** Where reports go; `%c/health` when left out. */
  readonly topic?: string | undefined;
  /** `"cbor"` when left out. */
  readonly format?: "cbor" | "json" | undefined;
  /** Milliseconds between reports while the device is awake and connected; 3,600,000 when left out, 0: none. */
  readonly interval?: number | undefined;
  /** Whether a security event is reported as soon as the rate limit allows. True when left out. */
  readonly onEvent?: boolean | undefined;
  /** Milliseconds between two reports that events cause, on average; three may come at once. 600,000 when left out. */
  readonly eventInterval?: number | undefined;
  /** 1 when left out. */
  readonly qos?: 0 | 1 | 2 | undefined;
  /** Whether reports are sealed end to end. Needs the device's option `sealing`. */
  readonly seal?: boolean | undefined;
}

export interface MonitorOptions {
  /** Bytes of the log; 1024 when left out, at most 16,384. */
  readonly logBytes?: number | undefined;
  /** What is kept: this level and those above it. `"info"` when left out. */
  readonly level?: LogLevel | undefined;
  /** Told of each line that is kept, to print it, say. */
  readonly onLine?: ((entry: LogEntry) => void) | undefined;
  /** Reports to the back end; none when left out. */
  readonly health?: HealthOptions | undefined;
}

/** What a monitor needs of its device. */
export interface MonitorHost {
  readonly platform: Pick<Platform, "timer" | "ticks" | "heap" | "wakeCause">;
  /** The log of before the restart. */
  readonly saved: Uint8Array | undefined;
  /** Keeps what `save` gives where it survives a restart. */
  readonly keep: (save: (maximum: number) => Uint8Array | undefined) => void;
  readonly isConnected: () => boolean;
  readonly publish: (
    topic: string,
    payload: Uint8Array,
    options: { readonly qos: 0 | 1 | 2; readonly seal?: boolean },
  ) => Promise<void>;
}

/** Milliseconds that lines below a warning may wait until they are kept: writing retained memory encrypts all of it. */
const KEEP_AFTER = 1000;

/** Lines of the log that one kind of security event, or one code of failures, may write at once, and the milliseconds after which it may write one more. */
const SAME_LINES = 3;
const SAME_PERIOD = 60_000;

/** Reports that events may cause at once. */
const REPORTS = 3;

export class Monitor {
  readonly counters = new Counters();
  /** For the bytes of the TCP connections. @internal */
  readonly bytes = {
    onRead: (bytes: Uint8Array): void => void (this.counters.bytesIn += bytes.byteLength),
    onWritten: (bytes: Uint8Array): void => void (this.counters.bytesOut += bytes.byteLength),
  };
  readonly #options: MonitorOptions;
  readonly #ring: LogRing;
  readonly #level: number;
  /** By kind of security event and by code of failure: there are only so many of both. */
  readonly #limits = new Map<SecurityKind | ErrorCode, RateLimit>();
  #reports: RateLimit | undefined;
  #host: MonitorHost | undefined;
  #stopped = false;
  #keepTimer: TimerHandle;
  #reportTimer: TimerHandle;
  /** A report that an event asked for, and that waits for the connection or the rate limit. */
  #wanted = false;
  #publishing = false;

  /** @throws SealwireError `INVALID_ARGUMENT` */
  constructor(options: MonitorOptions = {}) {
    const { logBytes = 1024, level = "info", health = {} } = options;
    if (!Number.isInteger(logBytes) || logBytes < 0 || logBytes > 16_384)
      throw new SealwireError("INVALID_ARGUMENT", "The option logBytes must be an integer from 0 to 16384.");
    this.#level = LOG_LEVELS.indexOf(level);
    if (this.#level < 0)
      throw new SealwireError("INVALID_ARGUMENT", `The option level must be one of ${LOG_LEVELS.join(", ")}.`);
    const { interval = 0, eventInterval = 1000 } = health;
    if (!(interval >= 0 && interval < 2 ** 31 && eventInterval >= 1000 && eventInterval < 2 ** 31))
      throw new SealwireError("INVALID_ARGUMENT", "health: interval is 0 or more, eventInterval 1000 or more, in ms.");
    this.#options = options;
    this.#ring = new LogRing(logBytes);
  }

  /** Lines that are kept, those of before the restart included, the oldest first. */
  get entries(): LogEntry[] {
    return this.#ring.entries();
  }

  /**
   * Writes a line to the log. It is only made when its level is kept.
   * @param make gives it, with the tag {@link line}: `` () => line`took ${ms} ms` ``
   */
  log(level: LogLevel, make: () => LogLine): void {
    const index = LOG_LEVELS.indexOf(level);
    if (index > this.#level) return;
    const seconds = Math.floor((this.#host?.platform.ticks() ?? 0) / 1000);
    const { text } = make();
    this.#ring.add(level, seconds, text);
    this.#options.onLine?.({ level, seconds, text });
    if (this.#stopped) return;
    // What a crash follows must be there already.
    if (index <= LOG_LEVELS.indexOf("warning")) this.keepLog();
    else this.#keepTimer ??= this.#host?.platform.timer.set(() => this.keepLog(), KEEP_AFTER);
  }

  /** The state of the device now, without sending it. */
  report(reason: HealthReport["reason"] = "request"): HealthReport {
    const { platform } = this.attached();
    const free = this.lookAtHeap();
    return createReport(this.counters, {
      reason,
      wake: platform.wakeCause,
      uptime: platform.ticks(),
      free,
      log: this.entries,
    });
  }

  /** Publishes a health report now. The rate limit does not hold it back: the program asked for it. */
  async publish(): Promise<void> {
    await this.publishReport("request");
  }

  /** @internal One monitor is for one device. */
  attach(host: MonitorHost): void {
    if (this.#host) throw new SealwireError("INVALID_STATE", "The monitor belongs to another device already.");
    this.#host = host;
    const { eventInterval = 600_000 } = this.#options.health ?? {};
    this.#reports = new RateLimit(REPORTS, eventInterval, host.platform.ticks());
    if (host.saved) this.#ring.restore(host.saved);
    this.log("info", () => line`start after ${plain(host.platform.wakeCause)}`);
    this.lookAtHeap();
    this.schedule();
  }

  /** For the packets of one connection. @internal */
  packets(): { readonly onRead: (bytes: Uint8Array) => void; readonly onWritten: (bytes: Uint8Array) => void } {
    const { counters } = this;
    const incoming = new PacketCounter((qos, again) => (again ? counters.redeliveries++ : counters.received[qos]++));
    const outgoing = new PacketCounter((qos, again) => (again ? counters.retransmissions++ : counters.sent[qos]++));
    return { onRead: (bytes) => incoming.feed(bytes), onWritten: (bytes) => outgoing.feed(bytes) };
  }

  /** @internal */
  handshake(milliseconds: number): void {
    const { counters } = this;
    counters.handshakeMilliseconds = milliseconds;
    counters.longestHandshakeMilliseconds = Math.max(counters.longestHandshakeMilliseconds, milliseconds);
    // TLS takes the most memory of all.
    this.lookAtHeap();
  }

  /** @internal */
  connected(info: {
    readonly resumed: boolean;
    readonly sessionPresent: boolean;
    readonly milliseconds: number;
  }): void {
    if (info.resumed) this.counters.connectsResumed++;
    else this.counters.connectsFull++;
    this.lookAtHeap();
    const { resumed, sessionPresent, milliseconds } = info;
    this.log("info", () => line`connected in ${milliseconds} ms, resumed ${resumed}, session ${sessionPresent}`);
    if (this.#wanted) this.reportEvent();
  }

  /** @internal */
  disconnected(info: { readonly cause: SealwireError | undefined; readonly willRetryIn: number | undefined }): void {
    this.counters.disconnects++;
    this.lookAtHeap();
    const { cause, willRetryIn } = info;
    this.log("warning", () => line`disconnected: ${cause}, next try in ${willRetryIn} ms`);
  }

  /** @internal A publication failed. */
  dropped(error: unknown): void {
    const code = error instanceof SealwireError ? error.code : undefined;
    if (code === "MQTT_QUEUE_FULL" || code === "MQTT_MESSAGE_EXPIRED") this.counters.drops++;
  }

  /** @internal */
  storageWritten(): void {
    this.counters.storageWrites++;
  }

  /** @internal A failure that no promise tells of. */
  failed(error: SealwireError): void {
    this.counters.errors++;
    // Whoever is on the wire can bring some about with every message.
    if (this.mayLog(error.code)) this.log("error", () => line`${error}`);
  }

  /** @internal */
  security({ kind, code, suspected }: SecurityEvent): void {
    this.counters.security[kind]++;
    if (this.mayLog(kind))
      this.log("error", () => line`security: ${plain(kind)} ${plain(code ?? "")} suspected ${suspected}`);
    if (this.#options.health && (this.#options.health.onEvent ?? true) && !this.#stopped) this.reportEvent();
  }

  /** @internal The device stops: the log is kept. */
  stop(): void {
    const { timer } = this.attached().platform;
    this.keepLog();
    timer.clear(this.#reportTimer);
    this.#reportTimer = undefined;
    // What is logged from here on stays in RAM: the device has closed its memory, and nothing may call it back.
    this.#stopped = true;
  }

  /** An attacker must not push out of the log what it held before him. */
  private mayLog(what: SecurityKind | ErrorCode): boolean {
    const now = this.#host?.platform.ticks() ?? 0;
    let limit = this.#limits.get(what);
    if (limit === undefined) this.#limits.set(what, (limit = new RateLimit(SAME_LINES, SAME_PERIOD, now)));
    return limit.take(now);
  }

  private schedule(): void {
    const { interval = 3_600_000 } = this.#options.health ?? { interval: 0 };
    if (interval === 0) return;
    const { platform, isConnected } = this.attached();
    this.#reportTimer = platform.timer.set(() => {
      this.schedule();
      if (isConnected()) void this.publishReport("schedule").catch(() => undefined);
    }, interval);
  }

  private reportEvent(): void {
    const { platform, isConnected } = this.attached();
    if (this.#wanted && !isConnected()) return;
    this.#wanted = true;
    if (!isConnected() || this.#publishing) return;
    if (!this.#reports!.take(platform.ticks())) {
      // What was held back is in the counters of the next one.
      this.counters.reportsHeldBack++;
      return;
    }
    this.#wanted = false;
    void this.publishReport("event").catch(() => undefined);
  }

  private async publishReport(reason: HealthReport["reason"]): Promise<void> {
    const { publish } = this.attached();
    const { topic = "%c/health", format = "cbor", qos = 1, seal = false } = this.#options.health ?? {};
    // One at a time: on a slow link reports must not pile up in the queue.
    if (this.#publishing) return;
    this.#publishing = true;
    try {
      const report = this.report(reason);
      const payload = format === "json" ? toUTF8(JSON.stringify(report)) : encodeCBOR(toCBOR(report));
      this.counters.reports++;
      await publish(topic, payload, { qos, ...(seal && { seal }) });
    } catch (error) {
      this.log("warning", () => line`no health report: ${error}`);
      throw error;
    } finally {
      this.#publishing = false;
    }
  }

  private keepLog(): void {
    const host = this.#host;
    host?.platform.timer.clear(this.#keepTimer);
    this.#keepTimer = undefined;
    host?.keep((maximum) => this.#ring.save(maximum));
  }

  /** @returns the bytes that are free now */
  private lookAtHeap(): number | undefined {
    const free = freeHeap(this.#host?.platform.heap());
    if (free !== undefined) this.counters.heapLowWater = Math.min(this.counters.heapLowWater ?? free, free);
    return free;
  }

  private attached(): MonitorHost {
    if (this.#host === undefined) throw new SealwireError("INVALID_STATE", "The monitor belongs to no device yet.");
    return this.#host;
  }
}

/** Objects become maps with text keys. */
function toCBOR(value: unknown): CBORValue {
  if (Array.isArray(value)) return value.map(toCBOR);
  if (typeof value === "object" && value !== null)
    return new Map(Object.entries(value).map(([key, item]) => [key, toCBOR(item)]));
  return typeof value === "number" ? Math.round(value) : (value as CBORValue);
}
