/** MQTT.js as its documentation says to use it, with its default stores, which are in memory. */
import mqtt, { type IClientOptions, type MqttClient } from "mqtt";
import type { Contestant, Idle, Receiver, ReceiverSettings, Sender, SenderSettings } from "./contestant.js";
import { topic } from "./messages.js";
import { sendAll } from "./window.js";

function options(port: number, clientId: string, clean = true): IClientOptions {
  return {
    protocol: "mqtt",
    host: "127.0.0.1",
    port,
    clientId,
    protocolVersion: 4,
    clean,
    // A connection that breaks ends the run.
    reconnectPeriod: 0,
  };
}

class MQTTJSSender implements Sender {
  readonly #client: MqttClient;
  readonly #settings: SenderSettings;

  constructor(client: MqttClient, settings: SenderSettings) {
    this.#client = client;
    this.#settings = settings;
  }

  async send(_first: number, payloads: readonly Buffer[]): Promise<void> {
    const { qos, window } = this.#settings;
    await sendAll(payloads, window, (payload, done) => this.#client.publish(topic, payload, { qos }, done));
  }

  async settle(): Promise<void> {
    await this.#client.unsubscribeAsync("none");
  }

  close(): Promise<void> {
    return this.#client.endAsync();
  }
}

class MQTTJSReceiver implements Receiver {
  readonly #settings: ReceiverSettings;
  #client: MqttClient | undefined;

  constructor(settings: ReceiverSettings) {
    this.#settings = settings;
  }

  async connect(): Promise<void> {
    const client = mqtt.connect(options(this.#settings.port, "bench-receiver", false));
    client.on("message", (_topic, payload) => this.#settings.onMessage(payload));
    this.#client = client;
    await new Promise<void>((resolve, reject) => {
      client.once("connect", () => resolve());
      client.once("error", reject);
    });
  }

  /** Subscribes, once: the broker remembers. */
  async subscribe(): Promise<void> {
    await this.#client?.subscribeAsync(topic, { qos: this.#settings.qos });
  }

  async disconnect(): Promise<void> {
    await this.#client?.endAsync();
  }
}

async function receiver(settings: ReceiverSettings): Promise<Receiver> {
  const created = new MQTTJSReceiver(settings);
  await created.connect();
  await created.subscribe();
  await created.disconnect();
  return created;
}

async function idle(port: number, clientIdentifier: string): Promise<Idle> {
  const client = await mqtt.connectAsync(options(port, clientIdentifier));
  return { close: () => client.end(true) };
}

export const mqttJS: Contestant = {
  sender: async (settings) =>
    new MQTTJSSender(await mqtt.connectAsync(options(settings.port, "bench-sender")), settings),
  receiver,
  idle,
};
