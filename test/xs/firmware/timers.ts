/** Fixture: more timers than 16 bits can number, some of them cleared. */
import { createPlatform } from "../../../hosts/xs/index.js";
import { argument } from "../../../hosts/xs/native/system.js";

const total = 75_000;
const platform = createPlatform({ folder: argument(0)! });
let fired = 0;
let wrong = 0;

function next(count: number): void {
  if (count === total) {
    platform.log(`${fired} fired, ${wrong} wrong`);
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
