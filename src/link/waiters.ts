/** Promises of a connection that is still to come. */
import { SealwireError } from "../errors.js";
import type { PlatformTimer } from "../platform.js";

interface Waiter {
  readonly resolve: () => void;
  readonly reject: (error: SealwireError) => void;
}

export class Waiters {
  readonly #timer: PlatformTimer;
  #waiters: Waiter[] = [];

  constructor(timer: PlatformTimer) {
    this.#timer = timer;
  }

  /**
   * @param timeout milliseconds after which the promise is rejected with `TIMEOUT`; never when left out
   * @param cause asked for at that moment
   */
  add(timeout: number | undefined, cause: () => SealwireError | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const remove = (): void => {
        this.#timer.clear(handle);
        this.#waiters = this.#waiters.filter((other) => other !== waiter);
      };
      const waiter: Waiter = {
        resolve: () => {
          remove();
          resolve();
        },
        reject: (error) => {
          remove();
          reject(error);
        },
      };
      const late = (): void => {
        const message = `The device was not connected within ${timeout} ms.`;
        waiter.reject(new SealwireError("TIMEOUT", message, { cause: cause() }));
      };
      const handle = timeout === undefined ? undefined : this.#timer.set(late, timeout);
      this.#waiters.push(waiter);
    });
  }

  /** Fulfils all of them, or rejects them with `error`. */
  settle(error?: SealwireError): void {
    for (const waiter of this.#waiters) {
      if (error) waiter.reject(error);
      else waiter.resolve();
    }
  }
}
