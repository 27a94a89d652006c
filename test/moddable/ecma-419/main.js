/*
 * Written for the ECMA-419 MQTT client of the Moddable SDK: what it uses is `device.network.mqtt` or `mqtts`, and nothing of Sealwire but where
 * the broker is. It subscribes, publishes in one part, in two, in many, and nothing at all, and ends when all came back.
 */
import Timer from "timer";
import { environment, exit } from "sealwire/hosts/simulator/native/desktop";

const LARGE = 16 * 1024;
const scheme = environment("BROKER_SCHEME");
const network = device.network[scheme];
const MQTTClient = network.io;
const seen = new Set();
const parts = { bytes: 0, first: 0 };

function note(what) {
  trace(`${what}\n`);
  seen.add(what);
  if (seen.size === 8) {
    trace("all there\n");
    Timer.set(() => exit(0), 50);
  }
}

new MQTTClient({
  ...network,
  host: "localhost",
  port: Number(environment("BROKER_PORT")),
  // With certificates the broker wants the name in them.
  id: environment("CLIENT_ID") ?? "ecma-419 mqtt test",
  keepalive: 60_000,
  will: { topic: "drop/will", message: ArrayBuffer.fromString("gone"), QoS: 0, retain: 0 },
  onControl(message) {
    switch (message.operation) {
      case MQTTClient.CONNACK:
        this.write(null, {
          operation: MQTTClient.SUBSCRIBE,
          items: [
            { topic: "drop/+", QoS: 2 },
            { topic: "other", QoS: 0 },
          ],
        });
        this.write(null, { operation: MQTTClient.UNSUBSCRIBE, items: [{ topic: "other", QoS: 0 }] });
        break;
      case MQTTClient.SUBACK:
        note(`SUBACK ${message.payload}`);
        break;
      case MQTTClient.UNSUBACK:
        note("UNSUBACK");
        this.write(ArrayBuffer.fromString("SM"), { topic: "drop/small", byteLength: 5, QoS: 2 });
        this.write(new DataView(ArrayBuffer.fromString("ALL")));
        this.write(new ArrayBuffer(0), { topic: "drop/empty", QoS: 0, id: 77, retain: 0, duplicate: 0 });
        this.write(null, { operation: MQTTClient.PINGREQ });
        this.remaining = LARGE;
        this.write(ArrayBuffer.fromString("XXL"), { topic: "drop/large", byteLength: 3 + LARGE, QoS: 1, id: 1234 });
        break;
      case MQTTClient.PINGRESP:
        note("PINGRESP");
        break;
      case MQTTClient.PUBCOMP:
        note("PUBCOMP");
        break;
      case MQTTClient.PUBACK:
        note(`PUBACK ${message.id}`);
    }
  },
  onReadable(count, options) {
    const bytes = this.read(count);
    if (options.topic === "drop/small") note(`small ${String.fromArrayBuffer(bytes)}`);
    else if (options.topic === "drop/empty") note(`empty ${bytes.byteLength}`);
    else {
      parts.bytes += bytes.byteLength;
      // The topic comes with the first part alone.
      if (options.topic) parts.first++;
      if (!options.more) note(`large ${parts.bytes}, topics ${parts.first}`);
    }
  },
  onWritable(count) {
    if (!this.remaining) return;
    const size = Math.min(count, this.remaining);
    this.remaining -= size;
    this.write(new Uint8Array(size).fill(88));
  },
  onError(error) {
    trace(`ERROR ${error}\n`);
    exit(1);
  },
});
