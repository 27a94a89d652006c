/**
 * A man in the middle between a device and its broker: speaks MQTT 3.1.1 well enough to change, hold back, repeat and misroute each PUBLISH that goes to the
 * device, and to send messages of his own. Everything else passes as it is.
 */
import * as net from "node:net";
import mqtt, { type IPublishPacket, type Packet } from "mqtt-packet";

/** What becomes of a message: none, one or several in its place. */
export type Meddle = (message: IPublishPacket) => readonly IPublishPacket[];

/** Identifiers from here on are of messages that the broker has not sent. */
const OWN = 60_000;

export class MeddlingProxy {
  meddle: Meddle = (message) => [message];
  /** What the broker sent. */
  readonly sent: IPublishPacket[] = [];
  /** Identifiers of what the device acknowledged to it, with PUBACK. */
  readonly acknowledged: number[] = [];
  readonly #server: net.Server;
  readonly #sockets = new Set<net.Socket>();
  #device: net.Socket | undefined;
  #nextIdentifier = OWN;

  /** @param target port of the broker */
  constructor(target: number) {
    this.#server = net.createServer({ noDelay: true }, (device) => {
      const broker = net.connect({ host: "127.0.0.1", port: target, noDelay: true });
      this.#device = device;
      for (const socket of [device, broker]) {
        this.#sockets.add(socket);
        socket.on("error", () => socket.destroy());
        socket.on("close", () => {
          this.#sockets.delete(socket);
          device.destroy();
          broker.destroy();
        });
      }
      forward(device, (packet) => {
        if (packet.cmd === "puback") this.acknowledged.push(packet.messageId!);
        if (!isAnswer(packet) || packet.messageId! < OWN) broker.write(mqtt.generate(packet));
        else if (packet.cmd === "pubrec") device.write(mqtt.generate({ ...packet, cmd: "pubrel", qos: 1 } as Packet));
      });
      forward(broker, (packet) => {
        if (packet.cmd === "publish") this.sent.push(packet);
        const packets = packet.cmd === "publish" ? this.meddle(packet) : [packet];
        for (const each of packets) device.write(mqtt.generate(each));
      });
    });
  }

  get port(): number {
    return (this.#server.address() as net.AddressInfo).port;
  }

  /** Like a message, but one that the broker knows nothing of: what the device answers does not reach it. */
  own(message: IPublishPacket): IPublishPacket {
    return message.qos === 0 ? message : { ...message, messageId: this.#nextIdentifier++ };
  }

  /** Sends a message to the device that is connected. */
  send(message: IPublishPacket): void {
    this.#device!.write(mqtt.generate(message));
  }

  /** Cuts all connections. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  start(): Promise<void> {
    return new Promise((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
  }

  stop(): Promise<void> {
    this.cut();
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }
}

function forward(from: net.Socket, onPacket: (packet: Packet) => void): void {
  const parser = mqtt.parser();
  parser.on("packet", onPacket);
  from.on("data", (bytes) => parser.parse(bytes));
}

function isAnswer({ cmd }: Packet): boolean {
  return cmd === "puback" || cmd === "pubrec" || cmd === "pubcomp";
}
