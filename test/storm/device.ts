/** A device with a session that survives, an application that uses it, and power that fails. */
import { MQTTSession, type SessionMessage } from "../../src/mqtt/index.js";
import type { PlatformTimer, TransportConstructor } from "../../src/platform.js";
import { type Damage, damaged } from "./damage.js";
import type { InboundLedger } from "./inbound-ledger.js";
import { type Fate, Life, MortalStorage, MortalTimer, type Values, mortal } from "./life.js";
import { type Assured, type Numbered, decode, encode, isWithin } from "./numbered.js";
import type { OutboundLedger } from "./outbound-ledger.js";
import type { Random } from "./random.js";
import type { Violations } from "./violations.js";

/** What the device is connected to. */
export interface StormWorld {
  readonly timer: PlatformTimer;
  readonly ticks: () => number;
  readonly address: string;
  readonly port: number;
  readonly io: TransportConstructor;
  /** The device has no power: its connections are gone without a goodbye. */
  vanish(): void;
}

export interface DeviceOptions {
  readonly world: StormWorld;
  readonly clientIdentifier: string;
  /** It publishes below this topic and subscribes below the next; the last level is the QoS. */
  readonly outboundTopic: string;
  readonly inboundTopic: string;
  readonly version: 4 | 5;
  /** Whether the application acknowledges by itself. */
  readonly manual: boolean;
  /** Inbound messages that may be unacknowledged; the session's own when left out. */
  readonly receiveMaximum?: number;
  readonly random: Random;
  readonly fate: Fate;
  readonly outbound: OutboundLedger;
  readonly inbound: InboundLedger;
  readonly violations: Violations;
  /** Makes the storage a bad one. */
  readonly damage?: Damage | undefined;
}

const queue = { messages: 64, bytes: 32_768 };

/** Room that one more message needs at most. */
const largest = 600;

/** Failures of a connection that a storm brings about. */
const expected = ["CONNECTION_LOST", "CONNECTION_REFUSED", "NETWORK_DOWN"];

export class StormDevice {
  readonly #options: DeviceOptions;
  /** The flash: outlives every life. */
  readonly #values: Values = new Map();
  #life: Life;
  #session!: MQTTSession;
  #connecting = false;
  /** Manual mode: handed out and not yet acknowledged. */
  #waiting: { message: SessionMessage; numbered: Numbered }[] = [];
  #lives = 0;
  #subscribed = false;
  #extra = false;
  /** Connections that ended other than by loss of power. */
  disconnects = 0;
  connects = 0;

  constructor(options: DeviceOptions) {
    this.#options = options;
    this.#life = this.boot();
  }

  get alive(): boolean {
    return this.#life.alive;
  }

  /** How often the power failed. */
  get crashes(): number {
    return this.#lives - 1;
  }

  /** Whether there is neither a connection nor an attempt at one. */
  get offline(): boolean {
    return this.alive && !this.#connecting && !this.#session.connected;
  }

  /** Whether the broker knows what it must send. */
  get subscribed(): boolean {
    return this.#subscribed;
  }

  /** Whether nothing is under way in either direction. */
  get idle(): boolean {
    const { messages, inbound, requests } = this.#session.pending;
    return this.alive && this.#session.connected && messages + inbound + requests === 0;
  }

  /** For people, when nothing goes on. */
  get state(): string {
    const { connected, pending } = this.#session;
    return JSON.stringify({ alive: this.alive, connected, pending, waiting: this.#waiting.length });
  }

  /** Keys of publications that are still stored. */
  get leftovers(): number {
    return [...this.#values.keys()].filter((key) => key.startsWith("sw.mq.o")).length;
  }

  /** Power returns: a new program with what the flash holds. */
  boot(): Life {
    const { version, manual, world, inbound, fate, violations, damage } = this.#options;
    this.#lives++;
    const life = (this.#life = new Life(fate, () => {
      this.#waiting = [];
      this.#connecting = false;
      world.vanish();
    }));
    life.run(() => {
      const storage = new MortalStorage(life, this.#values);
      const session: MQTTSession = new MQTTSession({
        clientIdentifier: this.#options.clientIdentifier,
        timer: new MortalTimer(life, world.timer),
        ticks: world.ticks,
        version,
        durability: "power",
        storage: damage ? damaged(storage, damage) : storage,
        queue,
        receiveMaximum: this.#options.receiveMaximum,
        acknowledge: manual ? "manual" : "auto",
        onMessage: (message) => {
          // Nothing runs in a device without power.
          if (life.alive) this.#handle(message, life);
        },
        onConnected: () => {
          this.#connecting = false;
          this.connects++;
        },
        onDisconnected: (error) => {
          if (!life.alive) return;
          this.#connecting = false;
          this.disconnects++;
          if (error && !expected.includes(error.code))
            violations.add(`The connection ended with ${error.code}: ${error.message}`);
        },
        onError: (error) => {
          if (life.alive) violations.add(`The session reported ${error.code}: ${error.message}`);
        },
      });
      this.#session = session;
      const { lost, mark } = session;
      if (lost.damaged + lost.surplus > 0) violations.add(`The session found bad records: ${JSON.stringify(lost)}`);
      inbound.begin(mark ? new DataView(mark.buffer, mark.byteOffset).getUint32(0) : 0);
      this.#request(
        session.subscribe(`${this.#options.inboundTopic}/#`, { qos: 2 }),
        life,
        () => (this.#subscribed = true),
      );
    });
    return life;
  }

  /** Begins a connection when there is none. */
  connect(pipeline: boolean): void {
    const { world } = this.#options;
    const life = this.#life;
    if (!this.offline) return;
    this.#connecting = true;
    life.run(() =>
      this.#session.connect({
        address: world.address,
        port: world.port,
        socket: { io: mortal(world.io, life) },
        pipeline,
      }),
    );
  }

  /** The power fails now. */
  crash(): void {
    this.#life.end();
  }

  /** Publishes the next messages of one QoS, as far as there is room and up to a number. */
  publish(qos: Assured, count: number, upTo: number): void {
    const { outbound } = this.#options;
    for (let i = 0; i < count && this.alive; i++) {
      const message = { qos, number: outbound.stored(qos) + 1 };
      const { messages, bytes } = this.#session.pending;
      if (message.number > upTo || messages >= queue.messages || bytes + largest > queue.bytes) return;
      this.#publish(message);
    }
  }

  /** Manual mode: the application is done with some messages, in whatever order. */
  acknowledge(count: number): void {
    const { random } = this.#options;
    for (let i = 0; i < count && this.alive && this.#waiting.length > 0; i++) {
      const [chosen] = this.#waiting.splice(random.below(this.#waiting.length), 1);
      this.#life.run(() => this.#finish(chosen!.message, chosen!.numbered));
    }
  }

  /** Subscribes to something else, or ends that: so the records of subscriptions change too. */
  toggleSubscription(): void {
    const life = this.#life;
    this.#extra = !this.#extra;
    const filter = `storm/else/${this.#options.random.below(3)}`;
    life.run(() =>
      this.#request(
        this.#extra ? this.#session.subscribe(filter, { qos: 1 }) : this.#session.unsubscribe(filter),
        life,
        () => undefined,
      ),
    );
  }

  /** Ends the program for good. */
  close(): void {
    const session = this.#session;
    this.#life.end();
    session.close();
  }

  #publish(message: Numbered): void {
    const { outbound, violations } = this.#options;
    const life = this.#life;
    life.run(() => {
      this.#session
        .publish(`${this.#options.outboundTopic}/${message.qos}`, encode(message), { qos: message.qos })
        .then(
          () => {
            if (life.alive) outbound.acknowledged(message);
          },
          (error: unknown) => {
            if (life.alive)
              violations.add(`outbound QoS ${message.qos} message ${message.number} was rejected: ${String(error)}`);
          },
        );
    });
    // A device that loses power within the call finds out by looking.
    const stored = this.#isStored(message);
    if (stored) outbound.store(message);
    else if (life.alive)
      violations.add(`publish() returned, but QoS ${message.qos} message ${message.number} is not in storage.`);
  }

  #isStored(message: Numbered): boolean {
    for (const value of this.#values.values()) if (isWithin(value, message)) return true;
    return false;
  }

  #handle(message: SessionMessage, life: Life): void {
    const { inbound, manual, random } = this.#options;
    const { qos, redelivered, payload } = message;
    const numbered = decode(payload);
    const turn = inbound.handOut({ message: numbered, qos, redelivered });
    if (!numbered) return;
    if (qos === 2) {
      message.mark = new Uint8Array(4);
      new DataView(message.mark.buffer).setUint32(0, turn);
    }
    life.step("application: handed out");
    if (manual && random.chance(0.7)) this.#waiting.push({ message, numbered });
    else this.#finish(message, numbered);
  }

  /** Writes the message into the ledger, unless it is there; and tells the session, in manual mode. */
  #finish(message: SessionMessage, numbered: Numbered): void {
    const { inbound } = this.#options;
    const life = this.#life;
    life.step("application: before its ledger");
    if (!inbound.isRecorded(numbered)) inbound.record(numbered);
    life.step("application: after its ledger");
    message.acknowledge();
  }

  #request(request: Promise<unknown>, life: Life, done: () => void): void {
    request.then(
      () => {
        if (life.alive) done();
      },
      (error: unknown) => {
        if (life.alive) this.#options.violations.add(`A request of subscription failed: ${String(error)}`);
      },
    );
  }
}
