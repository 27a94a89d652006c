/**
 * When to connect. A link starts one connection after the other, as causes and the device's network allow; what a connection is
 * and what travels on it is not its affair.
 *
 * ```
 *            start              network up, or wait over
 *  stopped --------> waiting ----------------------------> connecting
 *     ^                 ^                                   |    | connected()
 *     | stop            |  lost(): wait by its cause        |    v
 *     +-----------------+<----------------------------------+-- connected
 * ```
 */
import { SealwireError } from "../errors.js";
import type { Platform, TimerHandle } from "../platform.js";
import { ReconnectSchedule } from "./reconnect-schedule.js";
import { retryPolicy, type RetryPolicy } from "./retry-policy.js";
import { TakeoverWatch } from "./takeover-watch.js";

/** A connection that failed or ended, and what follows. */
export interface LinkLoss {
  readonly cause: SealwireError | undefined;
  /** Milliseconds; `undefined` while the network is down: as soon as it is up. */
  readonly willRetryIn: number | undefined;
  /** The cause is inferred (`MQTT_TAKEN_OVER` over MQTT 3.1.1), not told by the server. */
  readonly suspected: boolean;
}

export interface LinkOptions {
  readonly platform: Pick<Platform, "timer" | "network" | "crypto" | "ticks">;
  /** Starts a connection. Its fate is told by {@link Link.connected} and {@link Link.lost}; what it throws counts as lost. */
  readonly connect: () => void;
  /** Drops the connection, because the device's own network is gone. */
  readonly abort: () => void;
  readonly onLost: (loss: LinkLoss) => void;
  readonly reconnectSpread?: readonly number[] | undefined;
  /** The first connection waits for a time drawn from 0 to this, milliseconds; 0 when left out. */
  readonly startSpread?: number | undefined;
  /** A connection that lasted so long resets the waits. 60,000 ms when left out. */
  readonly stablePeriod?: number | undefined;
  /** From {@link Link.save}, before a deep sleep. */
  readonly saved?: Uint8Array | undefined;
}

export type LinkState = "stopped" | "waiting" | "connecting" | "connected";

/** Bytes of {@link Link.save}: those of the schedule, and the count of suspicious ends. */
const SAVED = 3;

export class Link {
  readonly #options: LinkOptions;
  readonly #schedule: ReconnectSchedule;
  readonly #takeover: TakeoverWatch;
  #state: LinkState = "stopped";
  #timer: TimerHandle;
  #unobserve: (() => void) | undefined;

  constructor(options: LinkOptions) {
    const { platform, reconnectSpread, saved, startSpread = 0 } = options;
    if (!(startSpread >= 0 && startSpread < 2 ** 31))
      throw new SealwireError("INVALID_ARGUMENT", "startSpread must be milliseconds, 0 or more.");
    this.#options = options;
    const whole = saved?.byteLength === SAVED ? saved : undefined;
    this.#schedule = new ReconnectSchedule(platform.crypto, reconnectSpread, whole?.subarray(0, 2));
    this.#takeover = new TakeoverWatch(whole?.[2]);
  }

  get state(): LinkState {
    return this.#state;
  }

  /**
   * Connects at once when the network is up and `startSpread` is 0, else as soon as they allow. After a wake that follows failures the wait goes
   * on.
   */
  start(): void {
    if (this.#state !== "stopped") return;
    this.#unobserve = this.#options.platform.network?.observe((up) => {
      if (up) this.networkUp();
      else this.networkDown();
    });
    this.#state = "waiting";
    if (!this.isNetworkUp()) return;
    const { startSpread = 0 } = this.#options;
    if (this.#schedule.attempts > 0) this.wait(this.#schedule.next("local"));
    else if (startSpread > 0) this.wait(this.#schedule.draw(startSpread));
    else this.connect();
  }

  /** Ends all waiting. The connection, if there is one, is the caller's to end. */
  stop(): void {
    this.#state = "stopped";
    this.clearTimer();
    this.#unobserve?.();
    this.#unobserve = undefined;
  }

  /** The server accepted the connection. */
  connected(): void {
    if (this.#state !== "connecting") return;
    const { platform, stablePeriod = 60_000 } = this.#options;
    this.#state = "connected";
    this.#takeover.accepted(platform.ticks());
    this.#timer = platform.timer.set(() => {
      this.#schedule.reset();
      this.#takeover.reset();
    }, stablePeriod);
  }

  /**
   * The connection failed or ended.
   * @param policy in place of what the error says by itself
   */
  lost(error: SealwireError | undefined, policy?: RetryPolicy): void {
    if (this.#state !== "connecting" && this.#state !== "connected") return;
    const wasConnected = this.#state === "connected";
    this.clearTimer();
    this.#state = "waiting";
    const up = this.isNetworkUp();
    const suspected = this.#takeover.ended(
      this.#options.platform.ticks(),
      wasConnected && up && error?.code === "CONNECTION_LOST",
    );
    const cause = suspected ? takenOver(error) : up ? error : networkDown(error);
    let willRetryIn: number | undefined;
    if (up) {
      willRetryIn = this.#schedule.next(policy ?? retryPolicy(cause, wasConnected));
      this.wait(willRetryIn);
    }
    this.#options.onLost({ cause, willRetryIn, suspected });
  }

  /** The connection is ended on purpose, to connect anew: its loss does not count. Nothing is started before {@link resume}. */
  hold(): void {
    if (this.#state === "stopped") return;
    this.clearTimer();
    this.#state = "waiting";
  }

  /** Connects at once, or as soon as the network is up. */
  resume(): void {
    if (this.#state === "waiting" && this.isNetworkUp()) this.wait(0);
  }

  /** The device is about to sleep on purpose, its work acknowledged: failures of the past no longer count. */
  restful(): void {
    this.#schedule.reset();
  }

  /** What must survive deep sleep. */
  save(): Uint8Array {
    const saved = new Uint8Array(SAVED);
    saved.set(this.#schedule.save());
    saved[2] = this.#takeover.count;
    return saved;
  }

  private isNetworkUp(): boolean {
    return this.#options.platform.network?.up ?? true;
  }

  private networkUp(): void {
    // A network that tells twice that it is up must not put off, or hasten, what already has its time.
    if (this.#state === "waiting" && this.#timer === undefined) this.wait(this.#schedule.next("interface"));
  }

  private networkDown(): void {
    this.clearTimer();
    if (this.#state === "waiting" || this.#state === "stopped") return;
    this.#options.abort();
    this.lost(undefined);
  }

  private wait(milliseconds: number): void {
    this.clearTimer();
    this.#timer = this.#options.platform.timer.set(() => {
      this.#timer = undefined;
      this.connect();
    }, milliseconds);
  }

  private connect(): void {
    this.#state = "connecting";
    try {
      this.#options.connect();
    } catch (error) {
      this.lost(
        error instanceof SealwireError ? error : new SealwireError("INVALID_STATE", String(error), { cause: error }),
      );
    }
  }

  private clearTimer(): void {
    this.#options.platform.timer.clear(this.#timer);
    this.#timer = undefined;
  }
}

function networkDown(cause: SealwireError | undefined): SealwireError {
  return new SealwireError("NETWORK_DOWN", "The device's network is down.", { cause });
}

function takenOver(cause: SealwireError | undefined): SealwireError {
  const message =
    "The server closes each connection soon after it accepted it: another client probably uses this client identifier.";
  return new SealwireError("MQTT_TAKEN_OVER", message, { cause });
}
