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

/** The messages with a large payload. One consumer for all of them: they come one after the other. */
const large = {
  write(bytes: Uint8Array): void {
    streamed += bytes.byteLength;
  },
  end(): void {
    measure(step++ === 0 ? "receive 64 KB" : "receive 1 MB", true);
    if (step === 1) ready();
    else setTimer(idle, 50);
  },
  abort(): void {
    print("The connection was lost.");
  },
};

const session = new MQTTSession({
  clientIdentifier: name,
  timer: platform.timer,
  ticks,
  durability: "power",
  storage: platform.storage,
  version: 4,
  maximumMessageSize: 1024,
  onConnected: () => {
    measure("plain connect", true);
    void session.subscribe(`${name}/big`, { qos: 1 }).then(publish);
  },
  onMessageStart: () => large,
});
session.connect({ address: "127.0.0.1", port: Number(argument(1)), socket: { io: platform.tcp } });

function publish(): void {
  measure("subscribed", true);
  void session.publish("telemetry", "21.5 degrees", { qos: 1 }).then(published);
}

function published(): void {
  measure("publish QoS 1, durable", true);
  ready();
}

/** The broker sends a large message when it sees this. */
function ready(): void {
  void session.publish(`${name}/ready`, "", { qos: 1 });
}

function idle(): void {
  measure("idle", true);
  print(`${streamed} bytes streamed, ${waste?.byteLength ?? 0} wasted`);
  void session.disconnect();
}
