/**
 * Fixture: a durable session over plain TCP. The steps of `npm run budget`, measured by the host program. Written as a firmware for a
 * small chip is: callbacks, and no `await` at the top, which would keep the module's frame for ever.
 */
import { createPlatform } from "../../../hosts/xs/index.js";
import { argument, measure, print, setTimer, ticks } from "../../../hosts/xs/native/system.js";
import { MQTTSession } from "../../../src/mqtt/index.js";

const name = argument(2)!;
const platform = createPlatform({ folder: argument(0)! });
measure("modules loaded", true);

/** For the deliberate overrun: bytes that are wasted. */
const waste = argument(3) === undefined ? undefined : new Uint8Array(Number(argument(3)));
let streamed = 0;
let step = 0;

/** Goes on when something was acknowledged or received. One function for all steps: each takes a dozen slots of the heap. */
const next = (): void => {
  switch (step++) {
    case 0:
      measure("plain connect", true);
      void session.subscribe(`${name}/big`, { qos: 1 }).then(next);
      break;
    case 1:
      measure("subscribed", true);
      void session.publish("telemetry", "21.5 degrees", { qos: 1 }).then(next);
      break;
    case 2:
      measure("publish QoS 1, durable", true);
      // The broker sends a large message when it sees this, and another one when the first is acknowledged.
      void session.publish(`${name}/ready`, "", { qos: 1 });
      break;
    case 3:
      measure("receive 64 KB", true);
      break;
    case 4:
      measure("receive 1 MB", true);
      setTimer(next, 50);
      break;
    default:
      measure("idle", true);
      print(`${streamed} bytes streamed, ${waste?.byteLength ?? 0} wasted`);
      void session.disconnect();
  }
};

/** The messages with a large payload. One consumer for all of them: they come one after the other. */
const large = {
  write: (bytes: Uint8Array): void => void (streamed += bytes.byteLength),
  end: next,
  abort: next,
};

const session = new MQTTSession({
  clientIdentifier: name,
  timer: platform.timer,
  ticks,
  durability: "power",
  storage: platform.storage,
  version: 4,
  maximumMessageSize: 1024,
  onConnected: next,
  onMessageStart: () => large,
});
session.connect({ address: "127.0.0.1", port: Number(argument(1)), socket: { io: platform.tcp } });
