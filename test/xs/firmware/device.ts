/**
 * Fixture: the telemetry firmware as it goes to a chip: a device with a vault and mutual TLS. It publishes one message and sleeps. Its memory is measured
 * at each step. Arguments: the device's folder, in which it was provisioned, and `measure` to have the steps measured.
 */
import { createPlatform } from "../../../hosts/xs/index.js";
import { argument, measure, resetPeaks } from "../../../hosts/xs/native/system.js";
import { Device } from "../../../src/device.js";
import { Vault } from "../../../src/vault/index.js";

const measured = argument(1) === "measure";

function step(name: string): void {
  if (!measured) return;
  measure(name);
  resetPeaks();
}

const platform = createPlatform({ folder: argument(0)!, hosts: { localhost: "127.0.0.1" } });
step("platform");
const { storage, crypto, rootOfTrust, counter } = platform;
const vault = Vault.open({ storage, crypto, rootOfTrust, counter, clock: { now: () => platform.time()?.now } });
step("vault");
const device = new Device({
  platform,
  vault,
  onConnected: ({ protocol, resumed }) => platform.log(`connected ${protocol} ${resumed ? "resumed" : "full"}`),
  onDisconnected: ({ cause }) => platform.log(`lost ${cause?.code}`),
  onError: (error) => platform.log(`${error.code}: ${error.message}`),
});
step("new Device");
await device.start({ timeout: 20_000 });
step("connected");
await device.publish("%c/telemetry", "21.5", { qos: 1 });
step("published");
platform.log("published");
await device.sleep(1000);
