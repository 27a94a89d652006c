/**
 * Fixture: publishes to itself, QoS 0 and 1 in turn, and takes what comes back; tells the heap without garbage again and again. May leak
 * some bytes for each message, as a firmware that keeps a little of everything does.
 */
import { createPlatform } from "../../../hosts/xs/index.js";
import { argument, collect } from "../../../hosts/xs/native/system.js";
import { MQTTSession, type SessionMessage } from "../../../src/mqtt/index.js";

const platform = createPlatform({ folder: argument(0)! });
const port = Number(argument(1));
const total = Number(argument(2));
const leak = Number(argument(3) ?? 0);
/** Messages between two samples, and how many of them are on their way at the same time. */
const round = Math.min(100, total);
const window = 8;

const leaked: Uint8Array[] = [];
let published = 0;
let received = 0;
let wrong = 0;

function used(): number {
  collect();
  const { chunks, slots } = platform.heap()!;
  return chunks!.used + slots!.used;
}

function onMessage({ payload }: SessionMessage): void {
  received++;
  if (payload.byteLength !== 64 || payload[0] !== 7) wrong++;
  if (leak > 0) leaked.push(new Uint8Array(leak));
}

const session = new MQTTSession({
  clientIdentifier: "soak",
  timer: platform.timer,
  ticks: () => platform.ticks(),
  version: 4,
  keepAlive: 10_000,
  onMessage,
});
session.connect({ address: "127.0.0.1", port, socket: { io: platform.tcp } });
await session.subscribe("soak/#", { qos: 1 });

const payload = new Uint8Array(64).fill(7);
const pause = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => void platform.timer.set(resolve, milliseconds));

async function work(until: number): Promise<void> {
  while (published < until) {
    const qos = (published++ % 2) as 0 | 1;
    await session.publish("soak/echo", payload, { qos });
    // What is in flight stays bounded.
    while (published - received > window * 2) await pause(0);
  }
}

while (published < total) {
  const until = Math.min(total, published + round);
  await Promise.all(Array.from({ length: window }, () => work(until)));
  while (received < published) await pause(0);
  // At rest: what the last message left behind is gone.
  await pause(1);
  platform.log(`SOAK ${received} ${used()}`);
}
platform.log(`DONE ${published} ${received} ${wrong} ${leaked.length}`);
await session.disconnect();
session.close();
