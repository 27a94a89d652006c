/** Fixture: more timers than 16 bits can number, some of them cleared. */
import { createPlatform } from "../../../hosts/xs/index.js";
import { argument } from "../../../hosts/xs/native/system.js";

const total = 75_000;
const platform = createPlatform({ folder: argument(0)! });
let fired = 0;
let wrong = 0;

function next(count: number): void {
  if (count === total) {
    const { chunks, slots, stack } = platform.heap() ?? {};
    const known = [chunks, slots, stack].every((area) => area && area.used <= area.peak && area.peak <= area.total);
    platform.log(`${fired} fired, ${wrong} wrong, heap ${known && slots!.used > 0 ? "known" : "unknown"}`);
    return;
  }
  const cleared = platform.timer.set(() => wrong++, 0);
  platform.timer.set(() => {
    fired++;
    next(count + 1);
  }, 0);
  platform.timer.clear(cleared);
}

next(0);
