/** Time, power, memory: what else a board has. */

/** A timer that was set. */
export type TimerHandle = unknown;

/** Timers. Callbacks may be late, never early. */
export interface PlatformTimer {
  /** Calls back once, after `milliseconds`. */
  set(callback: () => void, milliseconds: number): TimerHandle;
  /** Ends a timer; safe for one that fired or was cleared, and for `undefined`. */
  clear(timer: TimerHandle): void;
}

/** What the wall clock says. */
export interface WallTime {
  /** Milliseconds since 1970-01-01T00:00:00Z. */
  readonly now: number;
  /** Who set it: SNTP is not authenticated, a real-time clock may have been set by it. */
  readonly source: "sntp" | "rtc" | "host";
  /** The time may be wrong by this many milliseconds either way, the source being honest. */
  readonly uncertainty: number;
}

/** The device's own network interface. */
export interface PlatformNetwork {
  readonly up: boolean;
  /** Calls back at every change. @returns a function that ends it */
  observe(listener: (up: boolean) => void): () => void;
}

/** Why the program started: power (also a reset that lost RTC memory), the end of a deep sleep, `restart()`, or the watchdog. */
export type WakeCause = "power" | "sleep" | "restart" | "watchdog";

export interface Watchdog {
  feed(): void;
}

/** Figures of one memory area, in bytes. */
export interface MemoryFigures {
  readonly used: number;
  readonly peak: number;
  readonly total: number;
}

/** Memory of the JavaScript engine; areas that the engine does not have are left out. */
export interface HeapFigures {
  readonly chunks?: MemoryFigures;
  readonly slots?: MemoryFigures;
  readonly stack?: MemoryFigures;
  /** Where the engine has one undivided heap. */
  readonly heap?: MemoryFigures;
}

/** Something that a simulator or test harness wants to see from outside. Holds no secret. */
export interface PlatformEvent {
  readonly event: string;
  readonly [detail: string]: string | number | boolean | undefined;
}
