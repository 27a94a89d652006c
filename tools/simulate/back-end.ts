/** The device's counterpart: opens what the device seals, and seals what the device is to open, as a back end does. */
import { randomBytes } from "node:crypto";
import { toUTF8 } from "../../src/bytes.js";
import { EpochSecrets, type Sealing } from "../../src/sealing/index.js";
import { createCrypto } from "../../hosts/node/crypto/crypto.js";
import { openStation } from "../sealing/options.js";
import { Subscriber, type SubscriberOptions } from "./subscriber.js";

export interface BackEndOptions extends SubscriberOptions {
  /** The master secret that it shares with the device; `undefined`: payloads go as they are. */
  readonly payloadSecret: Uint8Array | undefined;
  /** A message that is authentic, opened; any message where payloads are not sealed. */
  readonly onMessage: (topic: string, payload: Uint8Array) => void;
  /** A message that the device did not seal. */
  readonly onRefused: (reason: string) => void;
}

export class BackEnd {
  readonly #subscriber: Subscriber;
  readonly #sealing: Sealing | undefined;

  private constructor(subscriber: Subscriber, sealing: Sealing | undefined) {
    this.#subscriber = subscriber;
    this.#sealing = sealing;
  }

  /** A master secret for one device. */
  static newSecret(): Uint8Array {
    return new Uint8Array(randomBytes(32));
  }

  /** Connects and subscribes. Rejects as `Subscriber.connect`. */
  static async connect(options: BackEndOptions): Promise<BackEnd> {
    const { payloadSecret, clientIdentifier, onMessage, onRefused } = options;
    const sealing =
      payloadSecret &&
      openStation({
        secrets: new EpochSecrets(new Map([[0, createCrypto().importKey("secret", payloadSecret)]])),
        sender: clientIdentifier,
        algorithm: "A128GCM",
        encoding: "compact",
      });
    const received = (topic: string, payload: Uint8Array): void => {
      if (!sealing) {
        onMessage(topic, payload);
        return;
      }
      const result = sealing.unseal(topic, payload);
      if (result.outcome === "delivered") onMessage(topic, result.payload);
      // It was delivered: MQTT repeats it, or the device does, whose acknowledgement was lost with the network. A broker does not mark the latter as a repeat.
      else if (result.outcome === "refused" && result.error.code !== "SEALED_REPLAYED")
        onRefused(`${result.error.code}: ${result.error.message}`);
    };
    try {
      return new BackEnd(await Subscriber.connect({ ...options, onMessage: received }), sealing);
    } catch (error) {
      sealing?.close();
      throw error;
    }
  }

  /** As `Subscriber.publish`, sealed where payloads are. */
  publish(topic: string, payload: Uint8Array | string): void {
    const bytes = typeof payload === "string" ? toUTF8(payload) : payload;
    this.#subscriber.publish(topic, this.#sealing ? this.#sealing.seal(topic, bytes) : bytes);
  }

  /** Safe more than once. */
  async close(): Promise<void> {
    await this.#subscriber.close();
    this.#sealing?.close();
  }
}
