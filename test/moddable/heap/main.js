/* The steps of `npm run budget` on the SDK's own engine: a durable session over plain TCP, and what it takes of the heap. */
import { MQTTSession } from "sealwire/mqtt";
import { platform } from "sealwire/host";
import { collect } from "sealwire/hosts/moddable/native/machine";
import { environment, exit } from "sealwire/hosts/simulator/native/desktop";

const { timer, storage, tcp } = platform;
let step = 0;

function measure(name) {
  collect();
  const { slots, chunks } = platform.heap();
  trace(`HEAP ${JSON.stringify({ name, slots: slots.used, chunks: chunks.used })}\n`);
}

measure("begin");
const next = () => {
  switch (step++) {
    case 0:
      measure("plain connect");
      void session.subscribe("heap/#", { qos: 1 }).then(next);
      break;
    case 1:
      measure("subscribed");
      void session.publish("telemetry", "21.5 degrees", { qos: 1 }).then(next);
      break;
    case 2:
      measure("publish QoS 1, durable");
      exit(0);
  }
};
const session = new MQTTSession({
  clientIdentifier: "heap",
  timer,
  ticks: () => platform.ticks(),
  durability: "power",
  storage,
  version: 4,
  maximumMessageSize: 1024,
  onConnected: next,
});
session.connect({ address: "127.0.0.1", port: Number(environment("BROKER_PORT")), socket: { io: tcp } });
