/** Keeps a number of publications under way until all are done. */

/**
 * @param publish begins one and calls `done` once, at once or later
 * @param window how many may be under way
 */
export function sendAll(
  payloads: readonly Buffer[],
  window: number,
  publish: (payload: Buffer, done: (error?: unknown) => void) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    let sent = 0;
    let finished = 0;
    let filling = false;
    const done = (error?: unknown): void => {
      if (error !== undefined && error !== null) {
        reject(error instanceof Error ? error : new Error("A publication failed."));
        return;
      }
      finished++;
      if (finished === payloads.length) resolve();
      else fill();
    };
    // One that is done at once must not begin the next from within itself.
    const fill = (): void => {
      if (filling) return;
      filling = true;
      while (sent < payloads.length && sent - finished < window) publish(payloads[sent++]!, done);
      filling = false;
    };
    fill();
  });
}
