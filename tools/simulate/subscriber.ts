/**
 * A subscriber of its own: an MQTT 3.1.1 client that has nothing in common with the device's, not even its codec, and reaches the
 * broker by another connection. What it saw did arrive.
 */
import { isIP } from "node:net";
import * as tls from "node:tls";
import mqtt, { type Packet } from "mqtt-packet";
import { CommandFailure, exitCodes, reasonOf } from "../failure.js";
import { type Credentials, toPEM } from "../pki/index.js";

/** Milliseconds until it must have subscribed. */
const subscribeTime = 10_000;

/** Milliseconds that the broker has to close the connection too. */
const closeTime = 1_000;

/** Seconds: the broker may drop it when it says nothing for one and a half times as long [MQTT-3.1.2-24]. */
const keepAlive = 30;

export interface SubscriberOptions {
  readonly address: string;
  readonly port: number;
  /** The name in the broker's certificate. */
  readonly host: string;
  /** DER certificates that the broker's must chain to. */
  readonly trustAnchors: readonly Uint8Array[];
  readonly credentials: Credentials;
  readonly clientIdentifier: string;
  readonly topicFilters: readonly string[];
  readonly onMessage: (topic: string, payload: Uint8Array) => void;
  /** The connection ended though `close()` was not called. Called at most once, after `connect()` was fulfilled. */
  readonly onLost: (reason: string) => void;
}

export class Subscriber {
  readonly #options: SubscriberOptions;
  readonly #socket: tls.TLSSocket;
  #identifier = 1;
  #ping: NodeJS.Timeout | undefined;
  #state: "connecting" | "subscribed" | "closed" = "connecting";

  private constructor(options: SubscriberOptions) {
    const { address, port, host, trustAnchors, credentials } = options;
    this.#options = options;
    this.#socket = tls.connect({
      host: address,
      port,
      // A server name is never an IP address (RFC 6066 section 3); Node then checks the address.
      ...(isIP(host) === 0 && { servername: host }),
      ca: trustAnchors.map((der) => toPEM("CERTIFICATE", der)),
      cert: credentials.certificateChain.map((der) => toPEM("CERTIFICATE", der)).join(""),
      key: toPEM("PRIVATE KEY", credentials.privateKey),
    });
  }

  /** Connects and subscribes. Rejects with a sentence when the broker does not let it. */
  static async connect(options: SubscriberOptions): Promise<Subscriber> {
    const subscriber = new Subscriber(options);
    try {
      await subscriber.#subscribe();
    } catch (error) {
      await subscriber.close();
      const reason = error instanceof Error ? reasonOf(error) : String(error);
      throw new CommandFailure(
        exitCodes.environment,
        "CONNECTION_LOST",
        `The subscriber that watches for the readings cannot use the broker: ${reason}.`,
        { cause: error },
      );
    }
    return subscriber;
  }

  /** Publishes with QoS 1, and does not wait for the acknowledgement. */
  publish(topic: string, payload: Uint8Array | string): void {
    const packet = { cmd: "publish", topic, payload: Buffer.from(payload), qos: 1, dup: false, retain: false } as const;
    // Identifier 1 was the subscription's.
    this.#identifier = (this.#identifier % 0xffff) + 1;
    this.#send({ ...packet, messageId: this.#identifier });
  }

  /** Ends the connection, and resolves when nothing is left of it. Safe more than once. */
  async close(): Promise<void> {
    const wasSubscribed = this.#state === "subscribed";
    this.#state = "closed";
    clearInterval(this.#ping);
    const socket = this.#socket;
    if (socket.closed) return;
    const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
    if (wasSubscribed) socket.end(mqtt.generate({ cmd: "disconnect" }));
    else socket.destroy();
    const timer = setTimeout(() => socket.destroy(), closeTime);
    await closed;
    clearTimeout(timer);
  }

  #subscribe(): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error("there was no answer")), subscribeTime);
      const parser = mqtt.parser({ protocolVersion: 4 });
      const socket = this.#socket;
      parser.on("packet", (packet: Packet) => {
        switch (packet.cmd) {
          case "connack":
            if (packet.returnCode !== 0)
              reject(new Error(`its CONNACK has return code ${packet.returnCode ?? "none"}`));
            else this.#send({ cmd: "subscribe", messageId: 1, subscriptions: this.#subscriptions() });
            break;
          case "suback":
            if (packet.granted.includes(0x80)) {
              reject(
                new Error(
                  `it refused the subscription to ${this.#options.topicFilters[packet.granted.indexOf(0x80)] ?? "its topics"}`,
                ),
              );
              break;
            }
            clearTimeout(timer);
            this.#state = "subscribed";
            this.#ping = setInterval(() => this.#send({ cmd: "pingreq" }), (keepAlive / 2) * 1000);
            resolve();
            break;
          case "publish":
            this.#options.onMessage(packet.topic, Buffer.from(packet.payload));
            if (packet.qos === 1) this.#send({ cmd: "puback", messageId: packet.messageId! });
            break;
          default:
        }
      });
      parser.on("error", (error: Error) => socket.destroy(error));
      socket.on("data", (chunk: Buffer) => parser.parse(chunk));
      socket.on("error", (error: Error) => this.#lost(error, reject));
      socket.on("close", () => {
        clearTimeout(timer);
        this.#lost(new Error("it ended the connection"), reject);
      });
      socket.once("secureConnect", () =>
        this.#send({
          cmd: "connect",
          protocolId: "MQTT",
          protocolVersion: 4,
          clean: true,
          clientId: this.#options.clientIdentifier,
          keepalive: keepAlive,
        }),
      );
    });
  }

  #subscriptions(): { topic: string; qos: 1 }[] {
    return this.#options.topicFilters.map((topic) => ({ topic, qos: 1 }));
  }

  #send(packet: Packet): void {
    if (this.#socket.writable) this.#socket.write(mqtt.generate(packet));
  }

  #lost(error: Error, reject: (error: Error) => void): void {
    clearInterval(this.#ping);
    if (this.#state === "subscribed") this.#options.onLost(reasonOf(error));
    this.#state = "closed";
    // Without effect once it was subscribed.
    reject(error);
  }
}
