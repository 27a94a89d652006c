/** The back end of one device: opens what the device seals, and seals what the device is to open. */
import { lookup } from "node:dns/promises";
import * as net from "node:net";
import * as path from "node:path";
import type { Sealing } from "../../src/sealing/index.js";
import { toUTF8 } from "../../src/bytes.js";
import { readCredentialFiles } from "../pki/index.js";
import { openStation } from "../sealing/options.js";
import { readSecrets } from "../sealing/secret-file.js";
import { Subscriber } from "../simulate/subscriber.js";
import { addressOf } from "./defaults.js";
import { credentialFilesOf, type Fleet } from "./fleet-file.js";

/** A message between device and back end. */
export interface Message {
  readonly topic: string;
  readonly direction: "from device" | "to device";
  /** As the broker saw it. */
  readonly sealedBytes: number;
  /** Opened; `undefined` when it was refused. */
  readonly text: string | undefined;
  /** Why it was refused. */
  readonly refusal: string | undefined;
}

export interface BackEndOptions {
  readonly fleet: Fleet;
  readonly device: string;
  readonly onMessage: (message: Message) => void;
  readonly onLost: (reason: string) => void;
}

export class BackEnd {
  readonly #options: BackEndOptions;
  readonly #sealing: Sealing;
  #subscriber: Subscriber | undefined;

  constructor(options: BackEndOptions) {
    const { fleet, device } = options;
    this.#options = options;
    this.#sealing = openStation({
      secrets: readSecrets({ fleetRoot: fleet.fleetRoot, epoch: fleet.epoch }, device),
      sender: fleet.backEnd,
      algorithm: "A128GCM",
      encoding: "compact",
      // Numbers must not be used twice, and replays be noticed, whenever it runs.
      state: path.join(".sealwire", fleet.backEnd, device),
    });
  }

  /** Connects and subscribes. */
  async start(): Promise<void> {
    const { fleet, device, onLost } = this.#options;
    const { host, port } = addressOf(fleet.broker);
    const { trustAnchors, ...credentials } = readCredentialFiles(credentialFilesOf(fleet, fleet.backEnd));
    this.#subscriber = await Subscriber.connect({
      host,
      port,
      address: net.isIP(host) === 0 ? (await lookup(host, { order: "ipv4first" })).address : host,
      trustAnchors,
      credentials,
      clientIdentifier: fleet.backEnd,
      topicFilters: [`${device}/telemetry`, `${device}/answers`],
      onMessage: (topic, payload) => this.#received(topic, payload),
      onLost,
    });
  }

  /** Sends a sealed command. */
  send(command: string): void {
    const topic = `${this.#options.device}/commands`;
    const sealed = this.#sealing.seal(topic, toUTF8(command));
    this.#options.onMessage({
      topic,
      direction: "to device",
      sealedBytes: sealed.byteLength,
      text: command,
      refusal: undefined,
    });
    this.#subscriber?.publish(topic, sealed);
  }

  async close(): Promise<void> {
    await this.#subscriber?.close();
    this.#sealing.close();
  }

  #received(topic: string, payload: Uint8Array): void {
    const result = this.#sealing.unseal(topic, payload);
    // Delivered before: MQTT repeats what was not acknowledged.
    if (result.outcome === "duplicate") return;
    this.#options.onMessage({
      topic,
      direction: "from device",
      sealedBytes: payload.byteLength,
      text: result.outcome === "delivered" ? Buffer.from(result.payload).toString() : undefined,
      refusal: result.outcome === "refused" ? `${result.error.code}: ${result.error.message}` : undefined,
    });
  }
}
