/** Runs a client of `src/mqtt` against a broker on the loopback interface. */
import { SimulatedNetwork } from "../../hosts/node/network.js";
import { createTCP } from "../../hosts/node/tcp.js";
import { MQTTClient, type ControlMessage, type InboundMessage, type MQTTClientOptions } from "../../src/mqtt/index.js";
import type { Subject } from "./broker-under-test.js";

const timer = {
  set: (callback: () => void, milliseconds: number) => setTimeout(callback, milliseconds),
  clear: (handle: unknown) => clearTimeout(handle as NodeJS.Timeout | undefined),
};

const network = new SimulatedNetwork();

export function options({
  port,
  version,
  login,
}: Pick<Subject, "port" | "version" | "login">): MQTTClientOptions<MQTTClient> {
  const id = `c${Math.random().toString(36).slice(2)}`;
  const socket = { io: createTCP(network) };
  const ticks = (): number => Math.trunc(performance.now());
  return { address: "127.0.0.1", port: port(), version, id, socket, timer, ticks, ...login };
}

/** Runs a client until `done` is called; fails with its error. */
export function run(
  given: MQTTClientOptions<MQTTClient>,
  use: (callbacks: {
    onConnected: (use: (client: MQTTClient, message: ControlMessage) => void) => void;
    onControl: (use: (client: MQTTClient, message: ControlMessage) => void) => void;
    onReadable: (use: (client: MQTTClient, count: number, message: InboundMessage) => void) => void;
    onWritable: (use: (client: MQTTClient, count: number) => void) => void;
    done: () => void;
  }) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    let connected: ((client: MQTTClient, message: ControlMessage) => void) | undefined;
    let control: typeof connected;
    let readable: ((client: MQTTClient, count: number, message: InboundMessage) => void) | undefined;
    let writable: ((client: MQTTClient, count: number) => void) | undefined;
    const client = new MQTTClient({
      ...given,
      onControl(message) {
        if (message.operation === MQTTClient.CONNACK) connected?.(this, message);
        else control?.(this, message);
      },
      onReadable(count, message) {
        readable?.(this, count, message);
      },
      onWritable(count) {
        writable?.(this, count);
      },
      onError: reject,
      onClose: resolve,
    });
    use({
      onConnected: (callback) => (connected = callback),
      onControl: (callback) => (control = callback),
      onReadable: (callback) => (readable = callback),
      onWritable: (callback) => (writable = callback),
      done: () => {
        client.write(null, { operation: MQTTClient.DISCONNECT });
      },
    });
  });
}
