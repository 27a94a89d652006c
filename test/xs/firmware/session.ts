/**
 * Fixture: a durable session over plain TCP. The steps of `npm run budget`, measured by the host program; a firmware of its own would
 * differ in what it does with a message only.
 */
import { createPlatform } from "../../../hosts/xs/index.js";
import { argument, measure, resetPeaks } from "../../../hosts/xs/native/system.js";
import { MQTTSession } from "../../../src/mqtt/index.js";

const step = (name: string): void => {
  measure(name);
  resetPeaks();
};

const platform = createPlatform({ folder: argument(0)! });
const port = Number(argument(1));
const name = argument(2) ?? "session";
/** For the deliberate overrun: bytes that are wasted. */
const waste = Number(argument(3) ?? 0);
step("modules loaded");

let streamed = 0;
let connected: () => void;
let received: (() => void) | undefined;
const whenConnected = new Promise<void>((resolve) => (connected = resolve));
const kept = new Uint8Array(waste);

const session = new MQTTSession({
  clientIdentifier: name,
  timer: platform.timer,
  ticks: () => platform.ticks(),
  durability: "power",
  storage: platform.storage,
  version: 4,
  maximumMessageSize: 1024,
  onConnected: () => connected(),
  onMessageStart: () => ({
    write: (bytes) => void (streamed += bytes.byteLength),
    end: () => received?.(),
    abort: () => undefined,
  }),
});
session.connect({ address: "127.0.0.1", port, socket: { io: platform.tcp } });
await whenConnected;
step("plain connect");
await session.subscribe(`${name}/big`, { qos: 1 });
step("subscribed");
await session.publish("telemetry", "21.5 degrees", { qos: 1 });
step("publish QoS 1, durable");
for (const size of ["64 KB", "1 MB"]) {
  const whenReceived = new Promise<void>((resolve) => (received = resolve));
  // The broker sends it when it sees this.
  await session.publish(`${name}/ready`, "", { qos: 1 });
  await whenReceived;
  step(`receive ${size}`);
}
await new Promise<void>((resolve) => void platform.timer.set(resolve, 50));
step("idle");
platform.log(`${streamed} bytes streamed, ${kept.byteLength} wasted`);
await session.disconnect();
session.close();
