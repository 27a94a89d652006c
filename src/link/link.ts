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
import { retryPolicy } from "./retry-policy.js";

export interface LinkOptions {
  readonly platform: Pick<Platform, "timer" | "network" | "crypto">;
  /** Starts a connection. Its fate is told by {@link Link.connected} and {@link Link.lost}; what it throws counts as lost. */
  readonly connect: () => void;
  /** Drops the connection, because the device's own network is gone. */
  readonly abort: () => void;
  /** A connection failed or ended. `willRetryIn` is milliseconds; `undefined` while the network is down: as soon as it is up. */
  readonly onLost: (cause: SealwireError | undefined, willRetryIn: number | undefined) => void;
  readonly reconnectSpread?: readonly number[] | undefined;
  /** A connection that lasted so long resets the waits. 60,000 ms when left out. */
  readonly stablePeriod?: number | undefined;
  /** From {@link Link.save}, before a deep sleep. */
  readonly saved?: Uint8Array | undefined;
}

export type LinkState = "stopped" | "waiting" | "connecting" | "connected";

export class Link {
  readonly #options: LinkOptions;
  readonly #schedule: ReconnectSchedule;
  #state: LinkState = "stopped";
  #timer: TimerHandle;
  #unobserve: (() => void) | undefined;

  constructor(options: LinkOptions) {
    this.#options = options;
    this.#schedule = new ReconnectSchedule(options.platform.crypto, options.reconnectSpread, options.saved);
  }

  get state(): LinkState {
    return this.#state;
  }

  /** Connects at once when the network is up, else as soon as it is. After a wake that follows failures the wait goes on. */
  start(): void {
    if (this.#state !== "stopped") return;
    this.#unobserve = this.#options.platform.network?.observe((up) => {
      if (up) this.#networkUp();
      else this.#networkDown();
    });
    this.#state = "waiting";
    if (!this.#isNetworkUp()) return;
    if (this.#schedule.attempts === 0) this.#connect();
    else this.#wait(this.#schedule.next("local"));
  }

  /** Ends all waiting. The connection, if there is one, is the caller's to end. */
  stop(): void {
    this.#state = "stopped";
    this.#clearTimer();
    this.#unobserve?.();
    this.#unobserve = undefined;
  }

  /** The server accepted the connection. */
  connected(): void {
    if (this.#state !== "connecting") return;
    this.#state = "connected";
    this.#timer = this.#options.platform.timer.set(() => this.#schedule.reset(), this.#options.stablePeriod ?? 60_000);
  }

  /** The connection failed or ended. */
  lost(error: SealwireError | undefined): void {
    if (this.#state !== "connecting" && this.#state !== "connected") return;
    const wasConnected = this.#state === "connected";
    this.#clearTimer();
    this.#state = "waiting";
    const cause = this.#isNetworkUp()
      ? error
      : new SealwireError("NETWORK_DOWN", "The device's network is down.", { cause: error });
    let wait: number | undefined;
    if (this.#isNetworkUp()) {
      wait = this.#schedule.next(retryPolicy(error, wasConnected));
      this.#wait(wait);
    }
    this.#options.onLost(cause, wait);
  }

  /** The connection is ended on purpose, to connect anew: its loss does not count. Nothing is started before {@link resume}. */
  hold(): void {
    if (this.#state === "stopped") return;
    this.#clearTimer();
    this.#state = "waiting";
  }

  /** Connects at once, or as soon as the network is up. */
  resume(): void {
    if (this.#state === "waiting" && this.#isNetworkUp()) this.#wait(0);
  }

  /** The device is about to sleep on purpose, its work acknowledged: failures of the past no longer count. */
  restful(): void {
    this.#schedule.reset();
  }

  /** What must survive deep sleep. */
  save(): Uint8Array {
    return this.#schedule.save();
  }

  #isNetworkUp(): boolean {
    return this.#options.platform.network?.up ?? true;
  }

  #networkUp(): void {
    // A network that tells twice that it is up must not put off, or hasten, what already has its time.
    if (this.#state === "waiting" && this.#timer === undefined) this.#wait(this.#schedule.next("local"));
  }

  #networkDown(): void {
    this.#clearTimer();
    if (this.#state === "waiting" || this.#state === "stopped") return;
    this.#options.abort();
    this.lost(undefined);
  }

  #wait(milliseconds: number): void {
    this.#clearTimer();
    this.#timer = this.#options.platform.timer.set(() => {
      this.#timer = undefined;
      this.#connect();
    }, milliseconds);
  }

  #connect(): void {
    this.#state = "connecting";
    try {
      this.#options.connect();
    } catch (error) {
      this.lost(
        error instanceof SealwireError ? error : new SealwireError("INVALID_STATE", String(error), { cause: error }),
      );
    }
  }

  #clearTimer(): void {
    this.#options.platform.timer.clear(this.#timer);
    this.#timer = undefined;
  }
}
