/**
 * Always-on telemetry: a meter on mains power, which keeps its link up and publishes a reading every few seconds.
 *
 * While there is no link readings wait in the queue of the device (64 messages), each for ten minutes at most, and go out once it is back. The broker tells others when
 * the meter vanishes, and the meter when it is back. How it fares it says in a health report, once an hour and when something looks like an attack.
 */
import { Device } from "sealwire";
import { platform } from "sealwire/host";
import { line, Monitor } from "sealwire/monitor";

const PERIOD = 5000;
const USEFUL = 600_000;

const monitor = new Monitor({
  onLine: ({ level, text }) => platform.log(`${level}: ${text}`),
  health: { interval: 3_600_000 },
});

const device = new Device({
  platform,
  monitor,
  // The power of a whole street comes back at once.
  startSpread: 3000,
  will: { topic: "%c/status", message: "offline", QoS: 1, retain: true },
  onConnected: () => void publish("%c/status", "online", { qos: 1, retain: true }),
});

async function publish(...message: Parameters<Device["publish"]>): Promise<void> {
  try {
    await device.publish(...message);
  } catch (error) {
    // The queue was full, or the reading too old: the next one is worth more.
    monitor.log("warning", () => line`a message was dropped: ${error}`);
  }
}

let count = 0;

function measure(): void {
  const reading = { count: ++count, time: platform.time()?.now, uptime: Math.round(platform.ticks()) };
  void publish("%c/telemetry", JSON.stringify(reading), { qos: 1, expiry: USEFUL });
  platform.timer.set(measure, PERIOD);
}

measure();
await device.start();
platform.log(`${device.clientIdentifier} is up`);
