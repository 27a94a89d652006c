/** One request to the time server that the app's manifest names (`config.sntp`). */
import { config, SNTP } from "./chip-sdk.js";

/** `undefined` when there is none. */
export function timeServer(): ((answer: (seconds: number | undefined) => void) => void) | undefined {
  const host = config.sntp;
  if (host === undefined) return undefined;
  return (answer) => {
    new SNTP({ host }, (message, value) => {
      if (message === SNTP.retry) return;
      answer(message === SNTP.time && typeof value === "number" ? value : undefined);
    });
  };
}
