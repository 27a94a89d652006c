/** What tests do when Mosquitto is not installed. */
import { findMosquitto, installMosquitto } from "../../../tools/brokers/index.js";

/** Skips the test, unless SEALWIRE_NO_SKIP=1 says that everything must be there. */
export function requireMosquitto(context: Mocha.Context): void {
  if (findMosquitto() !== undefined) return;
  if (process.env["SEALWIRE_NO_SKIP"] === "1") throw new Error(`Mosquitto is not installed: ${installMosquitto}.`);
  console.log(`      Mosquitto is not installed: ${installMosquitto}.`);
  context.skip();
}
