/**
 * A man in the middle between a device and its broker: speaks MQTT 3.1.1 well enough to change, hold back, repeat and misroute each PUBLISH that goes to the
 * device. Everything else passes as it is.
 */
import * as net from "node:net";
import mqtt, { type IPublishPacket, type Packet } from "mqtt-packet";

/** What becomes of a message: none, one or several in its place. */
export type Meddle = (message: IPublishPacket) => readonly IPublishPacket[];

export class MeddlingProxy {
  meddle: Meddle = (message) => [message];
  readonly #server: net.Server;
  readonly #sockets = new Set<net.Socket>();

  /** @param target port of the broker */
  constructor(target: number) {
    this.#server = net.createServer({ noDelay: true }, (device) => {
      const broker = net.connect({ host: "127.0.0.1", port: target, noDelay: true });
      for (const socket of [device, broker]) {
        this.#sockets.add(socket);
        socket.on("error", () => socket.destroy());
        socket.on("close", () => {
          this.#sockets.delete(socket);
          device.destroy();
          broker.destroy();
        });
      }
      device.pipe(broker);
      const parser = mqtt.parser();
      parser.on("packet", (packet: Packet) => {
        const packets = packet.cmd === "publish" ? this.meddle(packet) : [packet];
        for (const each of packets) device.write(mqtt.generate(each));
      });
      broker.on("data", (bytes) => parser.parse(bytes));
    });
  }

  get port(): number {
    return (this.#server.address() as net.AddressInfo).port;
  }

  start(): Promise<void> {
    return new Promise((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
  }

  stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }
}
