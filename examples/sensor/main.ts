/**
 * A deep-sleep sensor: it wakes, publishes one reading, and sleeps again.
 *
 * The reading is published before the device starts. So it leaves together with MQTT's CONNECT on a TLS session that is resumed: three round trips from
 * the first packet to the acknowledgement, TCP's own included. A device without a network gives up after a while, and keeps the reading for the next wake.
 */
import { Device } from "sealwire";
import { platform } from "sealwire/host";

const AWAKE = 20_000;
const SLEEP = 600_000;

const device = new Device({
  platform,
  onConnected: ({ resumed, milliseconds }) => {
    platform.log(`connected in ${Math.round(milliseconds)} ms, ${resumed ? "resumed" : "full handshake"}`);
  },
});

const reading = { uptime: Math.round(platform.ticks()), heap: platform.heap()?.heap?.used };
// QoS 1: when it is not acknowledged before the sleep, it waits in retained memory, and goes out with the next wake.
const published = device.publish("%c/telemetry", JSON.stringify(reading), { qos: 1 });
published.catch(() => undefined);
try {
  await device.start({ timeout: AWAKE });
  await published;
} catch (error) {
  platform.log(`not acknowledged: ${String(error)}`);
}
await device.sleep(SLEEP);
