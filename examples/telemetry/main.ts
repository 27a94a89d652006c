/**
 * Telemetry: a sensor that publishes a few readings and sleeps.
 *
 * Each wake begins here, at the top. The first connection checks the broker's certificate in a full TLS handshake; the ones after
 * it, be it after a lost network, a deep sleep or a power cut, resume. Its credentials are in a vault, which takes them from the provisioning
 * partition at the first start. When the back end says so, it renews its certificate: the new key is born here and never leaves.
 */
import { Device, Vault } from "sealwire";
import { platform } from "sealwire/host";
import { certificatesIn } from "./certificates.js";

const READINGS = 4;
const PERIOD = 250;
const SLEEP = 500;

const { storage, crypto, rootOfTrust, counter } = platform;
const vault = Vault.open({ storage, crypto, rootOfTrust, counter, clock: { now: () => platform.time()?.now } });

const device = new Device({
  platform,
  vault,
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

/** Takes the chain that answers a request. */
let answered: ((chain: Uint8Array[]) => void) | undefined;
/** While it is under way the link is being replaced: readings wait, and so does the sleep, which would take it back. */
let renewal: Promise<void> | undefined;

/** Has the request signed by the back end, over the link itself. */
async function ask(request: Uint8Array): Promise<Uint8Array[]> {
  const answer = new Promise<Uint8Array[]>((resolve) => (answered = resolve));
  await device.publish("%c/certificate/request", request, { qos: 1 });
  const chain = await answer;
  // The message is acknowledged first: else the broker would send it again over the next connection.
  await pause(0);
  return chain;
}

async function renew(): Promise<void> {
  try {
    await device.rotateCertificate(ask);
    platform.log("renewed: the new certificate is in force");
  } catch (error) {
    platform.log(`not renewed: ${error instanceof Error ? error.message : String(error)}`);
  } finally {
    const { version, lastRotation } = vault.status;
    platform.observe?.({ event: "rotated", version, outcome: lastRotation?.outcome });
    renewal = undefined;
  }
}

// Granted once there is a connection; what was sent during a sleep comes with it.
void device.subscribe("%c/certificate/renew", () => void (renewal ??= renew()), { qos: 1 });
void device.subscribe("%c/certificate/chain", ({ payload }) => answered?.(certificatesIn(payload)), { qos: 1 });

platform.log(`${device.clientIdentifier} starts (${platform.wakeCause})`);
await device.start();
for (let count = 1; count <= READINGS; count++) {
  if (renewal) {
    await renewal;
    await pause(PERIOD);
  }
  const reading = { count, time: platform.time()?.now, heap: platform.heap()?.heap?.used };
  await device.publish("%c/telemetry", JSON.stringify(reading), { qos: 1 });
  await pause(PERIOD);
}
await renewal;
platform.log(`sleeps for ${SLEEP} ms`);
await device.sleep(SLEEP);
