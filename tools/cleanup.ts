/** What must be undone when a command ends, however it ends. */
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";

/** Milliseconds that one step may take before the next is begun all the same. */
const longestStep = 5_000;

export class Cleanup {
  readonly #steps: (() => Promise<void> | void)[] = [];

  /** Undoes this before all that was added earlier. */
  add(step: () => Promise<void> | void): void {
    this.#steps.push(step);
  }

  /** A folder that only we can read, removed at the end, also when the process ends on the way. */
  temporaryFolder(prefix: string): string {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), prefix));
    const remove = (): void => {
      fs.rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
    };
    process.once("exit", remove);
    this.add(() => {
      process.off("exit", remove);
      remove();
    });
    return folder;
  }

  /**
   * Undoes everything; one failure does not keep the others from being undone. Nothing is left to do after it.
   * @returns what failed
   */
  async run(): Promise<unknown[]> {
    const failures: unknown[] = [];
    for (let step = this.#steps.pop(); step; step = this.#steps.pop()) {
      let timer: NodeJS.Timeout | undefined;
      try {
        const tooLong = new Promise<void>((_, reject) => {
          timer = setTimeout(() => reject(new Error("A part of the cleaning up took too long.")), longestStep);
        });
        await Promise.race([step(), tooLong]);
      } catch (error) {
        failures.push(error);
      } finally {
        clearTimeout(timer);
      }
    }
    return failures;
  }
}
