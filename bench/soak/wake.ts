/** One wake of the sleeping device: the whole firmware from its start to its sleep, on the folder that is its flash. */
import { createPlatform } from "../../hosts/node/index.js";
import { fromHex } from "../../src/bytes.js";
import { Device, type SealwireError } from "../../src/index.js";
import { Monitor } from "../../src/monitor/index.js";
import { Permissions } from "../../src/permissions/index.js";
import type { Platform } from "../../src/platform.js";
import { Sealing } from "../../src/sealing/index.js";
import { Vault } from "../../src/vault/index.js";
import type { Fault } from "./faults.js";
import type { SoakSettings } from "./protocol.js";
import type { WakeKind, WearCounter } from "./storage-wear.js";

/** Simulated milliseconds from one wake to the next. */
export const PERIOD = 600_000;

const PERMISSIONS = new Permissions([{ topic: "%c/#", operation: "both" }]);

export interface WakeRequest {
  readonly wake: number;
  readonly fault: Fault;
  /** The power was cut since the last wake. */
  readonly powerOn: boolean;
  /** What is to be published. */
  readonly readings: readonly number[];
}

export interface WakeOutcome {
  readonly kind: WakeKind;
  /** Of the readings. */
  readonly acknowledged: number;
  /** They are still to be published. */
  readonly putOff: readonly number[];
  readonly resumed: number;
  readonly full: number;
}

export async function wakeOnce(
  settings: SoakSettings,
  wear: WearCounter,
  { wake, fault, powerOn, readings }: WakeRequest,
  onError: (error: SealwireError) => void,
): Promise<WakeOutcome> {
  const now = (): number => Date.now() + wake * PERIOD;
  const real = createPlatform({
    folder: `${settings.folder}/sleeper`,
    wakeCause: powerOn ? "power" : "sleep",
    hosts: { localhost: "127.0.0.1" },
    networkUp: fault !== "no network",
    log: () => undefined,
    powerDown: () => undefined,
  });
  const storage = wear.count(real.storage!, () => fault === "storage full");
  const platform: Platform = {
    ...real,
    storage,
    time: () => ({ now: now(), source: "rtc", uncertainty: 1000 }),
    ...(fault === "name not found" && {
      resolver: class extends real.resolver {
        override resolve(options: Parameters<InstanceType<typeof real.resolver>["resolve"]>[0]): void {
          setImmediate(() => options.onError?.());
        }
      },
    }),
  };
  const vault = Vault.open({ ...platform, storage, clock: { now } });
  if (wake === 0) provision(vault, settings);
  const monitor = new Monitor({ health: { topic: "%c/health", interval: 6 * PERIOD } });
  const device = new Device({
    platform,
    vault,
    monitor,
    permissions: (json) => Permissions.parse(json),
    sealing: new Sealing(),
    reconnectSpread: [50],
    // So that a resolver that finds nothing is met.
    addressLifetime: fault === "name not found" ? 0 : undefined,
    onError,
  });
  const putOff: number[] = [];
  let acknowledged = 0;
  const settled = Promise.all(
    readings.map((reading) =>
      device.publish("%c/telemetry", String(reading), { qos: reading % 2 ? 1 : 2, seal: true }).then(
        () => acknowledged++,
        // Kept by the application: the flash had no room for the numbers that keep a nonce from being used twice.
        (error: unknown) => (error as SealwireError).code === "CLOSED" || putOff.push(reading),
      ),
    ),
  );
  const reachable = fault !== "no network" && fault !== "name not found";
  const started = device.start({ timeout: reachable ? 20_000 : 30 });
  if (fault === "connection reset")
    setTimeout(() => {
      real.network.set(false);
      real.network.set(true);
    }, 5);
  const connected = await started.then(
    () => true,
    () => false,
  );
  if (reachable && !connected) onError(device.status.lastError!);
  if (connected) await settled;
  if (fault === "power cut") {
    real.network.set(false);
    await device.stop();
  } else await device.sleep(PERIOD);
  vault.close();
  await settled;
  const { connectsResumed, connectsFull } = monitor.counters;
  const kind = powerOn ? "power-on" : connectsFull > 0 ? "full handshake" : connected ? "resumed" : "not connected";
  return { kind, acknowledged, putOff, resumed: connectsResumed, full: connectsFull };
}

function provision(vault: Vault, { port, root, sleeper, secret }: SoakSettings): void {
  vault.provision({
    broker: { host: "localhost", port },
    clientIdentifier: "sleeper",
    trustAnchors: [fromHex(root)],
    certificateChain: sleeper.certificateChain.map(fromHex),
    privateKey: fromHex(sleeper.privateKey),
    payloadSecrets: new Map([[1, fromHex(secret)]]),
    permissions: PERMISSIONS.toBytes(),
  });
}
