/** A whole `Device` on a chip in memory: its time, network, storage and retained memory, the broker that it talks to, and who reads what it seals. */
import { platform as host } from "sealwire/host";
import { fromUTF8, toUTF8 } from "../../src/bytes.js";
import { Device, type DeviceConnected, type DeviceDisconnected, type DeviceOptions } from "../../src/index.js";
import type { Key, Platform, WakeCause } from "../../src/platform.js";
import { Sealing } from "../../src/sealing/index.js";
import { ok, strictEqual } from "./assert.js";
import { BrokerModel, type BrokerMessage } from "./broker-model.js";
import { ManualTime } from "./manual-time.js";
import { MemoryNetwork } from "./memory-network.js";
import { MemoryRetained, MemoryStorage } from "./memory-storage.js";
import { hardwareRoot } from "./vault-world.js";

const { crypto } = host;

/** Milliseconds that the end of a device may take: a goodbye that nobody takes is waited for, but not for long. */
const PATIENCE = 5000;

export const PASSWORD = "correct horse battery staple";

export class DeviceWorld {
  readonly broker = new BrokerModel();
  readonly network = new MemoryNetwork(this.broker.accept);
  time = new ManualTime();
  storage = new MemoryStorage();
  retained = new MemoryRetained();
  device!: Device;
  /** What the application was told, in order: the name of each callback, and what tells one call from another. */
  told: string[] = [];
  readonly connects: DeviceConnected[] = [];
  readonly losses: DeviceDisconnected[] = [];
  /** Texts that the handler of a subscription got. */
  readonly heard: string[] = [];
  /** Durations that the platform was asked to sleep for. */
  readonly sleeps: number[] = [];
  /** Called in every callback of the application, with its name. */
  onTold: ((callback: string) => void) | undefined;
  readonly #rootOfTrust = hardwareRoot();
  readonly #backEnd: Sealing;
  readonly #texts: string[] = [];
  /** Each message of the broker's is read once. */
  #read = 0;
  /** Those of the broker's messages that the device did not publish. */
  readonly #own = new Set<BrokerMessage>();

  constructor() {
    this.time.wall = { now: 1_800_000_000_000, source: "rtc", uncertainty: 0 };
    this.#backEnd = new Sealing({ sender: "back end" });
    const secrets = this.secrets();
    this.#backEnd.open({ crypto, storage: undefined, retained: undefined, secrets, clientIdentifier: "back end" });
  }

  /** Boots: a device, not started. It logs in by a token over TCP without TLS, and every payload is sealed. */
  boot(options: Partial<DeviceOptions> = {}, wakeCause: WakeCause = "power"): Device {
    const { told } = this;
    const tell = (callback: string, detail = ""): void => {
      told.push(detail ? `${callback} ${detail}` : callback);
      this.onTold?.(callback);
    };
    const device = new Device({
      platform: this.platform(wakeCause),
      clientIdentifier: "device",
      unencrypted: true,
      login: { token: "HMAC-SHA-256", allowReplayWindow: 60_000 },
      sealing: new Sealing(),
      keepAlive: 0,
      credentials: {
        broker: { host: "broker.test", port: 1883 },
        trustAnchors: [],
        username: "user",
        password: toUTF8(PASSWORD),
        payloadSecrets: this.secrets(),
      },
      onConnected: (info) => {
        this.connects.push(info);
        tell("onConnected");
      },
      onDisconnected: (info) => {
        this.losses.push(info);
        tell("onDisconnected", info.cause?.code);
      },
      onMessage: ({ payload }) => {
        this.heard.push(fromUTF8(payload)!);
        tell("onMessage");
      },
      onSecurity: ({ kind }) => tell("onSecurity", kind),
      onError: ({ code }) => tell("onError", code),
      ...options,
    });
    this.device = device;
    return device;
  }

  /** Boots and starts, and is connected. */
  async online(options: Partial<DeviceOptions> = {}, wakeCause: WakeCause = "power"): Promise<Device> {
    const device = this.boot(options, wakeCause);
    await this.finish(device.start());
    ok(device.connected, "the device is connected");
    return device;
  }

  /** A handler of a subscription. */
  readonly listen = ({ payload }: { readonly payload: Uint8Array }): void => {
    this.heard.push(fromUTF8(payload)!);
    this.told.push("handler");
    this.onTold?.("handler");
  };

  /** Publishes on behalf of the back end, sealed for the topic. */
  send(topic: string, text: string, qos = 0): void {
    this.forge(topic, this.#backEnd.seal(topic, toUTF8(text)), qos);
  }

  /** Publishes on behalf of who has no secret. */
  forge(topic: string, payload: Uint8Array | string, qos = 0): void {
    const { published } = this.broker;
    const index = published.length;
    this.broker.publish(topic, payload, qos);
    this.#own.add(published[index]!);
  }

  /** What the back end read of what the device published, in order: `topic text QoS`. Of what is not sealed, or came twice, the outcome stands for the text. */
  get published(): readonly string[] {
    const { published } = this.broker;
    for (; this.#read < published.length; this.#read++) {
      const message = published[this.#read]!;
      if (!this.#own.has(message)) this.#texts.push(this.#open(message));
    }
    return this.#texts;
  }

  /**
   * Waits for a promise, letting time pass in steps from timer to timer.
   * @param within milliseconds of simulated time that it may take
   */
  async finish<T>(promise: Promise<T>, within = PATIENCE): Promise<T> {
    const { time } = this;
    const fate = fateOf(promise);
    const end = time.ticks() + within;
    for (;;) {
      await this.network.run();
      if (fate() !== "pending") return promise;
      const { next } = time;
      if (next === undefined) throw new Error("Nothing is left that could settle the promise: it waits for ever.");
      if (time.ticks() + next > end) throw new Error(`The promise is not settled within ${within} ms.`);
      time.advance(next);
    }
  }

  /** Lets time pass, and what happens in it. */
  async pass(milliseconds: number): Promise<void> {
    const end = this.time.ticks() + milliseconds;
    for (;;) {
      await this.network.run();
      const { next } = this.time;
      const left = end - this.time.ticks();
      if (next === undefined || next > left) {
        this.time.advance(left);
        return this.network.run();
      }
      this.time.advance(next);
    }
  }

  /** After the end of a device: nothing of it is left, and nothing is called back later, whatever comes. */
  async mustBeGone(what = ""): Promise<void> {
    strictEqual(this.time.pending, 0, `${what}: timers`);
    await this.network.run();
    strictEqual(this.network.connections, 0, `${what}: connections`);
    const { length } = this.told;
    await this.pass(3_600_000);
    strictEqual(this.told.length, length, `${what}: callbacks after the end, of ${this.told.join()}`);
    strictEqual(this.device.status.state, "stopped", what);
  }

  /** The program starts again from what survives a deep sleep. */
  wake(options: Partial<DeviceOptions> = {}, slept = 60_000): Device {
    const { wall } = this.time;
    this.time = new ManualTime();
    this.time.wall = wall && { ...wall, now: wall.now + slept };
    const { full } = this.storage;
    this.storage = this.storage.afterReboot();
    this.storage.full = full;
    return this.boot(options, "sleep");
  }

  private secrets(): ReadonlyMap<number, Key> {
    return new Map([[0, crypto.importKey("secret", new Uint8Array(32).fill(7))]]);
  }

  private platform(wakeCause: WakeCause): Platform {
    const { time, network, storage, retained } = this;
    return {
      name: "memory",
      buildTime: 1_799_000_000_000,
      mac: () => Uint8Array.of(2, 0, 0, 0, 0, 1),
      tcp: network.socket.io,
      resolver: network.dns.io,
      tlsEngineBuild: "none",
      createTLSEngine: () => {
        throw new Error("There is no TLS here.");
      },
      storage,
      retainedMemory: retained,
      provisioning: undefined,
      crypto,
      rootOfTrust: this.#rootOfTrust,
      counter: undefined,
      timer: time.timer,
      ticks: time.ticks,
      time: time.time,
      clockSurvives: { sleep: true, power: false },
      network: undefined,
      wakeCause,
      sleep: (milliseconds) => void this.sleeps.push(milliseconds),
      restart: () => undefined,
      watchdog: { feed: () => undefined },
      heap: () => undefined,
      log: () => undefined,
      observe: undefined,
    };
  }

  #open({ topic, payload, qos }: BrokerMessage): string {
    const result = this.#backEnd.unseal(topic, payload.slice());
    return `${topic} ${result.outcome === "delivered" ? fromUTF8(result.payload) : result.outcome} ${qos}`;
  }
}

/** @returns where the promise is, whenever asked: `pending`, `fulfilled`, or the code of the error that it was rejected with */
export function fateOf(promise: Promise<unknown>): () => string {
  let fate = "pending";
  promise.then(
    () => (fate = "fulfilled"),
    (error: unknown) => (fate = (error as { code?: string }).code ?? String(error)),
  );
  return () => fate;
}
