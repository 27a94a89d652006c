/** A fleet of devices that loses its broker, on manual time: the real `Link` and its schedule, a model of the broker. */
import { SealwireError, type ErrorCode } from "../../src/errors.js";
import { Link } from "../../src/link/index.js";
import type { PlatformTimer } from "../../src/platform.js";

export interface FleetOptions {
  readonly devices: number;
  /** Milliseconds for which the broker is away. */
  readonly outage: number;
  readonly seed: number;
  /** What an attempt meets while the broker is away: an answer at once, or none for 30 s. */
  readonly away: "refuses" | "is silent";
}

export interface FleetResult {
  /** Times of all attempts to connect, milliseconds since the broker was lost, in order. */
  readonly attempts: readonly number[];
  /** The most attempts within any period of one second. */
  readonly worstSecond: number;
  /** Milliseconds from the broker's return until the last device was connected. */
  readonly recovered: number;
}

/** Milliseconds that a handshake takes, and an attempt that nobody answers. */
const HANDSHAKE = 200;
const SILENCE = 30_000;

export function simulateFleet({ devices, outage, seed, away }: FleetOptions): FleetResult {
  const time = new EventQueue();
  const random = generator(seed);
  const attempts: number[] = [];
  let recovered = 0;
  let connected = 0;
  const links: Link[] = [];
  let isUp = true;
  let isLost = false;
  for (let i = 0; i < devices; i++) {
    const link: Link = new Link({
      platform: { timer: time.timer, ticks: () => time.now, network: undefined, crypto: { random } as never },
      connect: () => {
        if (isLost) attempts.push(time.now);
        const end = (code?: ErrorCode): void => {
          if (code) link.lost(new SealwireError(code, ""));
          else {
            link.connected();
            if (++connected === devices) recovered = time.now - outage;
          }
        };
        // Who is on the way when the broker leaves or comes back meets what is there at the end of it.
        if (isUp) time.timer.set(() => end(isUp ? undefined : "CONNECTION_LOST"), HANDSHAKE);
        else if (away === "refuses") time.timer.set(() => end("CONNECTION_REFUSED"), 5);
        else time.timer.set(() => end("TIMEOUT"), SILENCE);
      },
      abort: () => undefined,
      onLost: () => undefined,
    });
    links.push(link);
    link.start();
  }
  // All of them are connected, and have been for long.
  time.runTo(0);
  connected = 0;
  isLost = true;
  isUp = outage === 0;
  time.timer.set(() => (isUp = true), outage);
  for (const link of links) link.lost(new SealwireError("CONNECTION_LOST", ""));
  while (connected < devices && time.step());
  for (const link of links) link.stop();
  return { attempts, worstSecond: mostWithin(attempts, 1000), recovered };
}

/** The most of these times, in order, that lie within any period of so many milliseconds. */
export function mostWithin(times: readonly number[], period: number): number {
  let most = 0;
  let first = 0;
  times.forEach((time, last) => {
    while (times[first]! <= time - period) first++;
    most = Math.max(most, last - first + 1);
  });
  return most;
}

interface QueuedEvent {
  readonly at: number;
  readonly order: number;
  callback: (() => void) | undefined;
}

/** Time that jumps from event to event: a binary heap, for fleets have many timers. */
class EventQueue {
  /** The broker is lost at 0. */
  now = -120_000;
  readonly #heap: QueuedEvent[] = [];
  #order = 0;

  readonly timer: PlatformTimer = {
    set: (callback, milliseconds) => {
      const event = { at: this.now + milliseconds, order: this.#order++, callback };
      this.#push(event);
      return event;
    },
    clear: (handle) => {
      if (handle) (handle as QueuedEvent).callback = undefined;
    },
  };

  /** @returns false when nothing is left to happen */
  step(): boolean {
    const event = this.#pop();
    if (event === undefined) return false;
    if (event.callback) {
      this.now = event.at;
      event.callback();
    }
    return true;
  }

  /** Lets everything happen that is due by then. */
  runTo(end: number): void {
    while (this.#heap[0] && this.#heap[0].at <= end) this.step();
    this.now = end;
  }

  #push(event: QueuedEvent): void {
    const heap = this.#heap;
    let i = heap.length;
    heap.push(event);
    for (let parent = (i - 1) >> 1; i > 0 && isBefore(event, heap[parent]!); parent = (i - 1) >> 1) {
      heap[i] = heap[parent]!;
      heap[(i = parent)] = event;
    }
  }

  #pop(): QueuedEvent | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return first;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!isBefore(heap[child]!, last)) break;
      heap[i] = heap[child]!;
      i = child;
    }
    heap[i] = last;
    return first;
  }
}

function isBefore(a: QueuedEvent, b: QueuedEvent): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

/** Reproducible bytes (mulberry32): each run of a seed is the same. */
function generator(seed: number): (byteLength: number) => Uint8Array {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  };
  return (byteLength) => {
    const bytes = new Uint8Array(byteLength);
    for (let i = 0; i < byteLength; i++) bytes[i] = next() >>> 24;
    return bytes;
  };
}
