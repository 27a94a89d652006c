/** Compiles C, those files that are not up to date. */
import { execFile } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** When a file was changed, 0 when there is none. */
export const modified = (file: string): number => statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0;

/**
 * Compiles `sources` into `folder`, two at a time: those that changed, that are older than `newest`, or all of them when the options are
 * not those of the last time.
 * @returns the object files
 */
export async function compileAll(
  sources: readonly string[],
  folder: string,
  options: readonly string[],
  newest: number,
): Promise<string[]> {
  mkdirSync(folder, { recursive: true });
  const stamp = join(folder, "options");
  const text = options.join("\n");
  if (!existsSync(stamp) || readFileSync(stamp, "utf8") !== text) writeFileSync(stamp, text);
  const oldest = Math.max(newest, modified(stamp));
  const todo = sources.map((source) => ({ source, object: join(folder, `${basename(source, ".c")}.o`) }));
  const stale = todo.filter(({ source, object }) => modified(object) <= Math.max(modified(source), oldest));
  const work = async (): Promise<void> => {
    for (let next = stale.pop(); next; next = stale.pop()) {
      // Under another name first: another build may be about to link what lies here.
      const unfinished = `${next.object}.${process.pid}.tmp`;
      await run("cc", [...options, "-c", next.source, "-o", unfinished], { maxBuffer: 1 << 24 });
      renameSync(unfinished, next.object);
    }
  };
  await Promise.all([work(), work()]);
  return todo.map(({ object }) => object);
}
