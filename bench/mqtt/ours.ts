/** `MQTTSession` over the platform of Node, as a device uses it. */
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { createPlatform, type NodePlatform } from "../../hosts/node/index.js";
import { MQTTSession, type SessionMessage, type SessionOptions } from "../../src/mqtt/index.js";
import type { KeyValueStorage } from "../../src/platform.js";
import type { Contestant, Durability, Idle, Receiver, ReceiverSettings, Sender, SenderSettings } from "./contestant.js";
import { topic } from "./messages.js";
import { MapStorage } from "./map-storage.js";
import { sendAll } from "./window.js";

/** One device of this process, made when it is first used. */
class Device {
  readonly platform: NodePlatform;
  readonly #folder: string;

  constructor() {
    this.#folder = fs.mkdtempSync(path.join(os.tmpdir(), "sealwire-bench-"));
    this.platform = createPlatform({ folder: this.#folder, wakeCause: "power", storage: { capacity: 1 << 24 } });
    process.once("exit", () => fs.rmSync(this.#folder, { recursive: true, force: true }));
  }

  session(clientIdentifier: string, port: number, options: Partial<SessionOptions> = {}): Connectable {
    return new Connectable(this.platform, clientIdentifier, port, options);
  }
}

let device: Device | undefined;
const theDevice = (): Device => (device ??= new Device());
const ticks = (): number => theDevice().platform.ticks();

/**
 * Bytes of the client's buffers, each way, where throughput is measured: MQTT.js has no bound on its own. A device's are 1,024, and so they are
 * where memory is measured.
 */
const buffers = { inputBuffer: 16_384, outputBuffer: 16_384 };

/** A session and how to connect it. */
class Connectable {
  readonly session: MQTTSession;
  readonly #platform: NodePlatform;
  readonly #port: number;
  #connected: (() => void) | undefined;
  #failed: ((error: Error) => void) | undefined;

  constructor(platform: NodePlatform, clientIdentifier: string, port: number, options: Partial<SessionOptions>) {
    this.#platform = platform;
    this.#port = port;
    this.session = new MQTTSession({
      clientIdentifier,
      timer: platform.timer,
      ticks,
      version: 4,
      onConnected: () => {
        this.#connected?.();
        // Later than the connection's beginning nobody waits for it.
        this.#connected = this.#failed = undefined;
      },
      // A connection that breaks ends the run.
      onDisconnected: (error) => {
        if (error) this.#fail(error);
      },
      onError: (error) => this.#fail(error),
      ...options,
    });
  }

  connect(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#connected = resolve;
      this.#failed = reject;
      this.session.connect({
        address: "127.0.0.1",
        port: this.#port,
        socket: { io: this.#platform.tcp, noDelay: true },
      });
    });
  }

  #fail(error: Error): void {
    this.#failed?.(error);
    // The worker reports it.
    setImmediate(() => {
      throw error;
    });
  }
}

function storageFor(durability: Durability | undefined): KeyValueStorage | undefined {
  if (durability === "power") return theDevice().platform.storage;
  return durability === "power-memory" ? new MapStorage() : undefined;
}

class OurSender implements Sender {
  readonly #session: MQTTSession;
  readonly #qos: 0 | 1 | 2;
  readonly #ahead: number;

  /** @param ahead publications that are handed to the session at a time; it sends as many as its window allows */
  constructor(session: MQTTSession, qos: 0 | 1 | 2, ahead: number) {
    this.#session = session;
    this.#qos = qos;
    this.#ahead = ahead;
  }

  async send(_first: number, payloads: readonly Buffer[]): Promise<void> {
    const options = { qos: this.#qos };
    await sendAll(payloads, this.#ahead, (payload, done) => {
      this.#session.publish(topic, payload, options).then(done, done);
    });
  }

  async settle(): Promise<void> {
    await this.#session.unsubscribe("none");
  }

  close(): Promise<void> {
    return this.#session.disconnect();
  }
}

async function sender({ port, qos, window, durability }: SenderSettings): Promise<Sender> {
  // What a session takes when it is not told otherwise, or what the window needs.
  const ahead = Math.max(64, window);
  const storage = storageFor(durability);
  const connectable = theDevice().session("bench-sender", port, {
    window,
    queue: { messages: ahead, bytes: ahead * 256 },
    durability: storage ? "power" : durability === "sleep" ? "sleep" : "none",
    storage,
    cleanStart: true,
    ...buffers,
  });
  await connectable.connect();
  return new OurSender(connectable.session, qos, ahead);
}

async function receiver({ port, qos, onMessage }: ReceiverSettings): Promise<Receiver> {
  const connectable = theDevice().session("bench-receiver", port, {
    onMessage: ({ payload }: SessionMessage) => onMessage(payload),
    ...buffers,
  });
  await connectable.connect();
  await connectable.session.subscribe(topic, { qos });
  await connectable.session.disconnect();
  return { connect: () => connectable.connect(), disconnect: () => connectable.session.disconnect() };
}

async function idle(port: number, clientIdentifier: string): Promise<Idle> {
  const connectable = theDevice().session(clientIdentifier, port, { cleanStart: true });
  await connectable.connect();
  const { session } = connectable;
  return { close: () => session.close() };
}

export const ours: Contestant = { sender, receiver, idle };
