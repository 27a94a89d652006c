/**
 * A plain MQTT client that says everything it sees: for `sealwire doctor`, for administration, and for tests of brokers. It has nothing in
 * common with the device's client, not even its codec.
 */
import type { Duplex } from "node:stream";
import mqtt, {
  type IConnackPacket,
  type IConnectPacket,
  type IPublishPacket,
  type ISubackPacket,
  type Packet,
} from "mqtt-packet";
import { SealwireError } from "../../src/errors.js";

export interface ProbeOptions {
  readonly clientIdentifier: string;
  readonly userName?: string | undefined;
  readonly password?: string | undefined;
  /** 4 is MQTT 3.1.1, 5 is MQTT 5.0; 4 when left out. */
  readonly version?: 4 | 5 | undefined;
  readonly clean?: boolean | undefined;
  /** Seconds; 60 when left out. */
  readonly keepAlive?: number | undefined;
  /** Milliseconds that each answer may take; 10,000 when left out. */
  readonly timeout?: number | undefined;
}

export interface ProbeMessage {
  readonly topic: string;
  readonly payload: Buffer;
  readonly qos: number;
}

type Wanted = (packet: Packet) => boolean;

export class MQTTProbe {
  /** What the server published so far. */
  readonly messages: ProbeMessage[] = [];
  /** The DISCONNECT that an MQTT 5.0 server ended the connection with. */
  disconnectReason: number | undefined;
  readonly #stream: Duplex;
  readonly #version: 4 | 5;
  readonly #timeout: number;
  readonly #waiting: {
    readonly wanted: Wanted;
    readonly resolve: (packet: Packet) => void;
    readonly reject: (error: Error) => void;
  }[] = [];
  readonly #received: (() => void)[] = [];
  #connack: IConnackPacket | undefined;
  #identifier = 0;
  #failure: Error | undefined;
  /** Resolves when the connection is gone. */
  readonly closed: Promise<void>;

  private constructor(stream: Duplex, { version = 4, timeout = 10_000 }: ProbeOptions) {
    this.#stream = stream;
    this.#version = version;
    this.#timeout = timeout;
    const parser = mqtt.parser({ protocolVersion: version });
    parser.on("packet", (packet: Packet) => this.#take(packet));
    parser.on("error", (error: Error) => stream.destroy(error));
    stream.on("data", (chunk: Buffer) => parser.parse(chunk));
    stream.on("error", (error: Error) => (this.#failure ??= error));
    this.closed = new Promise((resolve) =>
      stream.once("close", () => {
        const error = new SealwireError("CONNECTION_LOST", "The broker ended the connection.", {
          cause: this.#failure,
        });
        for (const { reject } of this.#waiting.splice(0)) reject(error);
        resolve();
      }),
    );
    stream.once("end", () => stream.destroy());
  }

  /** 4 is MQTT 3.1.1, 5 is MQTT 5.0. */
  get version(): 4 | 5 {
    return this.#version;
  }

  /** The CONNACK. */
  get connack(): IConnackPacket {
    if (this.#connack === undefined) throw new SealwireError("INVALID_STATE", "There is no connection.");
    return this.#connack;
  }

  /** Return code (3.1.1) or reason code (5.0) of the CONNACK. */
  get code(): number {
    return (this.#version === 5 ? this.connack.reasonCode : this.connack.returnCode) ?? 0;
  }

  /**
   * Sends CONNECT and waits for CONNACK, whatever it says.
   * @param stream a connection that is open, or opening
   * @throws SealwireError `CONNECTION_LOST` when the broker ends the connection instead, `TIMEOUT` when it says nothing
   */
  static async connect(stream: Duplex, options: ProbeOptions): Promise<MQTTProbe> {
    const probe = new MQTTProbe(stream, options);
    const { clientIdentifier, userName, password, clean = true, keepAlive = 60, version = 4 } = options;
    const packet: IConnectPacket = {
      cmd: "connect",
      protocolId: "MQTT",
      protocolVersion: version,
      clean,
      clientId: clientIdentifier,
      keepalive: keepAlive,
      ...(userName !== undefined && { username: userName }),
      ...(password !== undefined && { password: Buffer.from(password) }),
    };
    try {
      probe.#connack = (await probe.#ask(packet, ({ cmd }) => cmd === "connack")) as IConnackPacket;
    } catch (error) {
      stream.destroy();
      throw error;
    }
    return probe;
  }

  /** @returns the code of the SUBACK for each filter: granted QoS, or 0x80 and above for a refusal */
  async subscribe(filters: readonly string[], qos: 0 | 1 | 2 = 0): Promise<number[]> {
    const messageId = this.#next();
    const packet: Packet = {
      cmd: "subscribe",
      messageId,
      subscriptions: filters.map((topic) => ({ topic, qos, nl: false, rap: false, rh: 0 })),
    };
    const answer = await this.#ask(packet, (got) => got.cmd === "suback" && got.messageId === messageId);
    return (answer as ISubackPacket).granted.map(Number);
  }

  async unsubscribe(filters: readonly string[]): Promise<void> {
    const messageId = this.#next();
    await this.#ask(
      { cmd: "unsubscribe", messageId, unsubscriptions: [...filters] },
      (got) => got.cmd === "unsuback" && got.messageId === messageId,
    );
  }

  /**
   * Publishes, and waits for the end of the exchange.
   * @returns the reason code of an MQTT 5.0 server, 0 from others, which do not tell
   */
  async publish(topic: string, payload: string | Buffer, qos: 0 | 1 | 2 = 0): Promise<number> {
    const messageId = this.#next();
    const packet: IPublishPacket = { cmd: "publish", topic, payload, qos, dup: false, retain: false, messageId };
    if (qos === 0) {
      this.#send(packet);
      return 0;
    }
    const first = qos === 1 ? "puback" : "pubrec";
    const answer = await this.#ask(packet, (got) => got.cmd === first && got.messageId === messageId);
    const code = "reasonCode" in answer ? (answer.reasonCode ?? 0) : 0;
    if (qos === 2 && code < 0x80)
      await this.#ask({ cmd: "pubrel", messageId }, (got) => got.cmd === "pubcomp" && got.messageId === messageId);
    return code;
  }

  /** Waits for a PINGRESP: everything that the server sent before has been seen then. */
  async ping(): Promise<void> {
    await this.#ask({ cmd: "pingreq" }, ({ cmd }) => cmd === "pingresp");
  }

  /** Waits for a message that fits. */
  async message(fits: (message: ProbeMessage) => boolean): Promise<ProbeMessage> {
    const deadline = Date.now() + this.#timeout;
    for (;;) {
      const found = this.messages.find(fits);
      if (found) return found;
      if (this.#stream.destroyed) throw new SealwireError("CONNECTION_LOST", "The broker ended the connection.");
      const left = deadline - Date.now();
      if (left <= 0) throw new SealwireError("TIMEOUT", "The broker did not deliver the message in time.");
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, Math.min(left, 500));
        this.#received.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  /** Says goodbye. Safe more than once. */
  async close(): Promise<void> {
    if (!this.#stream.destroyed) {
      this.#stream.end(mqtt.generate({ cmd: "disconnect" }, { protocolVersion: this.#version }));
      const timer = setTimeout(() => this.#stream.destroy(), 1_000);
      await this.closed;
      clearTimeout(timer);
    }
    await this.closed;
  }

  /** Vanishes. */
  destroy(): void {
    this.#stream.destroy();
  }

  #take(packet: Packet): void {
    if (packet.cmd === "publish") {
      this.messages.push({ topic: packet.topic, payload: Buffer.from(packet.payload), qos: packet.qos });
      if (packet.qos === 1) this.#send({ cmd: "puback", messageId: packet.messageId! });
      if (packet.qos === 2) this.#send({ cmd: "pubrec", messageId: packet.messageId! });
      for (const received of this.#received.splice(0)) received();
      return;
    }
    if (packet.cmd === "pubrel") this.#send({ cmd: "pubcomp", messageId: packet.messageId! });
    if (packet.cmd === "disconnect") this.disconnectReason = packet.reasonCode;
    const index = this.#waiting.findIndex(({ wanted }) => wanted(packet));
    if (index >= 0) this.#waiting.splice(index, 1)[0]!.resolve(packet);
  }

  #ask(packet: Packet, wanted: Wanted): Promise<Packet> {
    return new Promise((resolve, reject) => {
      if (this.#stream.destroyed) {
        reject(new SealwireError("CONNECTION_LOST", "The broker ended the connection.", { cause: this.#failure }));
        return;
      }
      const timer = setTimeout(() => {
        this.#waiting.splice(this.#waiting.indexOf(waiting), 1);
        reject(new SealwireError("TIMEOUT", `The broker did not answer ${packet.cmd.toUpperCase()} in time.`));
      }, this.#timeout);
      const waiting = {
        wanted,
        resolve: (answer: Packet): void => {
          clearTimeout(timer);
          resolve(answer);
        },
        reject: (error: Error): void => {
          clearTimeout(timer);
          reject(error);
        },
      };
      this.#waiting.push(waiting);
      this.#send(packet);
    });
  }

  #send(packet: Packet): void {
    if (!this.#stream.destroyed) this.#stream.write(mqtt.generate(packet, { protocolVersion: this.#version }));
  }

  #next(): number {
    this.#identifier = (this.#identifier % 0xffff) + 1;
    return this.#identifier;
  }
}
