/*
 * The SDK imports an app's module `main` at once, which forbids `await` at its top; its option to allow that hides every error. This module
 * is started instead, and imports `main`: an error there ends the program as any that nobody catches does.
 */
import Timer from "timer";

export default function () {
  import("main")
    .then(({ default: main }) => {
      if (typeof main === "function") main();
      else main?.onLaunch?.();
    })
    // A rejection that nobody handles is noticed when garbage is collected, if ever: an exception is at once.
    .catch((error) => {
      Timer.set(() => {
        throw error;
      }, 0);
    });
}
