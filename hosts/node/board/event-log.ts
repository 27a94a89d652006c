/** Events in order, and those who wait for them. */
import { SealwireError } from "../../../src/errors.js";
import type { PlatformEvent } from "../../../src/platform.js";

/** Events kept for waits to come; older ones are dropped. */
const maximumEvents = 1000;

interface Waiter {
  readonly predicate: (event: PlatformEvent) => boolean;
  readonly what: string;
  readonly resolve: (event: PlatformEvent) => void;
  readonly reject: (error: SealwireError) => void;
}

export class EventLog {
  /** Those that nobody waited for yet. */
  #events: PlatformEvent[] = [];
  readonly #waiters = new Set<Waiter>();
  #end: SealwireError | undefined;

  push(event: PlatformEvent): void {
    const waiters = [...this.#waiters].filter(({ predicate }) => predicate(event));
    for (const waiter of waiters) waiter.resolve(event);
    if (waiters.length > 0) this.#events = [];
    else this.#events.push(event);
    if (this.#events.length > maximumEvents) this.#events.shift();
  }

  /** No event will come any more: who waits hears why. */
  end(reason: SealwireError): void {
    this.#end = reason;
    for (const waiter of this.#waiters) waiter.reject(ended(waiter.what, reason));
  }

  /** Events will come again. */
  reopen(): void {
    this.#end = undefined;
  }

  waitFor(predicate: (event: PlatformEvent) => boolean, timeout: number, what: string): Promise<PlatformEvent> {
    const index = this.#events.findIndex(predicate);
    const found = this.#events[index];
    if (found !== undefined) {
      this.#events = this.#events.slice(index + 1);
      return Promise.resolve(found);
    }
    if (this.#end !== undefined) return Promise.reject(ended(what, this.#end));
    return new Promise((resolve, reject) => {
      const settle = <T>(settler: (value: T) => void, value: T): void => {
        clearTimeout(timer);
        this.#waiters.delete(waiter);
        settler(value);
      };
      const waiter: Waiter = {
        predicate,
        what,
        resolve: (event) => settle(resolve, event),
        reject: (error) => settle(reject, error),
      };
      const timer = setTimeout(() => waiter.reject(this.#timeout(what, timeout)), timeout);
      this.#waiters.add(waiter);
    });
  }

  #timeout(what: string, timeout: number): SealwireError {
    const last = this.#events.slice(-3).map(({ event }) => event);
    const seen = last.length === 0 ? "nothing happened meanwhile" : `last seen: ${last.join(", ")}`;
    return new SealwireError("TIMEOUT", `Waited ${timeout} ms for ${what}; ${seen}.`);
  }
}

function ended(what: string, reason: SealwireError): SealwireError {
  return new SealwireError(reason.code, `Waiting for ${what}: ${reason.message}`, { cause: reason });
}
