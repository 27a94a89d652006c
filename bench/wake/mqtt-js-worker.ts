/** MQTT.js on the same task. It has no resumption of its own, but hands its options to node:tls: the newest session of the last connection is given to the next. */
import mqtt, { type MqttClient } from "mqtt";
import type { TLSSocket } from "node:tls";
import type { WakeResult, WakeSettings } from "./protocol.js";

export class MQTTJSContestant {
  readonly #settings: WakeSettings;
  #session: Buffer | undefined;
  #client: MqttClient | undefined;

  constructor(settings: WakeSettings) {
    this.#settings = settings;
  }

  async wake(payload: string): Promise<WakeResult> {
    const { port, delay, root, certificate, key } = this.#settings;
    let dnsQueries = 0;
    const started = performance.now();
    const cpu = process.cpuUsage();
    const options = {
      protocol: "mqtts" as const,
      host: "broker.example",
      port,
      clientId: "bench",
      clean: false,
      protocolVersion: 4 as const,
      reconnectPeriod: 0,
      ca: root,
      cert: certificate,
      key,
      ...(this.#session && { session: this.#session }),
      lookup: (
        _host: string,
        lookupOptions: { all?: boolean },
        done: (error: null, address: string | { address: string; family: number }[], family?: number) => void,
      ) => {
        dnsQueries++;
        setTimeout(() => {
          if (lookupOptions.all) done(null, [{ address: "127.0.0.1", family: 4 }]);
          else done(null, "127.0.0.1", 4);
        }, 2 * delay);
      },
    };
    const client = (this.#client = mqtt.connect(options as never));
    const socket = client.stream as unknown as TLSSocket;
    socket.on("session", (session) => (this.#session = session));
    client.on("error", (error) => {
      throw error;
    });
    // Queued until there is a connection, as the application of a sensor would do it.
    await client.publishAsync("bench/wake", payload, { qos: 1 });
    const { user, system } = process.cpuUsage(cpu);
    return {
      resumed: socket.isSessionReused(),
      dnsQueries,
      milliseconds: performance.now() - started,
      cpuMicroseconds: user + system,
    };
  }

  sleep(): Promise<void> {
    return this.#client!.endAsync();
  }
}
