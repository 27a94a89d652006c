/** Microtasks for which nobody waits. */

/**
 * What `then()` makes its result with, in place of a promise: a promise and its two functions are eighteen slots of the heap, for each
 * task, and nobody looks at them. What a task throws goes to the host, as from any other callback.
 */
// eslint-disable-next-line @typescript-eslint/no-extraneous-class -- then() wants a constructor
class Task {
  constructor(executor: (resolve: () => void, reject: (error: unknown) => void) => void) {
    executor(done, failed);
  }

  static get [Symbol.species](): typeof Task {
    return Task;
  }
}

const done = (): void => undefined;
const failed = (error: unknown): never => {
  throw error;
};

/** Is there already: `NOW.then(task)` calls a task with `null` when the present job is over. One for all connections: it lies in flash. */
export const NOW = Object.defineProperty(Promise.resolve(null), "constructor", { value: Task });
