/**
 * Telemetry: a sensor that publishes a few readings and sleeps.
 *
 * Each wake begins here, at the top. The first connection checks the broker's certificate in a full TLS handshake; the ones after
 * it, be it after a lost network, a deep sleep or a power cut, resume.
 */
import { Device } from "sealwire";
import { platform } from "sealwire/host";

const READINGS = 4;
const PERIOD = 250;
const SLEEP = 500;

const device = new Device({
  platform,
  onConnected: ({ protocol, resumed }) => {
    platform.log(`connected: ${protocol}, ${resumed ? "resumed" : "full handshake"}`);
  },
  onDisconnected: ({ cause, willRetryIn }) => {
    const next = willRetryIn === undefined ? "once the network is up" : `in ${Math.round(willRetryIn)} ms`;
    platform.log(`disconnected: ${cause?.message ?? "closed"} Next try ${next}.`);
  },
  onError: (error) => {
    platform.log(`${error.code}: ${error.message}`);
  },
});

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => {
    platform.timer.set(resolve, milliseconds);
  });
}

platform.log(`${device.clientIdentifier} starts (${platform.wakeCause})`);
await device.start();
for (let count = 1; count <= READINGS; count++) {
  const reading = { count, uptime: Math.round(platform.ticks()), heap: platform.heap()?.heap?.used };
  await device.publish("%c/telemetry", JSON.stringify(reading), { qos: 1 });
  await pause(PERIOD);
}
platform.log(`sleeps for ${SLEEP} ms`);
await device.sleep(SLEEP);
