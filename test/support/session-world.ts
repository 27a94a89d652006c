/** A device, a network and a broker in memory, for tests of `MQTTSession`: connects, crashes and comes back. */
import { SealwireError } from "../../src/errors.js";
import { MQTTSession, type ConnectedInfo, type SessionMessage, type SessionOptions } from "../../src/mqtt/index.js";
import type { BufferLike, KeyValueStorage } from "../../src/platform.js";
import { fromUTF8, toBytes } from "../../src/bytes.js";
import { BrokerModel, PACKET, type SeenPacket } from "./broker-model.js";
import { ManualTime } from "./manual-time.js";
import { MemoryNetwork } from "./memory-network.js";

/** The power is gone: thrown through everything, like the end of the program. */
export class PowerLoss extends Error {}

/** Flash that outlives the device, and a handle to it that dies with the power. */
export class Flash implements KeyValueStorage {
  readonly maximumKeyLength = 15;
  readonly maximumValueLength: number;
  readonly capacity = 65536;
  /** Writes and deletions. */
  writes = 0;
  /** Counts down at each write; at 0 the power fails, before or after the write. */
  cutIn: number | undefined;
  cutAfterWrite = false;
  /** Refuses every write. */
  broken = false;
  values: Map<string, Uint8Array>;
  #dead = false;
  onPowerLoss: () => void = () => undefined;

  constructor(values = new Map<string, Uint8Array>(), maximumValueLength = 4000) {
    this.values = values;
    this.maximumValueLength = maximumValueLength;
  }

  /** Whether the power has failed. */
  get dead(): boolean {
    return this.#dead;
  }

  /** The power fails now. */
  die(): void {
    this.#dead = true;
  }

  read(key: string): ArrayBuffer | undefined {
    if (this.#dead) throw new PowerLoss();
    return this.values.get(key)?.slice().buffer;
  }

  write(key: string, value: BufferLike): void {
    if (key.length > 15) throw new SealwireError("INVALID_ARGUMENT", "The key is too long.");
    this.#change(() => this.values.set(key, toBytes(value).slice()));
  }

  delete(key: string): boolean {
    if (!this.values.has(key)) return false;
    this.#change(() => this.values.delete(key));
    return true;
  }

  /** In no particular order: the newest first. */
  [Symbol.iterator](): Iterator<string> {
    return [...this.values.keys()].reverse().values();
  }

  #change(apply: () => void): void {
    if (this.#dead) throw new PowerLoss();
    if (this.broken) throw new SealwireError("STORAGE_FAILED", "The flash is worn out.");
    this.writes++;
    const cut = this.cutIn !== undefined && --this.cutIn === 0;
    if (!cut || this.cutAfterWrite) apply();
    if (!cut) return;
    this.#dead = true;
    this.onPowerLoss();
    throw new PowerLoss();
  }
}

export class World {
  readonly broker = new BrokerModel();
  readonly network = new MemoryNetwork(this.broker.accept);
  time = new ManualTime();
  flash = new Flash();
  session!: MQTTSession;
  /** What the application saw. */
  readonly messages: SessionMessage[] = [];
  readonly connects: ConnectedInfo[] = [];
  readonly disconnects: (SealwireError | undefined)[] = [];
  readonly errors: SealwireError[] = [];

  constructor() {
    this.flash.onPowerLoss = () => this.network.crash();
  }

  /** Starts the device: a session, not connected. */
  start(options: Partial<SessionOptions> = {}): MQTTSession {
    this.session = new MQTTSession({
      clientIdentifier: "device",
      timer: this.time.timer,
      ticks: this.time.ticks,
      version: 4,
      keepAlive: 0,
      onMessage: (message) => void this.messages.push(message),
      onConnected: (info) => void this.connects.push(info),
      onDisconnected: (error) => void this.disconnects.push(error),
      onError: (error) => void this.errors.push(error),
      ...(options.durability === "power" ? { storage: this.flash } : {}),
      ...options,
    });
    return this.session;
  }

  connect(options: { pipeline?: boolean } = {}): void {
    this.session.connect({ host: "broker.test", socket: this.network.socket, dns: this.network.dns, ...options });
  }

  /** Starts a session and connects it. */
  async online(options: Partial<SessionOptions> = {}): Promise<MQTTSession> {
    this.start(options);
    this.connect();
    await this.run();
    return this.session;
  }

  run(): Promise<void> {
    return this.network.run();
  }

  async reconnect(options: { pipeline?: boolean } = {}): Promise<void> {
    this.network.cut();
    await this.run();
    this.connect(options);
    await this.run();
  }

  /** Loses power now; the flash stays as it is. The session of before must not be used any more. */
  powerLoss(): void {
    this.network.crash();
    this.flash.die();
    this.#reboot();
  }

  /** After a loss of power that the flash brought about. */
  #reboot(): void {
    const { maximumValueLength, values } = this.flash;
    const flash = new Flash(new Map(values), maximumValueLength);
    flash.onPowerLoss = () => this.network.crash();
    this.flash = flash;
    this.time = new ManualTime();
  }

  /** Topics, or payloads as text, of what the broker got, in order. */
  get published(): string[] {
    return this.broker.published.map(({ payload }) => fromUTF8(payload)!);
  }

  /** Packets of one type that the client sent. */
  seen(type: number): SeenPacket[] {
    return this.broker.seen.filter((packet) => packet.type === type);
  }

  get received(): string[] {
    return this.messages.map(({ payload }) => fromUTF8(payload)!);
  }
}

export { PACKET };
