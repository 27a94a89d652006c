/**
 * Keeps a connection alive by real traffic: a ping is due only when nothing was sent for the interval (MQTT section 3.1.2.10). One timer
 * looks at the clock now and then; none is set anew for each packet.
 */
import type { PlatformTimer, TimerHandle } from "../platform.js";

/** A ping is due this much before the interval is over, so that it is on its way in time [MQTT-3.1.2-23] (3.1.1), [MQTT-3.1.2-20] (5.0). */
function margin(interval: number): number {
  return Math.min(1000, interval >> 3);
}

/** What a {@link KeepAlive} works with; times are milliseconds. */
export interface KeepAliveOptions {
  readonly timer: PlatformTimer;
  readonly ticks: () => number;
  readonly interval: number;
  /** How long an answer to a ping may take; half of the interval when left out, between 1 and 30 seconds. */
  readonly timeout: number | undefined;
  /** Ticks of the last packet that was sent. */
  readonly lastSent: () => number;
  /** Whether the application leaves bytes unread: the server's answer cannot get through then, and is not missed. */
  readonly paused: () => boolean;
  readonly ping: () => void;
  /** Nothing came from the server in time. */
  readonly onLost: () => void;
}

export class KeepAlive {
  /** Set by its owner whenever bytes arrived. */
  heard = false;
  readonly #options: KeepAliveOptions;
  readonly #interval: number;
  readonly #timeout: number;
  #pingedAt: number | undefined;
  #timer: TimerHandle;

  constructor(options: KeepAliveOptions) {
    const { interval, timeout = Math.min(30_000, Math.max(1000, interval >> 1)) } = options;
    this.#options = options;
    this.#interval = interval - margin(interval);
    this.#timeout = timeout;
    this.#set(this.#untilPing());
  }

  close(): void {
    this.#options.timer.clear(this.#timer);
    this.#timer = undefined;
  }

  #untilPing(): number {
    return this.#options.lastSent() + this.#interval - this.#options.ticks();
  }

  #set(milliseconds: number): void {
    this.#timer = this.#options.timer.set(() => this.#look(), Math.max(1, milliseconds));
  }

  #look(): void {
    const { ticks, paused, ping, onLost } = this.#options;
    if (this.#pingedAt !== undefined && !this.heard && !paused()) {
      const left = this.#pingedAt + this.#timeout - ticks();
      if (left > 0) this.#set(left);
      else onLost();
      return;
    }
    this.#pingedAt = undefined;
    const wait = this.#untilPing();
    if (wait > 0) {
      this.#set(wait);
      return;
    }
    // The ping counts as sent even if the transport takes nothing now: the connection is lost then if nothing comes either.
    this.heard = false;
    this.#pingedAt = ticks();
    this.#set(this.#timeout);
    ping();
  }
}
