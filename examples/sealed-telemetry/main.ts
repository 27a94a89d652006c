/**
 * A sensor of a fleet: its credentials, its permissions and its payload secret are what `sealwire provision` gave it.
 *
 * Readings are sealed: the broker passes them on and cannot read them. Commands must come sealed, so that nobody but the back end can give any; those that came
 * during a sleep are delivered with the next connection.
 */
import { Device, Vault } from "sealwire";
import { platform } from "sealwire/host";
import { Permissions } from "sealwire/permissions";
import { Sealing } from "sealwire/sealing";

const READINGS = 3;
const PERIOD = 200;
const SLEEP = 1_000;

const { storage, crypto, rootOfTrust, counter } = platform;
const vault = Vault.open({ storage, crypto, rootOfTrust, counter, clock: { now: () => platform.time()?.now } });

const device = new Device({
  platform,
  vault,
  // 12 bytes a message less than the encoding cose; a back end reads both.
  sealing: new Sealing({ encoding: "compact" }),
  permissions: (json) => Permissions.parse(json),
  onConnected: ({ protocol, resumed }) =>
    platform.log(`connected: ${String(protocol)}, ${resumed ? "resumed" : "full handshake"}`),
  onDisconnected: ({ cause }) => platform.log(`disconnected: ${cause?.message ?? "closed"}`),
  onSecurity: ({ kind, message }) => platform.log(`security: ${kind}: ${message}`),
  onError: ({ code, message }) => platform.log(`${code}: ${message}`),
});

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => {
    platform.timer.set(resolve, milliseconds);
  });
}

void device.subscribe(
  "%c/commands",
  async ({ payload }) => {
    const command = String.fromCharCode(...payload.subarray(0, 64));
    platform.log(`command: ${command}`);
    await device.publish("%c/answers", `done: ${command}`, { qos: 1, seal: true });
  },
  { qos: 1, sealed: true },
);

await device.start();
for (let count = 1; count <= READINGS; count++) {
  const reading = { count, uptime: Math.round(platform.ticks()) };
  await device.publish("%c/telemetry", JSON.stringify(reading), { qos: 1, seal: true });
  await pause(PERIOD);
}
// What its permissions do not allow is refused here, before anything is sent.
await device.publish("%c/secrets", "x", { seal: true }).catch((error: unknown) => {
  const message = error instanceof Error ? error.message : String(error);
  platform.log(message);
  platform.observe?.({ event: "refused", message });
});
await device.sleep(SLEEP);
