/** The process that is measured. */
import { MQTTJSContestant } from "./mqtt-js-worker.js";
import type { FromWorker, ToWorker, WakeSettings } from "./protocol.js";
import { SealwireContestant } from "./sealwire-worker.js";

const settings = JSON.parse(process.argv[2]!) as WakeSettings;
const contestant =
  settings.contestant === "sealwire" ? new SealwireContestant(settings) : new MQTTJSContestant(settings);
let wakes = 0;

function tell(message: FromWorker): void {
  process.send!(message);
}

process.on("message", (message: ToWorker) => {
  void (async () => {
    if (message === "wake")
      tell({ kind: "acknowledged", result: await contestant.wake(`reading ${String(++wakes).padStart(3, "0")}`) });
    else if (message === "sleep") {
      await contestant.sleep();
      tell({ kind: "asleep" });
    } else process.exit(0);
  })();
});
