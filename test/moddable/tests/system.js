/* What the portable tests' runner takes from the XS host, of the Moddable SDK. */
import Time from "time";
import Timer from "timer";

export { environment, exit } from "sealwire/hosts/simulator/native/desktop";

export const print = (line) => trace(`${line}\n`);
export const ticks = () => Time.ticks;
export const time = () => Date.now();
export const setTimer = (callback, milliseconds) => Timer.set(callback, Math.max(0, Math.ceil(milliseconds)));
export const clearTimer = (timer) => Timer.clear(timer);
